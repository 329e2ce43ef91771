"""`switchhook recordings list | purge | hold | release`: the recordings that a running recorder keeps."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
import typer

from services.commands.admin_client import TokenFileOption, UrlOption, admin_client
from services.commands.configuration import ConfigOption, complain
from services.commands.table import table, time_text

HEADER = ("recording", "pbx", "user", "seconds", "bytes", "kept", "until", "state")
PAGE = 500

recordings = typer.Typer(name="recordings", help="The recordings: look, delete, hold.", no_args_is_help=True)

CallOption = Annotated[str | None, typer.Option("--call", metavar="ID", help="Id of a call, or PBX/ID.")]
Pbx = Annotated[str | None, typer.Option("--pbx", metavar="NAME", help="Name of a PBX.")]
Since = Annotated[str | None, typer.Option("--since", metavar="WHEN", help="Stored since: 2h, or a time.")]
Until = Annotated[str | None, typer.Option("--until", metavar="WHEN", help="Stored until: 30d, or a time.")]
CallId = Annotated[str, typer.Argument(metavar="CALL", help="Id of a call, or PBX/ID.")]


@recordings.command("list")
def list_recordings(
    context: typer.Context,
    *,
    call: CallOption = None,
    pbx: Pbx = None,
    since: Since = None,
    until: Until = None,
    everything: Annotated[bool, typer.Option("--all", help="Deleted ones too.")] = False,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="At most so many.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    url: UrlOption = None,
    token_file: TokenFileOption = None,
    config: ConfigOption = None,
) -> None:
    """List recordings, the newest first."""
    client = admin_client(context, config, url=url, token_file=token_file)
    query = {"call": call, "pbx": pbx, "since": since, "until": until, "all": "true" if everything else None}
    found: list[dict[str, Any]] = []
    cursor = None
    while len(found) < limit:
        page = client.get("/recordings", {**query, "limit": min(PAGE, limit - len(found)), "cursor": cursor})
        found += page["recordings"]
        cursor = page["next"]
        if cursor is None:
            break
    if as_json:
        typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
        return
    for line in table(HEADER, [_row(recording) for recording in found]):
        typer.echo(line)
    if cursor is not None:
        complain([f"there are more: these are the newest {len(found)}"])
    elif not found:
        complain(["there are none"])


@recordings.command()
def purge(
    context: typer.Context,
    *,
    call: CallOption = None,
    pbx: Pbx = None,
    since: Since = None,
    until: Until = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")] = False,
    url: UrlOption = None,
    token_file: TokenFileOption = None,
    config: ConfigOption = None,
) -> None:
    """Delete recordings now: the expired ones, or with options the chosen ones. What is held stays."""
    client = admin_client(context, config, url=url, token_file=token_file)
    body = {"call": call, "pbx": pbx, "since": since, "until": until, "dry_run": dry_run}
    answer = client.post("/recordings/purge", body)
    verb = "would be deleted" if dry_run else "deleted"
    held = f"; {answer['held']} are held and stay" if answer["held"] else ""
    typer.echo(f"{answer['files']} recordings ({answer['bytes']:,} bytes) {verb}{held}")


@recordings.command()
def hold(
    context: typer.Context,
    call: CallId,
    url: UrlOption = None,
    token_file: TokenFileOption = None,
    config: ConfigOption = None,
) -> None:
    """Delete none of a call's recordings, whatever retention, quota or anybody says, until it is released."""
    answer = admin_client(context, config, url=url, token_file=token_file).post("/recordings/hold", {"call": call})
    typer.echo(f"call {answer['pbx']}/{answer['call']} is held: {answer['files']} recordings")


@recordings.command()
def release(
    context: typer.Context,
    call: CallId,
    url: UrlOption = None,
    token_file: TokenFileOption = None,
    config: ConfigOption = None,
) -> None:
    """Let retention have a call's recordings again."""
    answer = admin_client(context, config, url=url, token_file=token_file).post("/recordings/release", {"call": call})
    typer.echo(f"call {answer['pbx']}/{answer['call']} is released: {answer['files']} recordings")


def _row(recording: dict[str, Any]) -> tuple[object, ...]:
    state = recording["gone"] or ("held" if recording["held"] else "kept")
    return (
        recording["recording"],
        recording["pbx"],
        recording["user"],
        round(recording["seconds"], 1),
        recording["bytes"],
        time_text(recording["kept_at"]),
        time_text(recording["expires_at"]),
        state,
    )

"""`switchhook links revoke | list | restore | listens`: the recording links of a running fileserver."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
import typer

from services.commands.admin_client import TokenFileOption, UrlOption, admin_client, in_path
from services.commands.configuration import ConfigOption, complain
from services.commands.table import table, time_text

links = typer.Typer(name="links", help="Recording links: take them back, and see who listened.", no_args_is_help=True)

REVOCATIONS = ("revocation", "made", "recipient", "pbx", "call", "since", "until")
LISTENS = ("at", "recording", "pbx", "recipient", "address", "status", "bytes", "complete")

Recipient = Annotated[str | None, typer.Option("--recipient", metavar="NAME", help="Endpoint the links were made for.")]
CallId = Annotated[str | None, typer.Option("--call", metavar="ID", help="Id of a call.")]
Pbx = Annotated[str | None, typer.Option("--pbx", metavar="NAME", help="Name of a PBX.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@links.command("revoke")
def revoke(
    context: typer.Context,
    *,
    recipient: Recipient = None,
    call: CallId = None,
    pbx: Pbx = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="WHEN", help="Calls that arrived since: 2h, or 2026-03-07T12:00Z.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="WHEN", help="Calls that arrived before: 30m, or a time.")
    ] = None,
    url: UrlOption = None,
    token_file: TokenFileOption = None,
    config: ConfigOption = None,
) -> None:
    """Make links stop working: those for which everything that is given is true."""
    wanted = {"recipient": recipient, "call": call, "pbx": pbx, "since": since, "until": until}
    made = admin_client(context, config, url=url, token_file=token_file).post(
        "/links/revocations", {name: value for name, value in wanted.items() if value is not None}
    )
    typer.echo(f"revoked, as {made['id']}; take it back with: switchhook links restore {made['id']}")


@links.command("list")
def list_revocations(
    context: typer.Context,
    as_json: Json = False,
    url: UrlOption = None,
    token_file: TokenFileOption = None,
    config: ConfigOption = None,
) -> None:
    """List what was revoked."""
    answer = admin_client(context, config, url=url, token_file=token_file).get("/links/revocations")
    rows = [_revocation(one) for one in answer["revocations"]]
    _print(answer["revocations"], REVOCATIONS, rows, as_json=as_json, nothing="nothing is revoked")


@links.command("restore")
def restore(
    context: typer.Context,
    revocation: Annotated[str, typer.Argument(metavar="ID", help="Of a revocation.")],
    url: UrlOption = None,
    token_file: TokenFileOption = None,
    config: ConfigOption = None,
) -> None:
    """Take a revocation back: the links work again."""
    client = admin_client(context, config, url=url, token_file=token_file)
    client.delete(f"/links/revocations/{in_path(revocation)}")
    typer.echo(f"{revocation} is taken back")


@links.command("listens")
def list_listens(
    context: typer.Context,
    *,
    recipient: Recipient = None,
    call: CallId = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="WHEN", help="Since when: 2h, or 2026-03-07T12:00:00Z.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=1000, help="At most so many.")] = 100,
    as_json: Json = False,
    url: UrlOption = None,
    token_file: TokenFileOption = None,
    config: ConfigOption = None,
) -> None:
    """List who listened to what, the latest first."""
    query = {"recipient": recipient, "call": call, "since": since, "limit": str(limit)}
    answer = admin_client(context, config, url=url, token_file=token_file).get("/listens", query)
    rows = [_listen(one) for one in answer["listens"]]
    _print(answer["listens"], LISTENS, rows, as_json=as_json, nothing="nobody listened")


def _print(
    documents: list[dict[str, Any]],
    header: tuple[str, ...],
    rows: list[tuple[object, ...]],
    *,
    as_json: bool,
    nothing: str,
) -> None:
    if as_json:
        typer.echo(orjson.dumps(documents, option=orjson.OPT_INDENT_2).decode())
        return
    for line in table(header, rows):
        typer.echo(line)
    if not rows:
        complain([nothing])


def _revocation(one: dict[str, Any]) -> tuple[object, ...]:
    times = (time_text(one["since"]), time_text(one["until"]))
    return (one["id"], time_text(one["made_at"]), *(one[name] or "" for name in ("recipient", "pbx", "call")), *times)


def _listen(one: dict[str, Any]) -> tuple[object, ...]:
    return (
        time_text(one["at"]),
        one["recording"],
        one["pbx"],
        one["recipient"] or "",
        one["address"],
        one["status"],
        one["bytes"],
        "yes" if one["complete"] else "no",
    )

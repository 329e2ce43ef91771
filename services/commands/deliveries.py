"""`switchhook deliveries list | show | replay`: the delivery log of a running dispatcher."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

import orjson
import typer

from services.commands.admin_client import AdminClient, TokenFileOption, UrlOption, admin_client, in_path
from services.commands.configuration import ConfigOption, complain
from services.commands.delivery_texts import count_sentence, deliveries_table, delivery_lines

PAGE = 500

deliveries = typer.Typer(name="deliveries", help="The delivery log: look, and send again.", no_args_is_help=True)

Texts = list[str] | None
State = Annotated[
    Texts, typer.Option("--state", metavar="STATE", help="pending, delivered, dead or expired; may be repeated.")
]
CallId = Annotated[str | None, typer.Option("--call", metavar="ID", help="Id of a call, or PBX/ID.")]
EventTypes = Annotated[
    Texts, typer.Option("--event", metavar="EVENT", help="Such as ringing or recording; may be repeated.")
]
Endpoints = Annotated[Texts, typer.Option("--endpoint", metavar="NAME", help="Name of an endpoint; may be repeated.")]
Pbx = Annotated[Texts, typer.Option("--pbx", metavar="NAME", help="Name of a PBX; may be repeated.")]
Since = Annotated[
    str | None, typer.Option("--since", metavar="WHEN", help="Events accepted since: 2h, or 2026-03-07T12:00:00Z.")
]
Until = Annotated[str | None, typer.Option("--until", metavar="WHEN", help="Events accepted until: 30m, or a time.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Numbers = Annotated[bool, typer.Option("--numbers", help="Show whole telephone numbers.")]


@deliveries.command("list")
def list_deliveries(
    context: typer.Context,
    *,
    state: State = None,
    call: CallId = None,
    event: EventTypes = None,
    endpoint: Endpoints = None,
    pbx: Pbx = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="At most so many.")] = 50,
    numbers: Numbers = False,
    as_json: Json = False,
    url: UrlOption = None,
    token_file: TokenFileOption = None,
    config: ConfigOption = None,
) -> None:
    """List deliveries, the newest events first."""
    query = {"state": state, "call": call, "event": event, "endpoint": endpoint, "pbx": pbx}
    query |= {"since": since, "until": until, "numbers": "true" if numbers else None}
    client = admin_client(context, config, url=url, token_file=token_file)
    found, has_more = _found(client, query, limit)
    if as_json:
        _echo_json(found)
        return
    for line in deliveries_table(found):
        typer.echo(line)
    if not found:
        complain(["no delivery is like that"])
    elif has_more:
        complain([f"there are more: these are the newest {limit} (--limit, --until)"])


@deliveries.command()
def show(
    context: typer.Context,
    *,
    delivery: Annotated[str, typer.Argument(metavar="ID", help="As the list shows it: EVENT.ENDPOINT")],
    numbers: Numbers = False,
    as_json: Json = False,
    url: UrlOption = None,
    token_file: TokenFileOption = None,
    config: ConfigOption = None,
) -> None:
    """Show one delivery with its event and its attempts."""
    client = admin_client(context, config, url=url, token_file=token_file)
    document = client.get(f"/deliveries/{in_path(delivery)}", {"numbers": "true" if numbers else None})
    if as_json:
        _echo_json(document)
        return
    for line in delivery_lines(document):
        typer.echo(line)


@deliveries.command()
def replay(
    context: typer.Context,
    *,
    ids: Annotated[Texts, typer.Argument(metavar="[ID]...", help="Deliveries, as the list shows them.")] = None,
    state: State = None,
    call: CallId = None,
    event: EventTypes = None,
    endpoint: Endpoints = None,
    pbx: Pbx = None,
    since: Since = None,
    until: Until = None,
    to: Annotated[str | None, typer.Option("--to", metavar="NAME", help="Send to this endpoint instead.")] = None,
    rate: Annotated[
        float | None, typer.Option("--rate", metavar="N", help="So many a second; unset: as fast as they go.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    as_json: Json = False,
    url: UrlOption = None,
    token_file: TokenFileOption = None,
    config: ConfigOption = None,
) -> None:
    """Send deliveries again: dead and expired ones, unless their ids or states are named."""
    order: dict[str, object] = {"id": ids, "state": state, "call": call, "event": event, "endpoint": endpoint}
    order |= {"pbx": pbx, "since": since, "until": until, "to": to, "rate": rate, "dry_run": dry_run}
    client = admin_client(context, config, url=url, token_file=token_file)
    result = _replayed(client, order)
    if as_json:
        _echo_json(result)
        return
    typer.echo(count_sentence("would replay" if dry_run else "replayed", result["replayed"], result["by_endpoint"]))
    if result["skipped"]:
        typer.echo(count_sentence("skipped", sum(result["skipped"].values()), result["skipped"]))


def _found(client: AdminClient, query: dict[str, Any], limit: int) -> tuple[list[dict[str, Any]], bool]:
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        answer = client.get("/deliveries", {**query, "limit": min(limit - len(found), PAGE), "cursor": cursor})
        found += answer["deliveries"]
        cursor = answer["next"]
        if cursor is None or len(found) >= limit:
            return found, cursor is not None


def _replayed(client: AdminClient, order: dict[str, object]) -> dict[str, Any]:
    """The sums over as many requests as it takes."""
    sums: dict[str, Counter[str]] = {"by_endpoint": Counter(), "skipped": Counter()}
    matched = 0
    cursor: str | None = None
    while True:
        answer = client.post("/deliveries/replay", {**order, "cursor": cursor})
        matched += answer["matched"]
        for name, counter in sums.items():
            counter.update(answer[name])
        cursor = answer["next"]
        if cursor is None:
            break
    by_endpoint, skipped = dict(sums["by_endpoint"]), dict(sums["skipped"])
    replayed = sum(by_endpoint.values())
    dry_run = bool(order["dry_run"])
    return {
        "dry_run": dry_run,
        "matched": matched,
        "replayed": replayed,
        "by_endpoint": by_endpoint,
        "skipped": skipped,
    }


def _echo_json(document: object) -> None:
    typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())

"""`switchhook endpoints list | pause | resume`: the endpoints of a running dispatcher."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
import typer

from services.commands.admin_client import TokenFileOption, UrlOption, admin_client, in_path
from services.commands.configuration import ConfigOption, complain
from services.commands.table import table, time_text

HEADER = ("endpoint", "state", "reason", "pending", "oldest", "last error", "at", "url")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of an endpoint.")]


def list_endpoints(
    context: typer.Context,
    as_json: Json = False,
    url: UrlOption = None,
    token_file: TokenFileOption = None,
    config: ConfigOption = None,
) -> None:
    """List the endpoints: state, what waits, last error."""
    answer = admin_client(context, config, url=url, token_file=token_file).get("/endpoints")
    if as_json:
        typer.echo(orjson.dumps(answer["endpoints"], option=orjson.OPT_INDENT_2).decode())
        return
    for line in table(HEADER, [_row(endpoint) for endpoint in answer["endpoints"]]):
        typer.echo(line)
    if not answer["endpoints"]:
        complain(["no endpoint is configured there"])


def pause(
    context: typer.Context,
    name: Name,
    url: UrlOption = None,
    token_file: TokenFileOption = None,
    config: ConfigOption = None,
) -> None:
    """Make no attempts for an endpoint until it is resumed; what comes for it waits."""
    client = admin_client(context, config, url=url, token_file=token_file)
    typer.echo(_sentence(client.post(f"/endpoints/{in_path(name)}/pause", {})))


def resume(
    context: typer.Context,
    name: Name,
    url: UrlOption = None,
    token_file: TokenFileOption = None,
    config: ConfigOption = None,
) -> None:
    """Make attempts for an endpoint again."""
    client = admin_client(context, config, url=url, token_file=token_file)
    typer.echo(_sentence(client.post(f"/endpoints/{in_path(name)}/resume", {})))


def _row(endpoint: dict[str, Any]) -> tuple[object, ...]:
    error = endpoint["last_error"]
    said = "" if error is None else " ".join(str(part) for part in (error["reason"], error["status"]) if part)
    return (
        endpoint["name"],
        endpoint["state"],
        endpoint["reason"],
        endpoint["pending"],
        time_text(endpoint["oldest_pending_at"]),
        said,
        "" if error is None else time_text(error["at"]),
        endpoint["url"],
    )


def _sentence(endpoint: dict[str, Any]) -> str:
    return f"{endpoint['name']} is {endpoint['state']}; {endpoint['pending']} deliveries are pending"

"""What one key alone cannot show: names used twice, filters that name nothing, keys that only make sense together.

Works on the file's own tables, so that it can speak even when other keys are wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from switchhook.settings.access import access_checks
from switchhook.settings.problems import problem, unknown
from switchhook.settings.recording_checks import recording_checks

if TYPE_CHECKING:
    from collections.abc import Iterator

_NEW_EVENTS = {"ringing_stopped", "completed"}  # which the old formats have no word for
_SHORTEST_LINK_SECRET = 16
_SHORTEST_TOKEN = 16


def cross_checks(raw: dict[str, Any]) -> Iterator[str]:
    """The problems between keys."""
    pbx, endpoint = raw.get("pbx", []), raw.get("endpoint", [])
    yield from _names_used_twice("pbx", pbx)
    yield from _names_used_twice("endpoint", endpoint)
    yield from _api_clients_used_twice(pbx)
    names = [str(entry["name"]) for entry in pbx if "name" in entry]
    for place, entry in enumerate(pbx):
        yield from _api_client(entry, f"pbx[{place}]")
    for place, entry in enumerate(endpoint):
        yield from _filters(entry, f"endpoint[{place}]", names)
        yield from access_checks(entry, f"endpoint[{place}]")
    yield from _operator(raw.get("dispatcher", {}), [str(entry["name"]) for entry in endpoint if "name" in entry])
    yield from _fileserver(raw.get("fileserver", {}))
    yield from _admin(raw.get("admin", {}))
    yield from recording_checks(raw)
    yield from _rpc(raw.get("rpc", {}))


def _names_used_twice(table: str, entries: list[dict[str, Any]]) -> Iterator[str]:
    first_by_name: dict[str, int] = {}
    for place, entry in enumerate(entries):
        name = str(entry.get("name", ""))
        first = first_by_name.setdefault(name.lower(), place)
        if name and first != place:
            yield problem(f"{table}[{place}].name", f'"{name}" is the name of {table}[{first}] already: choose another')


def _api_clients_used_twice(entries: list[dict[str, Any]]) -> Iterator[str]:
    """The PBX keeps one live token per API client: two users of one would log each other out for ever."""
    first_by_client: dict[tuple[str, str], int] = {}
    for place, entry in enumerate(entries):
        url, client = str(entry.get("url", "")).rstrip("/"), str(entry.get("client_id", ""))
        first = first_by_client.setdefault((url, client), place)
        if url and client and first != place:
            yield problem(f"pbx[{place}].client_id", f"is used by pbx[{first}] for the same PBX: watch it once")


def _api_client(entry: dict[str, Any], path: str) -> Iterator[str]:
    if not entry.get("client_secret") and not entry.get("client_secret_file"):
        yield problem(f"{path}.client_secret", "is missing: give client_secret or client_secret_file")
    second = bool(entry.get("recorder_client_id"))
    if second != bool(entry.get("recorder_client_secret") or entry.get("recorder_client_secret_file")):
        missing = "recorder_client_secret" if second else "recorder_client_id"
        yield problem(f"{path}.{missing}", "is missing: recorder_client_id and recorder_client_secret go together")
    if second and entry.get("recorder_client_id") == entry.get("client_id"):
        yield problem(f"{path}.recorder_client_id", "must be another API client than client_id, or be left out")


def _filters(entry: dict[str, Any], path: str, pbx_names: list[str]) -> Iterator[str]:
    chosen = entry.get("pbx", [])
    for place, name in enumerate(chosen if isinstance(chosen, list) else []):
        if name not in pbx_names:
            yield problem(f"{path}.pbx[{place}]", f'"{name}" is an {unknown(str(name), pbx_names, what="PBX")}')
    yield from _format(entry, path)


def _format(entry: dict[str, Any], path: str) -> Iterator[str]:
    """Keys that the endpoint's format does not have, or lacks."""
    written = entry.get("format")
    if entry.get("titles") and written not in {"get", "template"}:
        yield problem(f"{path}.titles", 'only the formats "get" and "template" have titles: remove them')
    if "content_mode" in entry and written != "cloudevents":
        yield problem(f"{path}.content_mode", 'only the format "cloudevents" has one: remove it')
    if "template" in entry and written != "template":
        yield problem(f"{path}.template", 'only the format "template" has one: remove it, or change the format')
    if written == "template":
        yield from _template(entry, f"{path}.template")
    if written in {"get", "post"}:
        chosen = entry.get("events", [])
        for place, name in enumerate(chosen if isinstance(chosen, list) else []):
            if name in _NEW_EVENTS:
                yield problem(f"{path}.events[{place}]", f'the format "{written}" has no word for it: remove it')
        return
    for key in ("recording_details", "blind_transfer_end"):
        if entry.get(key):
            yield problem(f"{path}.{key}", 'the formats "get" and "post" alone need it: remove it')


def _template(entry: dict[str, Any], path: str) -> Iterator[str]:
    template = entry.get("template")
    if template is None:
        yield problem(path, 'is missing: the format "template" needs a table [endpoint.template] with a body')
    elif isinstance(template, dict):
        has_body = bool(template.get("body") or template.get("body_file"))
        if template.get("method") == "GET" and has_body:
            yield problem(f"{path}.body", "a GET has none: remove it, or choose another method")
        if template.get("method", "POST") in {"POST", "PUT", "PATCH"} and not has_body:
            yield problem(f"{path}.body", "is missing: give body or body_file")


def _operator(table: dict[str, Any], names: list[str]) -> Iterator[str]:
    name = table.get("operator_endpoint")
    if isinstance(name, str) and name not in names:
        yield problem("dispatcher.operator_endpoint", f'"{name}" is an {unknown(name, names, what="endpoint")}')


def _fileserver(table: dict[str, Any]) -> Iterator[str]:
    if bool(table.get("tls_cert")) != bool(table.get("tls_key")):
        missing = "tls_key" if table.get("tls_cert") else "tls_cert"
        yield problem(f"fileserver.{missing}", "is missing: tls_cert and tls_key go together")
    elif table.get("tls_cert") and not str(table.get("public_url", "")).startswith("https"):
        yield problem("fileserver.public_url", "must be https, because tls_cert makes the file server speak https")
    secret = table.get("link_secret")
    if isinstance(secret, str) and len(secret) < _SHORTEST_LINK_SECRET:
        yield problem("fileserver.link_secret", f"must have at least {_SHORTEST_LINK_SECRET} characters")


def _rpc(table: dict[str, Any]) -> Iterator[str]:
    keys = ("tls_cert", "tls_key", "tls_ca")
    for key in keys:
        if any(table.get(other) for other in keys) and not table.get(key):
            yield problem(f"rpc.{key}", "is missing: tls_cert, tls_key and tls_ca go together")


def _admin(table: dict[str, Any]) -> Iterator[str]:
    token = table.get("token")
    if isinstance(token, str) and (len(token) < _SHORTEST_TOKEN or not token.isascii() or not token.isprintable()):
        yield problem("admin.token", f"must be at least {_SHORTEST_TOKEN} printable ASCII characters")

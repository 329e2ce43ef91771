"""`switchhook import-ini`: the old plug-ins' `.ini` files as a complete `switchhook.toml`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.commands.conversion import Conversion, ConvertedEndpoint, OldSettings, convert
from services.commands.ini import decode_text, parse_ini, parse_users
from services.commands.internal_targets import networks_to_allow, said_of_names
from switchhook.settings.masked import toml_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_HEAD = """\
# Two values are not in the old files; both lines say "fill in". Then: switchhook check
data_dir = "var"  # databases, recordings and keys; a relative path starts at this file's folder

[[pbx]]
name = "main"
url = "https://pbx.example.com"  # fill in: the address of the PBX's web client
client_id = "switchhook"  # Admin Console > Integrations > API: a client with this id, call control and XAPI access
client_secret = "fill in"  # fill in: the key that is shown once when that client is made
timezone = "UTC"  # of the PBX: call ids carry its local time\
"""

_LINKS = """\
[fileserver]
listen = ":5001"
# What links begin with, as receivers reach this machine. The old links were https://<PBX>:5001/webapi/recording/…
# public_url = "https://recordings.example.com:5001"
links = "signed"  # the old links were "open": whoever guessed one could listen\
"""


def read_old_settings(path: Path) -> OldSettings:
    """One `.ini` file and the `Users.csv` beside it. Raises OSError when the first cannot be read."""
    beside = sorted(file for file in path.parent.iterdir() if file.name.lower() == "users.csv")
    return OldSettings(
        file=path.name,
        values=parse_ini(decode_text(path.read_bytes())),
        users=parse_users(decode_text(beside[0].read_bytes())) if beside else None,
    )


def converted_configuration(old: Sequence[OldSettings]) -> tuple[str, list[str]]:
    """The text of a `switchhook.toml`, and sentences about what was not taken over."""
    conversion = convert(old)
    blocks = [f"# Made by `switchhook import-ini` from {', '.join(conversion.files)}.\n{_HEAD}"]
    blocks += ["\n".join(_endpoint(endpoint)) for endpoint in conversion.endpoints]
    if conversion.retention_days is not None:
        blocks.append(f'[recorder]\nretention = "{conversion.retention_days}d"')
    blocks.append(_LINKS)
    if conversion.unknown:
        listed = "\n".join(f"#   {file}: {key}" for file, key in conversion.unknown)
        blocks.append(f"# Keys of the old files that mean nothing here:\n{listed}")
    return "\n\n".join(blocks) + "\n", list(_warnings(conversion))


def notes_about_names(old: Sequence[OldSettings]) -> list[str]:
    """Sentences about endpoints at names that lead to internal addresses now; asks the name servers, for seconds."""
    return said_of_names(convert(old).endpoints)


def _endpoint(endpoint: ConvertedEndpoint) -> Iterator[str]:
    yield "[[endpoint]]"
    yield f"name = {toml_value(endpoint.name)}"
    yield from (f"# {note}" for note in endpoint.notes)
    yield f"url = {toml_value(endpoint.url)}"
    if endpoint.recording_url:
        yield f"recording_url = {toml_value(endpoint.recording_url)}  # recordings are always POSTs"
    if networks := networks_to_allow((endpoint.url, endpoint.recording_url)):
        yield "# The address is internal, and what is not named here is refused: no other internal one."
        yield f"allow_private = {toml_value(networks)}"
    yield f"format = {toml_value(endpoint.format)}"
    if endpoint.events:
        yield f"events = {toml_value(endpoint.events)}"
    if endpoint.users:
        yield f"users = {toml_value(endpoint.users)}"
    if endpoint.recording_details:
        yield "recording_details = true"


def _warnings(conversion: Conversion) -> Iterator[str]:
    if not conversion.endpoints:
        yield f"{', '.join(conversion.files)}: there is no WEBHOOK_URL, so there is no endpoint: add [[endpoint]]"
    for endpoint in conversion.endpoints:
        yield from (f"endpoint {endpoint.name}: {note}" for note in endpoint.notes)
    yield from (
        f"{file}: unknown key {key}: it is listed at the end, and not taken over" for file, key in conversion.unknown
    )

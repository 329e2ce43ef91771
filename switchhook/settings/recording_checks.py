"""Whether the keys of `[storage]` and `[recorder]` make sense together; works on the file's own tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from switchhook.settings.problems import problem, unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

_S3_ONLY = ("endpoint", "region", "access_key", "access_key_file", "secret_key", "secret_key_file")


def recording_checks(raw: dict[str, Any]) -> Iterator[str]:
    """The problems between these keys."""
    storage, recorder = raw.get("storage", {}), raw.get("recorder", {})
    yield from _storage(storage)
    yield from _encryption(storage)
    if recorder.get("source") == "folder" and not recorder.get("folder"):
        yield problem("recorder.folder", 'is missing: the source "folder" needs the PBX\'s folder of recordings')
    elif recorder.get("folder") and recorder.get("source", "xapi") == "xapi":
        yield problem("recorder.folder", 'only the source "folder" has one: set source = "folder", or remove it')
    names = [str(entry["name"]) for entry in raw.get("pbx", []) if "name" in entry]
    chosen = recorder.get("retention_by_pbx")
    for name in chosen if isinstance(chosen, dict) else ():
        if name not in names:
            yield problem(f"recorder.retention_by_pbx.{name}", f"is an {unknown(name, names, what='PBX')}")


def _storage(table: dict[str, Any]) -> Iterator[str]:
    is_s3 = str(table.get("url", "file:")).startswith("s3:")
    for key in _S3_ONLY:
        if table.get(key) and not is_s3:
            yield problem(f"storage.{key}", 'only "s3://…" has one: remove it, or change url')
            return  # a secret that was read from a file stands under two keys
    has_access, has_secret = (bool(table.get(key) or table.get(f"{key}_file")) for key in ("access_key", "secret_key"))
    if has_access != has_secret:
        missing = "secret_key" if has_access else "access_key"
        yield problem(f"storage.{missing}", "is missing: access_key and secret_key go together")


def _encryption(table: dict[str, Any]) -> Iterator[str]:
    keys, current = table.get("encryption_keys"), table.get("encryption_key")
    ids = [str(key) for key in keys] if isinstance(keys, dict) else []
    if current is None and len(ids) > 1:
        yield problem("storage.encryption_key", "is missing: say which of the encryption_keys encrypts new recordings")
    elif isinstance(current, str) and current not in ids:
        yield problem("storage.encryption_key", f'"{current}" is an {unknown(current, ids, what="key")}')

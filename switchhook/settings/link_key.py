"""The keys of recording links: the one that signs, configured or made once and kept in `data_dir`; and former ones."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
from typing import TYPE_CHECKING

from switchhook.errors import ConfigError
from switchhook.links import LinkKey

if TYPE_CHECKING:
    from pathlib import Path

    from switchhook.settings.sections import Settings

_BYTES = 32


def link_key(settings: Settings) -> LinkKey:
    """The signing key; processes that share `data_dir`, or the configured secret, get the same one.

    Raises ConfigError when the key can be neither read nor made.
    """
    configured = settings.fileserver.link_secret
    if configured is not None:
        return _key(configured.get_secret_value().encode())
    path = settings.data_dir / "links.key"
    try:
        return _key(_kept(path))
    except OSError as error:
        sentence = f"cannot keep the link key in {path}: {error.strerror}"
        raise ConfigError((f"data_dir: {sentence}: make it writable, or set fileserver.link_secret",)) from error
    except ValueError as error:
        raise ConfigError(
            (f"data_dir: {path} holds no link key: delete it, and links made before stop working",)
        ) from error


def link_keys(settings: Settings) -> tuple[LinkKey, ...]:
    """The keys whose links work, the signing one first. Raises ConfigError when one cannot be read."""
    keys = [link_key(settings)]
    for place, path in enumerate(settings.fileserver.old_link_secret_files):
        keys += _former(place, path)
    return tuple(keys)


def _former(place: int, path: Path) -> list[LinkKey]:
    """A former key: a secret in a file, or a `links.key` that was moved aside. What may be either counts as both."""
    where = f"fileserver.old_link_secret_files[{place}]"
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigError((f"{where}: cannot read {path}: {reason}",)) from error
    if not text:
        raise ConfigError((f"{where}: {path} is empty: write the former secret into it, or remove the file",))
    may_be_made = re.fullmatch(rf"[0-9a-f]{{{2 * _BYTES}}}", text)
    return [_key(text.encode()), *([_key(bytes.fromhex(text))] if may_be_made else [])]


def _kept(path: Path) -> bytes:
    if not path.exists():
        _make(path)
    secret = bytes.fromhex(path.read_text(encoding="ascii").strip())
    if len(secret) != _BYTES:
        raise ValueError
    return secret


def _make(path: Path) -> None:
    """Whole or not at all, and the first of several processes wins: the key is linked into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_bytes(_BYTES).hex())
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()


def _key(secret: bytes) -> LinkKey:
    return LinkKey(id=hashlib.sha256(b"switchhook link key id" + secret).hexdigest()[:8], secret=secret)

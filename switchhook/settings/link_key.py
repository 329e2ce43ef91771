"""The key that signs recording links: the configured one, or one that is made once and kept in `data_dir`."""

from __future__ import annotations

import contextlib
import hashlib
import os
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

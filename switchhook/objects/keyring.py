"""The keys that encrypt recordings: read from files, told apart by id; one of them encrypts, all of them decrypt."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from switchhook.errors import ConfigError, KeyMissing
from switchhook.objects.sealed import KEY_SIZE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from switchhook.settings import StorageSettings

_HOW = "make one: openssl rand -hex 32"


@dataclass(frozen=True, slots=True)
class Keyring:
    """`current` is the id of the key for new objects; None: they are not encrypted."""

    current: str | None = None
    keys: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    def key(self, key_id: str) -> bytes:
        """Raises `KeyMissing`."""
        key = self.keys.get(key_id)
        if key is None:
            raise KeyMissing(key_id)
        return key


def read_keyring(storage: StorageSettings) -> Keyring:
    """The keys of the configuration. Raises ConfigError with a sentence for each file that holds none."""
    keys, problems = {}, []
    for key_id, path in storage.encryption_keys.items():
        try:
            keys[key_id] = _key(path)
        except OSError as error:
            problems.append(f"storage.encryption_keys.{key_id}: cannot read {path}: {error.strerror}")
        except ValueError as error:
            problems.append(f"storage.encryption_keys.{key_id}: {path} {error}: {_HOW}")
    if problems:
        raise ConfigError(problems)
    return Keyring(storage.current_key, keys)


def _key(path: Path) -> bytes:
    raw = path.read_bytes()
    if len(raw) == KEY_SIZE:
        return raw
    written = raw.strip()
    is_hex = len(written) == 2 * KEY_SIZE
    try:
        key = bytes.fromhex(written.decode()) if is_hex else base64.b64decode(written, validate=True)
    except (ValueError, binascii.Error) as error:
        raise ValueError("holds no key") from error
    if len(key) != KEY_SIZE:
        raise ValueError(f"holds {len(key)} bytes instead of {KEY_SIZE}")
    return key

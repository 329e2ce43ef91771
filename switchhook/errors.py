"""Every error that Switchhook raises on purpose. A class's docstring is its message when it is given none.

SwitchhookError
├── ConfigError
│   └── ConfigMissing
├── AddressUnavailable
├── ServiceEnded
├── ShutdownOverrun
├── CodecError
├── PublishError
├── AdminRefused
├── AdminFailed
├── StorageError
│   ├── StorageFull
│   ├── StorageBroken
│   ├── StorageInUse
│   ├── LeaseLost
│   ├── ConstraintViolated
│   └── SchemaMismatch
├── ObjectsError
│   ├── ObjectsUnreachable
│   ├── ObjectsRefused
│   ├── ObjectsFull
│   ├── ObjectDamaged
│   └── KeyMissing
└── PbxError
    ├── PbxUnreachable
    ├── PbxUnauthorised
    ├── PbxForbidden
    ├── PbxNotFound
    └── PbxAnswer
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import timedelta


class SwitchhookError(Exception):
    """Something failed."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").partition("\n")[0])


class ConfigError(SwitchhookError):
    """The configuration is not valid.

    `problems` holds one sentence for each, beginning with the path of its key.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class ConfigMissing(ConfigError):
    """There is no configuration to read: the command was given the wrong file, or none."""


class AddressUnavailable(SwitchhookError):
    """The address cannot be listened on."""


class ServiceEnded(SwitchhookError):
    """A service returned although nobody asked it to."""


class ShutdownOverrun(SwitchhookError):
    """A service did not stop in time.

    Its task still runs: leave the process without waiting for the event loop to clear up.
    """

    def __init__(self, services: Sequence[str]) -> None:
        super().__init__(f"{', '.join(services)}: did not stop in time")
        self.services = tuple(services)


class CodecError(SwitchhookError):
    """The bytes are not an event that this version knows, or the event cannot be written as bytes."""


class PublishError(SwitchhookError):
    """The stream of events to a sink broke."""


class AdminRefused(SwitchhookError):
    """The admin API does not do what it was asked.

    `status` is the HTTP status, `error` one stable word for programs, the message a sentence for people.
    """

    def __init__(self, status: int, error: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error = error


class AdminFailed(SwitchhookError):
    """The admin API of a running process cannot be used; the message says why and what to do."""


class StorageError(SwitchhookError):
    """The database did not do what it was asked; nothing of the unit was kept."""


class StorageFull(StorageError):
    """The disk of the database is full or refuses to write; nothing of the unit was kept."""


class StorageBroken(StorageError):
    """The database cannot be used."""


class StorageInUse(StorageError):
    """Another process has the database open."""


class LeaseLost(StorageError):
    """What was to be done belongs to another replica by now; nothing of it was done.

    Trying again is of no use: whoever is told stops what it does for that thing.
    """


class ConstraintViolated(StorageError):
    """The unit contradicts a constraint of the schema; nothing of it was kept."""


class SchemaMismatch(StorageError):
    """The database's schema is not the one that this version knows."""


class ObjectsError(SwitchhookError):
    """The storage of recordings did not do what it was asked."""


class ObjectsUnreachable(ObjectsError):
    """The storage of recordings cannot be reached, or does not answer in time."""


class ObjectsRefused(ObjectsError):
    """The storage of recordings does not let us do this: check the bucket, the keys and their rights."""


class ObjectsFull(ObjectsError):
    """The storage of recordings is full."""


class ObjectDamaged(ObjectsError):
    """The stored object is not what was stored."""


class KeyMissing(ObjectsError):
    """The object is encrypted with a key that is not configured.

    `key_id` names it.
    """

    def __init__(self, key_id: str) -> None:
        super().__init__(f'it is encrypted with the key "{key_id}", which storage.encryption_keys does not have')
        self.key_id = key_id


class PbxError(SwitchhookError):
    """The PBX did not do what it was asked."""


class PbxUnreachable(PbxError):
    """The PBX cannot be reached, or is too busy to answer.

    `retry_after` is what the PBX asked for, if it did.
    """

    def __init__(self, detail: str, retry_after: timedelta | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after = retry_after


class PbxUnauthorised(PbxError):
    """The PBX does not accept the API client's id, secret or token."""


class PbxForbidden(PbxError):
    """The API client lacks the right to do this.

    `what` is the whole sentence: what was denied, and which right is missing.
    """

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class PbxNotFound(PbxError):
    """The PBX does not have this object (any more)."""


class PbxAnswer(PbxError):
    """The PBX gave an answer that makes no sense here."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """What failed, one by one, where several tasks did: the errors of a group and of the groups in it."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from causes_of(inner)
    else:
        yield error

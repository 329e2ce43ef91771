"""Where things are kept: the data directory, the databases, and the storage of recordings."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from services.commands.doctor.findings import Finding, Subject, Verdict
from services.registry import ServiceName, schema_of
from switchhook.errors import ConfigError, ObjectsError, SchemaMismatch, StorageError
from switchhook.objects import open_objects
from switchhook.storage import inspect_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from switchhook.settings import Settings
    from switchhook.storage import Inspection

_LIMIT = 15.0  # seconds
_SLOW = timedelta(milliseconds=250)
_LITTLE, _TOO_LITTLE = 2 * 10**9, 2 * 10**8  # bytes
_SERVER_SAID = ("the database cannot be used", "the database refused")  # and then its own words
_PROBE = b"written by switchhook doctor; may be removed\n"


async def examine_database(settings: Settings) -> list[Finding]:
    """A finding for each service's tables."""
    subject = Subject("database")
    found = await asyncio.gather(*(_tables(subject, settings, name) for name in ServiceName))
    first = found[0]
    if first.verdict is Verdict.FAILED and len({finding.detail for finding in found}) == 1:
        return [subject.failed("server", first.detail, first.remedy)]  # what they share
    return found


async def _tables(subject: Subject, settings: Settings, name: ServiceName) -> Finding:
    schema = schema_of(name)
    try:
        async with asyncio.timeout(_LIMIT):
            found = await inspect_database(
                settings.database.url,
                data_dir=settings.data_dir,
                service=name,
                migrations=schema.migrations,
                include_outbox=schema.has_outbox,
            )
    except SchemaMismatch as error:
        return subject.refused(name, error, otherwise="run the version that wrote it, or restore a back-up")
    except StorageError as error:
        if str(error).startswith(_SERVER_SAID):
            return subject.failed(name, str(error), "check database.url, and that the server runs and lets us in")
        return subject.refused(name, error)
    except TimeoutError:
        return subject.failed(name, f"no answer within {_LIMIT:.0f} s", "look at the load of the database")
    return _judged(subject, name, found)


def _judged(subject: Subject, name: ServiceName, found: Inspection) -> Finding:
    engine = f"PostgreSQL {found.server}" if found.server else "SQLite"
    if not found.is_made:
        return subject.ok(name, f"{engine}: no tables yet; the first start makes them")
    took = f"{found.latency / timedelta(milliseconds=1):.0f} ms"
    if found.latency > _SLOW:
        remedy = "look at its load and at the network in between: every event waits for it"
        return subject.warning(name, f"{engine}: took {took} to answer", remedy)
    schema = f"{found.missing} migrations older: the next start applies them" if found.missing else "of this version"
    return subject.ok(name, f"{engine}: tables {schema}, {took}")


def examine_data_dir(settings: Settings) -> list[Finding]:
    """Whether the services can keep anything; what is written is removed at once. Blocks."""
    subject, folder = Subject("data_dir"), settings.data_dir
    if not folder.exists():
        above = next(parent for parent in folder.absolute().parents if parent.exists())
        if os.access(above, os.W_OK | os.X_OK):
            return [subject.ok("writable", f"{folder} is not there yet; the first start makes it")]
        remedy = "make it, and give it to the user that runs Switchhook; or choose another data_dir"
        return [subject.failed("writable", f"{folder} is not there, and {above} cannot be written", remedy)]
    return [*_writable(subject, folder), _space(subject, folder)]


def _writable(subject: Subject, folder: Path) -> Iterator[Finding]:
    owner = folder.stat().st_uid
    probe = folder / f"doctor-{secrets.token_hex(4)}.tmp"
    began_at = time.perf_counter()
    try:
        descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(descriptor, _PROBE)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
            probe.unlink()
    except OSError as error:
        remedy = "give it to the user that runs Switchhook, mount it writable, or choose another data_dir"
        yield subject.failed("writable", f"{folder} cannot be written ({error.strerror})", remedy)
        return
    took = timedelta(seconds=time.perf_counter() - began_at)
    detail = f"{folder}, a synced write takes {took / timedelta(milliseconds=1):.0f} ms"
    if took > _SLOW:
        yield subject.warning("writable", detail, "use a faster disk: every event waits for such a write")
    elif owner != os.geteuid():
        yield subject.warning(
            "writable", f"{folder} belongs to another user than this one", "run doctor as the user of Switchhook"
        )
    else:
        yield subject.ok("writable", detail)


def _space(subject: Subject, folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    detail = f"{free / 10**9:.1f} GB are free on its disk"
    if free < _TOO_LITTLE:
        return subject.failed("free space", detail, "free space: a full disk stops webhooks and recordings")
    if free < _LITTLE:
        return subject.warning("free space", detail, "free space, or lower recorder.retention or recorder.quota")
    return subject.ok("free space", detail)


async def examine_storage(settings: Settings) -> list[Finding]:
    """Whether a recording could be stored: an object is put, read back and removed."""
    subject = Subject("storage")
    root = None if settings.storage.is_s3 else settings.storage_root
    place = settings.storage.url if root is None else str(root)
    findings = []
    if root is not None and not root.exists():
        if settings.storage.url == "file:":
            return [subject.ok("recordings", f"{place} is not there yet; the first recording makes it")]
        remedy = "make or mount the folder, and give it to the user that runs Switchhook"
        return [subject.failed("recordings", f"{place} is not there", remedy)]
    try:
        async with asyncio.timeout(_LIMIT):
            took = await _stored(settings)
        findings.append(subject.ok("recordings", f"{place}: stored, read back and removed in {took:.0f} ms"))
    except ConfigError as error:
        findings += subject.misconfigured("encryption keys", error)
    except ObjectsError as error:
        findings.append(_not_stored(subject, error, is_s3=root is None))
    except TimeoutError:
        findings.append(subject.failed("recordings", f"no answer within {_LIMIT:.0f} s", _REMEDIES[root is None]))
    if root is not None and all(finding.verdict is Verdict.OK for finding in findings):
        findings.append(_space(subject, root))
    return findings


_REMEDIES = {
    True: "check the bucket, storage.endpoint, the keys and their right to put, get and delete",
    False: "give the folder to the user that runs Switchhook, and mount it writable",
}


def _not_stored(subject: Subject, error: ObjectsError, *, is_s3: bool) -> Finding:
    sentence = str(error)
    return subject.failed("recordings", sentence, _REMEDIES[is_s3])


async def _stored(settings: Settings) -> float:
    """Milliseconds that it took. Raises `ObjectsError`, `ConfigError`."""
    objects = open_objects(settings)
    name = f"doctor-{secrets.token_hex(4)}.tmp"
    began_at = time.perf_counter()
    try:
        await objects.put(name, _PROBE)  # which reads it back
    except BaseException:
        with contextlib.suppress(ObjectsError):
            await objects.delete(name)
        raise
    await objects.delete(name)
    return (time.perf_counter() - began_at) * 1000

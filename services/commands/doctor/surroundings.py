"""What else must be there: ffmpeg, certificates in files, the key of links, and the file server as others see it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from typing import TYPE_CHECKING

import aiohttp

from services.commands.doctor.certificates import file_judged
from services.commands.doctor.findings import Subject
from services.recorder.transcoder import find_ffmpeg
from switchhook.errors import ConfigError
from switchhook.settings.link_key import link_keys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from services.commands.doctor.findings import Finding
    from services.commands.doctor.running import Running
    from switchhook.runtime.clock import Clock
    from switchhook.settings import Settings

_FFMPEG_PATIENCE = 10.0  # seconds
_TIMEOUT = aiohttp.ClientTimeout(total=10, sock_connect=5)
_VERSION = re.compile(r"ffmpeg version (\S+)")
_ENCODER = "libmp3lame"
_INSTALL = "install ffmpeg with libmp3lame (Debian, Ubuntu: apt-get install ffmpeg), or set recorder.ffmpeg"
_OK = 200


async def examine_ffmpeg(settings: Settings) -> list[Finding]:
    """Whether recordings can be converted."""
    subject = Subject("ffmpeg")
    try:
        program = find_ffmpeg(settings.recorder.ffmpeg)
    except ConfigError as error:
        return [subject.failed("program", error.problems[0], _INSTALL)]
    try:
        version, encoders = await asyncio.gather(
            _said(program, "-version"), _said(program, "-hide_banner", "-encoders")
        )
    except TimeoutError:
        return [subject.failed("program", f"{program} does not end", _INSTALL)]
    except OSError as error:
        return [subject.failed("program", f"{program} cannot be run ({error.strerror})", _INSTALL)]
    found = _VERSION.search(version)
    if found is None:
        return [subject.failed("program", f"{program} does not say that it is ffmpeg", _INSTALL)]
    findings = [subject.ok("program", f"{program}, version {found[1]}")]
    if _ENCODER in encoders:
        return [*findings, subject.ok("mp3", f"has the encoder {_ENCODER}")]
    return [*findings, subject.failed("mp3", f"{program} has no encoder {_ENCODER}", _INSTALL)]


async def _said(program: str, *arguments: str) -> str:
    """Raises OSError, and TimeoutError when it takes too long."""
    process = await asyncio.create_subprocess_exec(
        program,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(_FFMPEG_PATIENCE):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return output.decode(errors="replace")


def examine_certificates(settings: Settings, *, clock: Clock) -> Iterator[Finding]:
    """Those in files: between services, of the file server, and those that are shown to endpoints. Blocks."""
    now = clock()
    rpc, server = Subject("rpc"), Subject("fileserver")
    for check, path in (("tls_cert", settings.rpc.tls_cert), ("tls_ca", settings.rpc.tls_ca)):
        if path is not None:
            yield file_judged(rpc, check, path, now=now)
    key = settings.rpc.tls_key
    if key is not None and not os.access(key, os.R_OK):
        yield rpc.failed("tls_key", f"{key} cannot be read", "let the user that runs Switchhook read it")
    if settings.fileserver.tls_cert is not None:
        yield file_judged(server, "tls_cert", settings.fileserver.tls_cert, now=now)
    for entry in settings.endpoint:
        if entry.client_cert is not None:
            yield file_judged(Subject(f"endpoint {entry.name}"), "client_cert", entry.client_cert, now=now)


def examine_link_key(settings: Settings) -> Iterator[Finding]:
    """Whether links can be signed; no key is made for it. Blocks."""
    subject = Subject("fileserver")
    if settings.fileserver.links == "open":
        return
    is_made = settings.fileserver.link_secret is not None or (settings.data_dir / "links.key").exists()
    try:
        if not is_made:
            yield subject.ok("link key", "is not there yet; the first start makes it")
            return
        keys = link_keys(settings)
        yield subject.ok("link key", f"can be read, with {len(keys) - 1} former ones" if keys[1:] else "can be read")
    except ConfigError as error:
        yield from subject.misconfigured("link key", error)


async def examine_fileserver(settings: Settings, running: Running) -> list[Finding]:
    """Whether links can be opened from here. That says little of others, so it is only a warning when not."""
    subject, base = Subject("fileserver"), settings.fileserver.public_url.rstrip("/")
    try:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT) as http,
            http.get(f"{base}/healthz", allow_redirects=False) as response,
        ):
            status = response.status
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        if "fileserver" not in running.services:
            return [subject.warning("public_url", f"nothing answers at {base} yet", "start Switchhook, then try again")]
        why = "in time" if isinstance(error, TimeoutError) else f"({type(error).__name__})"
        remedy = "if receivers cannot open it either, correct fileserver.public_url, its certificate or the firewall"
        return [subject.warning("public_url", f"{base} does not answer {why} from here", remedy)]
    if status == _OK:
        return [subject.ok("public_url", f"{base} answers")]
    remedy = "look whether public_url leads to the file server, and not to something before it"
    return [subject.warning("public_url", f"{base} answers {status}", remedy)]

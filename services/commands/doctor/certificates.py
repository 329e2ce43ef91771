"""Certificates and the days that they have left: of servers, by a handshake, and in files."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from datetime import timedelta
from typing import TYPE_CHECKING

from cryptography import x509

from services.commands.doctor.findings import days_text

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from services.commands.doctor.findings import Finding, Subject

SOON = timedelta(days=14)
_PATIENCE = 5.0  # seconds


async def served_until(host: str, port: int, *, name: str) -> datetime | None:
    """Until when the certificate of a TLS server is valid, whoever signed it; None without a handshake.

    `host` may be an address; `name` is the host name that is asked for.
    """
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nothing is sent, and whether it is trusted is seen elsewhere
    try:
        async with asyncio.timeout(_PATIENCE):
            _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=name)
    except (OSError, ValueError):  # TimeoutError and ssl.SSLError are among the former
        return None
    try:
        told = writer.get_extra_info("ssl_object").getpeercert(True)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            async with asyncio.timeout(1):
                await writer.wait_closed()
    return _end(x509.load_der_x509_certificate(told)) if told else None


def file_valid_until(path: Path) -> datetime:
    """Until when the certificates of a PEM file are all valid. Raises OSError, and ValueError when it holds none."""
    return min(_end(certificate) for certificate in x509.load_pem_x509_certificates(path.read_bytes()))


def judged(subject: Subject, check: str, until: datetime, *, now: datetime, whose: str) -> Finding:
    """The finding about a certificate that is valid until then; `whose` begins the sentence."""
    left = until - now
    if left <= timedelta():
        return subject.failed(check, f"{whose} expired {days_text(left)} ago", "renew the certificate")
    detail = f"{whose} is valid for {days_text(left)} more"
    return subject.warning(check, detail, "renew it in time") if left < SOON else subject.ok(check, detail)


def file_judged(subject: Subject, check: str, path: Path, *, now: datetime) -> Finding:
    """The finding about a certificate in a file."""
    try:
        until = file_valid_until(path)
    except OSError as error:
        return subject.failed(
            check, f"{path} cannot be read ({error.strerror})", "let the user that runs Switchhook read it"
        )
    except ValueError:
        return subject.failed(check, f"{path} holds no PEM certificate", "put the certificate chain there")
    return judged(subject, check, until, now=now, whose=str(path))


def _end(certificate: x509.Certificate) -> datetime:
    return certificate.not_valid_after_utc

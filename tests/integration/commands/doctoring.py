"""A configuration to be examined, and looking for one finding among many."""

from __future__ import annotations

import os
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import trustme
from aiohttp import web

from services.commands.doctor.examination import examine
from services.commands.doctor.findings import Verdict
from switchhook.runtime.clock import utc_now
from switchhook.settings import load_settings
from tests.acceptance.product import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from services.commands.doctor.findings import Finding

SECRET = "not-to-be-seen"


def pbx_table(url: str, *, secret: str = "secret", more: str = "") -> str:
    """A `[[pbx]]` named main."""
    return f'[[pbx]]\nname = "main"\nurl = "{url}"\nclient_id = "switchhook"\nclient_secret = "{secret}"\n{more}\n'


def endpoint_table(url: str, *, more: str = "") -> str:
    """An `[[endpoint]]` named crm."""
    allowed = 'allow_private = ["127.0.0.0/8", "::1/128"]'
    return f'[[endpoint]]\nname = "crm"\nurl = "{url}"\nformat = "post"\n{allowed}\n{more}\n'


def written(folder: Path, tables: str, *, head: str = "") -> Path:
    """The configuration as a file; nothing runs with it."""
    path = folder / "switchhook.toml"
    path.write_text(f'admin.listen = "127.0.0.1:{free_port()}"\n{head or chr(10)}\n{tables}')
    if "data_dir" not in head:
        path.write_text(f'data_dir = "{folder / "data"}"\n{path.read_text()}')
    return path


async def examined(folder: Path, tables: str, *, head: str = "") -> list[Finding]:
    """The findings about this configuration."""
    return await examine(load_settings(written(folder, tables, head=head), {}), clock=utc_now)


def found(findings: Sequence[Finding], subject: str, check: str) -> Finding:
    """The one finding of this name."""
    [finding] = [one for one in findings if (one.subject, one.check) == (subject, check)]
    return finding


def failures(findings: Sequence[Finding]) -> list[tuple[str, str]]:
    """Subjects and checks of what failed."""
    return [(one.subject, one.check) for one in findings if one.verdict is Verdict.FAILED]


def read_only(folder: Path) -> Path:
    """A folder that this user cannot write; root writes everywhere but into the kernel's own."""
    if os.geteuid() == 0:
        return Path("/sys/kernel")
    path = folder / "read-only"
    path.mkdir(mode=0o500)
    return path


@asynccontextmanager
async def https_server(folder: Path, *, valid_for: timedelta, status: int = 204) -> AsyncIterator[str]:
    """A web server with a certificate of a private authority, which is written to `ca.pem`; gives its url."""
    authority = trustme.CA()
    now = datetime.now(UTC)
    leaf = authority.issue_cert("localhost", not_before=now - timedelta(days=90), not_after=now + valid_for)
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    leaf.configure_cert(context)

    async def answer(_request: web.BaseRequest) -> web.Response:
        return web.Response(status=status)

    runner = web.ServerRunner(web.Server(answer, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        yield f"https://localhost:{runner.addresses[0][1]}/hooks"
    finally:
        await runner.cleanup()

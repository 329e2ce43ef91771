"""`switchhook links` against a real fileserver process: what an operator types, and what then happens to a link."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from switchhook.links import recording_path, sign_link
from switchhook.settings import Settings
from switchhook.settings.link_key import link_key
from tests.integration.commands.command import Answer, switchhook
from tests.integration.commands.test_processes import logged, started
from tests.integration.fileserver.wire import fetch

if TYPE_CHECKING:
    from pathlib import Path

CALL = "260514140000_46"
PATH = recording_path(CALL, 1, 1)
CONFIGURATION = """
data_dir = "var"
[admin]
listen = "127.0.0.1:0"
token_file = "token"
[fileserver]
listen = "127.0.0.1:0"
"""


async def test_links_are_revoked_listed_and_restored_and_listens_are_seen(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a-token-of-an-operator\n")
    (tmp_path / "switchhook.toml").write_text(CONFIGURATION)
    recordings = tmp_path / "var" / "recordings" / "main"
    recordings.mkdir(parents=True)
    (recordings / PATH.rpartition("/")[2]).write_bytes(b"sound")
    async with started(tmp_path, "run", "fileserver") as process:
        url = f"http://{(await logged(process, 'admin.listening'))['address']}"
        port = int(str((await logged(process, "fileserver.listening"))["port"]))

        async def command(*arguments: str, code: int = 0) -> Answer:
            answer = await asyncio.to_thread(switchhook, tmp_path, "links", *arguments, "--url", url)
            assert answer.code == code, answer
            return answer

        key = link_key(Settings(data_dir=tmp_path / "var"))
        expires_at = datetime.now(UTC) + timedelta(days=1)
        link = f"{PATH}?{sign_link(PATH, pbx='main', recipient='crm', expires_at=expires_at, key=key)}"
        assert (await fetch(port, link)).status == 200

        made = (await command("revoke", "--call", CALL, "--recipient", "crm")).out
        revocation = made.removeprefix("revoked, as ").partition(";")[0]
        assert (await fetch(port, link)).error == "revoked"
        assert (await command("list")).out.splitlines()[1].split()[0] == revocation
        assert (await command("restore", revocation)).out == f"{revocation} is taken back\n"
        assert (await fetch(port, link)).status == 200
        assert "nothing is revoked" in (await command("list")).err
        assert "list them first" in (await command("restore", revocation, code=1)).err
        assert "say which links" in (await command("revoke", code=2)).err

        async with asyncio.timeout(20):
            while len(lines := (await command("listens", "--call", CALL)).out.splitlines()) < 3:  # noqa: ASYNC110 - another process tells
                await asyncio.sleep(0.05)
        assert lines[1].split()[2:] == [f"{CALL}-1-1.mp3", "main", "crm", "127.0.0.1", "200", "5", "yes"]
        assert "nobody listened" in (await command("listens", "--recipient", "desk")).err

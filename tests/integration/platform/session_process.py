"""A process with its own session: asks the PBX again and again, and says how often that worked.

Arguments: the PBX's address, the token file, how many requests.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from switchhook.pbx import PbxSession
from switchhook.runtime import utc_now
from tests.integration.platform.pbx_server import CLIENT_ID, CLIENT_SECRET


@dataclass(frozen=True)
class Access:
    """The settings of one PBX."""

    url: str
    name: str = "main"
    client_id: str = CLIENT_ID
    client_secret: SecretStr = field(default_factory=lambda: SecretStr(CLIENT_SECRET))
    ca_file: Path | None = None


async def main(url: str, token_file: Path, requests: int) -> None:
    async with PbxSession(Access(url), token_file=token_file, now=utc_now) as session:
        for number in range(requests):
            assert await session.get_json("/callcontrol") == [{"dn": "100"}]
            print(number + 1, flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))

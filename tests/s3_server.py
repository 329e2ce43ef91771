"""A real S3 server over HTTP, in a process of its own: `python -m tests.s3_server PORT` prints its address.

Port 0 takes a free one. It ends with its standard input.
"""

from __future__ import annotations

import re
import subprocess
import sys
import urllib.request
from pathlib import Path

from pydantic import SecretStr

from switchhook.settings import StorageSettings

ROOT = Path(__file__).parents[1]


class S3Server:
    """The server, from the outside."""

    def __init__(self, *, port: int = 0) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.s3_server", str(port)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().decode().strip()

    def bucket(self, name: str) -> None:
        """Make a bucket."""
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/{name}", method="PUT"), timeout=10).close()

    def storage(self, bucket: str, *, prefix: str = "kept/here") -> StorageSettings:
        """The settings of a new bucket on this server."""
        self.bucket(bucket)
        return StorageSettings(
            url=f"s3://{bucket}/{prefix}",
            endpoint=self.url,
            access_key=SecretStr("test"),
            secret_key=SecretStr("test"),
        )

    def unfinished(self, bucket: str) -> list[str]:
        """The names of objects of which a writer has sent some parts, and not said that these are all."""
        with urllib.request.urlopen(f"{self.url}/{bucket}?uploads", timeout=10) as answer:
            return re.findall(r"<Upload>.*?<Key>(.*?)</Key>", answer.read().decode(), re.DOTALL)

    def stop(self) -> None:
        """End it."""
        self._process.communicate(timeout=10)

    def kill(self) -> None:
        """End it without warning."""
        self._process.kill()
        self._process.communicate()


def main() -> None:
    """Serve until the end of standard input."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - heavy, and only the process itself needs it

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=int(sys.argv[1]), verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    sys.stdout.write(f"http://{host}:{port}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()

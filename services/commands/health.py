"""`switchhook health`: asks a process whether it is ready, and says what troubles it.

A container's engine asks every few seconds, so `python -m services.commands.health URL` loads nothing but the standard
library.
"""

from __future__ import annotations

import http.client
import json
import sys
from typing import Any
from urllib.parse import urlsplit

READY, UNREADY = 0, 1
_TIMEOUT = 5.0  # seconds
_ANY_PROCESS = "http://127.0.0.1:9464"


def readiness(url: str) -> tuple[int, list[str]]:
    """The exit code, and one line for each service and each problem."""
    parts = urlsplit(url)
    try:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_TIMEOUT)
        try:
            connection.request("GET", "/readyz")
            document: dict[str, Any] = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        services = document["services"]
        lines = [line for name, report in services.items() for line in _lines(name, report)]
    except OSError as error:
        return UNREADY, [f"{url}: nothing answers there ({error.strerror or error})"]
    except (http.client.HTTPException, ValueError, KeyError, TypeError, AttributeError):
        return UNREADY, [f"{url}: what answers there is no Switchhook"]
    return READY if document.get("ready") is True else UNREADY, lines


def _lines(name: str, report: dict[str, Any]) -> list[str]:
    state = "ready" if report["ready"] else "not ready"
    return [f"{name}: {state}", *(f"{name}: {sentence}" for sentence in report["problems"].values())]


if __name__ == "__main__":
    code, lines = readiness(sys.argv[1] if len(sys.argv) > 1 else _ANY_PROCESS)
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.exit(code)

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

READY, UNREADY, MISUSED = 0, 1, 2
_TIMEOUT = 5.0  # seconds
_CONNECTIONS = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
_IS_IT = "is Switchhook running? another address is named by --url; switchhook doctor looks at all else"
_ANY_PROCESS = "http://127.0.0.1:9464"


def readiness(url: str) -> tuple[int, list[str]]:
    """The exit code, and one line for each service and each problem."""
    connection, path = _connection(url)
    if connection is None:
        return MISUSED, [f"--url {url}: must be like {_ANY_PROCESS}"]
    try:
        try:
            connection.request("GET", f"{path}/readyz")
            document: dict[str, Any] = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        services = document["services"]
        lines = [line for name, report in services.items() for line in _lines(name, report)]
    except OSError as error:
        return UNREADY, [f"{url}: nothing answers there ({error.strerror or error}): {_IS_IT}"]
    except (http.client.HTTPException, ValueError, KeyError, TypeError, AttributeError):
        return UNREADY, [f"{url}: what answers there is no Switchhook: name the address by --url"]
    return READY if document.get("ready") is True else UNREADY, lines


def _connection(url: str) -> tuple[http.client.HTTPConnection | None, str]:
    """What speaks to the url, and the path in it; None when it is none."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme not in _CONNECTIONS or not parts.hostname or parts.port == 0:
            return None, ""
        return _CONNECTIONS[parts.scheme](parts.hostname, parts.port, timeout=_TIMEOUT), parts.path.rstrip("/")
    except (ValueError, http.client.InvalidURL):
        return None, ""


def _lines(name: str, report: dict[str, Any]) -> list[str]:
    state = "ready" if report["ready"] else "not ready"
    return [f"{name}: {state}", *(f"{name}: {sentence}" for sentence in report["problems"].values())]


if __name__ == "__main__":
    code, lines = readiness(sys.argv[1] if len(sys.argv) > 1 else _ANY_PROCESS)
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.exit(code)

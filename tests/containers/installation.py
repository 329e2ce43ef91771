"""One `docker compose up`, with ports, names and volumes of its own, and how it is looked at."""

from __future__ import annotations

import json
import re
import socket
import time
import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any

import yaml

from tests.containers.engine import compose_command, inspected, run
from tests.repository.tree import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

_ENDED = re.compile(r"post +(?:incoming|outgoing) +\d{12}_(\d+)-")
_LINK = re.compile(r"post +plays .*?https?://[^/]+(/webapi/recording/\S+)")
_PAUSE = 1.0  # seconds


class Installation:
    """Everything that the compose file starts, and nothing that another installation has."""

    def __init__(self, tag: str, *, profile: str = "", without: tuple[str, ...] = ()) -> None:
        self._project = f"switchhook-test-{uuid.uuid4().hex[:8]}"
        self._without = without
        self.port = _free_port()
        self._environ = {
            "SWITCHHOOK_TAG": tag,
            "COMPOSE_PROJECT_NAME": self._project,
            "COMPOSE_PROFILES": profile,
            "FILESERVER_PORT": str(self.port),
            "FILESERVER_BIND": "127.0.0.1",
            "GRAFANA_PORT": str(_free_port()),
            "DEMO_CALLS_PER_SECOND": "1",
            "DEMO_CALLS_AT_ONCE": "12",
        }
        if not profile:
            del self._environ["COMPOSE_PROFILES"]

    def compose(self, *arguments: str) -> str:
        """A command of compose."""
        return run(*compose_command(), *arguments, environ=self._environ, patience=900).stdout

    def up(self, *options: str) -> None:
        """Start everything but what is left out."""
        services = [name for name in _services(self._environ.get("COMPOSE_PROFILES", "")) if name not in self._without]
        self.compose("up", "--detach", "--no-build", *options, *services)

    def down(self) -> None:
        """Stop everything and remove it with its data."""
        self.compose("down", "--volumes", "--timeout", "30")

    def containers(self, service: str = "") -> list[str]:
        """Ids of the containers, of one service or of all."""
        return self.compose("ps", "--quiet", *([service] if service else [])).split()

    def state(self, container: str) -> dict[str, Any]:
        """As the engine tells it."""
        facts: dict[str, Any] = inspected(container)["State"]
        return facts

    def health(self) -> dict[str, str]:
        """Name of each container, and how healthy it is."""
        found = {}
        for container in self.containers():
            facts = inspected(container)
            found[facts["Name"]] = facts["State"].get("Health", {}).get("Status", facts["State"]["Status"])
        return found

    def logs(self, service: str) -> str:
        """What a service has said, in all its containers, also before they were killed."""
        texts = (run("docker", "logs", container) for container in self.containers(service))
        return "".join(done.stdout + done.stderr for done in texts)

    def ended_calls(self) -> set[int]:
        """The numbers of calls of whose end the receiver has been told."""
        return {int(number) for number in _ENDED.findall(self.logs("receiver"))}

    def links(self) -> list[str]:
        """Path and query of the links that the receiver has played."""
        return _LINK.findall(self.logs("receiver"))

    def simulator(self, method: str, path: str) -> Any:
        """What the simulated PBX answers at its control address."""
        program = (
            "import sys, urllib.request as r; "
            "print(r.urlopen(r.Request('http://127.0.0.1:5002' + sys.argv[2], method=sys.argv[1])).read().decode())"
        )
        (container,) = self.containers("simulator")
        return json.loads(run("docker", "exec", container, "python", "-c", program, method, path).stdout)

    def played_calls(self) -> set[int]:
        """The numbers of the outside calls that are over, but those from before somebody watched the PBX."""
        watched_from = self._watched_from()
        calls = self.simulator("GET", "/calls")["calls"]
        outside = (call for call in calls if call["direction"] in {"Inbound", "Outbound"})
        return {call["callid"] for call in outside if call["state"] == "ended" and call["started_at"] > watched_from}

    def _watched_from(self) -> float:
        lines = (json.loads(line) for line in self.logs("monitor").splitlines() if line.startswith("{"))
        times = [line["time"] for line in lines if line["event"] == "pbx.connected"]
        assert times, "the PBX is not watched yet"
        return datetime.fromisoformat(times[0]).timestamp()

    def query(self, expression: str) -> str:
        """What Prometheus answers."""
        (container,) = self.containers("prometheus")
        url = "http://127.0.0.1:9090"
        return run("docker", "exec", container, "promtool", "query", "instant", url, expression, check=False).stdout


def _services(profile: str) -> list[str]:
    """Those of no profile, and of this one."""
    document = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return [name for name, each in document["services"].items() if profile in each.get("profiles", [profile])]


def until(fact: Callable[[], object], within: float, what: str) -> None:
    """Return once the fact is true, which is looked at every second; an `AssertionError` of it means "not yet"."""
    deadline = time.monotonic() + within
    while True:
        failure: AssertionError | None = None
        try:
            if fact():
                return
        except AssertionError as error:
            failure = error
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {within} s") from failure
        time.sleep(_PAUSE)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

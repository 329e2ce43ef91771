"""What each service of this process says of itself: whether it can serve, and what troubles it at the moment.

A problem (a PBX that cannot be reached, a sink that does not answer) is reported, but does not make a service unready:
it cannot be cured by sending requests elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceReport:
    """One service at one moment; `problems` maps the name of a check to a sentence for the operator."""

    ready: bool
    problems: Mapping[str, str]


class Complaints(Protocol):
    """Where somebody says what troubles it."""

    def problem(self, check: str, sentence: str) -> None:
        """The check fails; `sentence` says what is wrong and what to do, and replaces the check's former one."""

    def solved(self, check: str) -> None:
        """The check passes (again)."""


class PassingComplaints:
    """Complaints of somebody who may be gone before what troubles it is; then they are withdrawn."""

    def __init__(self, complaints: Complaints) -> None:
        self._complaints = complaints
        self._checks: set[str] = set()

    def problem(self, check: str, sentence: str) -> None:
        """See `Complaints`."""
        self._checks.add(check)
        self._complaints.problem(check, sentence)

    def solved(self, check: str) -> None:
        """See `Complaints`."""
        self._checks.discard(check)
        self._complaints.solved(check)

    def withdraw(self) -> None:
        """None of this is anybody's trouble any more."""
        for check in list(self._checks):
            self.solved(check)


class ServiceHealth:
    """One service's voice in the process's `Health`."""

    def __init__(self) -> None:
        self._ready = False
        self._problem_by_check: dict[str, str] = {}

    def ready(self) -> None:
        """Requests can be served from now on."""
        self._ready = True

    def problem(self, check: str, sentence: str) -> None:
        """The check fails; `sentence` says what is wrong and what to do, and replaces the check's former one."""
        self._problem_by_check[check] = sentence

    def solved(self, check: str) -> None:
        """The check passes (again)."""
        self._problem_by_check.pop(check, None)

    def report(self) -> ServiceReport:
        """The service as it is now."""
        return ServiceReport(ready=self._ready, problems=dict(self._problem_by_check))


class Health:
    """One per process."""

    def __init__(self) -> None:
        self._health_by_service: dict[str, ServiceHealth] = {}

    def service(self, name: str) -> ServiceHealth:
        """The service's own part; not ready when it is new."""
        return self._health_by_service.setdefault(name, ServiceHealth())

    def report(self) -> dict[str, ServiceReport]:
        """All services by name."""
        return {name: health.report() for name, health in self._health_by_service.items()}

"""A real Prometheus that reads processes and is asked through its HTTP API, and promtool."""

from __future__ import annotations

import asyncio
import math
import shutil
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import aiohttp
import pytest
import yaml

from tests.acceptance.product import free_port

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

_START_WITHIN = 30.0  # seconds
needs_prometheus = pytest.mark.skipif(
    not (shutil.which("prometheus") and shutil.which("promtool")),
    reason="RULES AND DASHBOARDS ARE NOT TESTED: there is no prometheus with promtool (apt-get install prometheus)",
)


def promtool(*arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    """Runs it to its end, with `text` on its standard input; the caller looks at the exit code."""
    return subprocess.run(["promtool", *arguments], input=text, capture_output=True, text=True, check=False)


@dataclass(frozen=True, slots=True)
class Series:
    """Labels, and values by their times (Unix seconds)."""

    labels: Mapping[str, str]
    points: Sequence[tuple[float, float]]

    @property
    def last(self) -> float:
        """The newest value."""
        return self.points[-1][1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Seconds from which to which, and how far apart the points are."""

    start: float
    end: float
    step: float


class Prometheus:
    """An async context. `ports` are those of the processes that it reads, by component; `rules` is a file's content."""

    def __init__(
        self,
        folder: Path,
        ports: Mapping[str, int],
        *,
        rules: Mapping[str, Any],
        interval: str = "1s",
        job: str = "switchhook",
    ) -> None:
        self._folder = folder
        self._url = f"http://127.0.0.1:{free_port()}"
        self._process: asyncio.subprocess.Process | None = None
        self._http: aiohttp.ClientSession | None = None
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "rules.yml").write_text(yaml.safe_dump(dict(rules)))
        targets = [
            {"targets": [f"127.0.0.1:{port}"], "labels": {"component": component.partition("-")[0]}}
            for component, port in ports.items()
        ]
        config = {
            "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
            "rule_files": ["rules.yml"],
            "scrape_configs": [{"job_name": job, "static_configs": targets}],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession()
        with (self._folder / "prometheus.log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                "prometheus",
                f"--config.file={self._folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={self._folder / 'data'}",
                f"--web.listen-address={self._url.removeprefix('http://')}",
                "--enable-feature=exemplar-storage",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _START_WITHIN
        while not await self._is_ready():
            assert self._process.returncode is None, self.log
            assert time.monotonic() < deadline, self.log
            await asyncio.sleep(0.1)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._http is not None
        await self._http.close()
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()

    @property
    def log(self) -> str:
        """The end of what it wrote."""
        return (self._folder / "prometheus.log").read_text(errors="replace")[-4000:]

    async def now(self, expr: str, *, at: float | None = None) -> list[Series]:
        """What the expression is at this moment, or at that one."""
        data = await self._get("query", {"query": expr} | ({} if at is None else {"time": str(at)}))
        match data:
            case {"resultType": "vector", "result": result}:
                return [Series(each["metric"], [_point(each["value"])]) for each in result]
            case {"resultType": "scalar", "result": value}:
                return [Series({}, [_point(value)])]
        raise AssertionError(f"neither vector nor scalar: {expr}")

    async def over(self, expr: str, span: Span) -> list[Series]:
        """What the expression was; series without a number are left out."""
        times = {"start": str(span.start), "end": str(span.end), "step": str(span.step)}
        data = await self._get("query_range", {"query": expr} | times)
        found = [Series(each["metric"], [_point(value) for value in each["values"]]) for each in data["result"]]
        numbers = [
            Series(one.labels, [(at, value) for at, value in one.points if math.isfinite(value)]) for one in found
        ]
        return [one for one in numbers if one.points]

    async def exemplars(self, expr: str, span: Span) -> list[dict[str, Any]]:
        """The exemplars of the metrics in an expression: `labels`, `value`, `timestamp`."""
        found = await self._get("query_exemplars", {"query": expr, "start": str(span.start), "end": str(span.end)})
        return [one for series in found for one in series["exemplars"]]

    async def firing(self) -> dict[str, list[dict[str, str]]]:
        """The labels of every alert that fires, by its name."""
        data = await self._get("alerts", {})
        alerts: dict[str, list[dict[str, str]]] = {}
        for each in data["alerts"]:
            if each["state"] == "firing":
                alerts.setdefault(each["labels"]["alertname"], []).append(each["labels"])
        return alerts

    async def rules(self) -> list[dict[str, Any]]:
        """Every rule with its `health` and `lastError`."""
        return [rule for group in (await self._get("rules", {}))["groups"] for rule in group["rules"]]

    async def _get(self, what: str, query: Mapping[str, str]) -> Any:
        assert self._http is not None
        async with (
            self._http.post(f"{self._url}/api/v1/{what}", data=query)
            if query
            else self._http.get(f"{self._url}/api/v1/{what}") as response
        ):
            body = await response.json()
        assert body["status"] == "success", f"{body.get('error')}: {query.get('query')}"
        return body["data"]

    async def _is_ready(self) -> bool:
        assert self._http is not None
        try:
            async with self._http.get(f"{self._url}/-/ready") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False


def _point(pair: Sequence[Any]) -> tuple[float, float]:
    return float(pair[0]), float(pair[1])

"""A real web server that receives webhooks: answers as a script says, and remembers what came and when."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import orjson
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

BODY_LIMIT = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A request that arrived. `at` is monotonic seconds; `query` is decoded, `raw_query` as it came."""

    at: float
    method: str
    path: str
    query: dict[str, str]
    raw_query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """The `webhook-id`."""
        return self.headers.get("webhook-id", "")

    @property
    def json(self) -> dict[str, object]:
        """The body, which must be a JSON object."""
        body = orjson.loads(self.body)
        assert isinstance(body, dict)
        return body


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the receiver does with a request: waits, then answers, or closes the connection without an answer."""

    status: int = 204
    delay: float = 0.0  # seconds
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    close: bool = False


Rule = Callable[[Webhook], Answer | None]


class WebhookReceiver:
    """An async context manager. Answers in turn from `answers`, else as `rule` says, else `default`."""

    def __init__(self, *answers: Answer, rule: Rule | None = None, default: Answer | None = None) -> None:
        self.webhooks: list[Webhook] = []
        self.answers = deque(answers)
        self.rule = rule
        self.default = default or Answer()
        self.under_way = 0
        self.most_under_way = 0
        self._runner: web.ServerRunner | None = None
        self._port = 0

    @property
    def port(self) -> int:
        """Where it listens, or did."""
        return self._port

    @property
    def url(self) -> str:
        """Where webhooks may be sent; known once it has been started."""
        assert self._port, "start the receiver first"
        return f"http://127.0.0.1:{self._port}/hooks"

    @property
    def ids(self) -> list[str]:
        """The `webhook-id` of each request, in order of arrival."""
        return [webhook.id for webhook in self.webhooks]

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen; after a `stop` on the same port again."""
        runner = web.ServerRunner(web.Server(self._serve, access_log=None), shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self._port, reuse_address=True)
        await site.start()
        self._port = int(runner.addresses[0][1])
        self._runner = runner

    async def stop(self) -> None:
        """Close the port, so that connections are refused."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        webhook = Webhook(
            at=time.monotonic(),
            method=request.method,
            path=request.path,
            query=dict(request.query),
            raw_query=request.raw_path.partition("?")[2],
            headers=request.headers,
            body=await request.content.read(BODY_LIMIT),
        )
        self.webhooks.append(webhook)
        answer = self._answer(webhook)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            if answer.delay:
                await asyncio.sleep(answer.delay)
        finally:
            self.under_way -= 1
        if answer.close and request.transport is not None:
            request.transport.abort()
        return web.Response(status=answer.status, headers=answer.headers, body=answer.body)

    def _answer(self, webhook: Webhook) -> Answer:
        if self.answers:
            return self.answers.popleft()
        return (self.rule(webhook) if self.rule else None) or self.default

"""The receiver to develop against bears whatever it is sent."""

from __future__ import annotations

import orjson
import pytest
from aiohttp import ClientSession

from services.commands.demo_receiver import DemoReceiver
from switchhook.runtime.clock import utc_now
from tests.deadline import eventually


@pytest.mark.parametrize("link", ["http://[", "http://a..b/", "nowhere", "http://127.0.0.1:99999/"])
@pytest.mark.parametrize("links_at", ["", "http://127.0.0.1:1"])
async def test_a_link_that_is_none_is_said_to_be_none(
    link: str, links_at: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with DemoReceiver(clock=utc_now, in_colour=False, links_at=links_at) as receiver, ClientSession() as http:
        async with http.post(f"{receiver.url}/post", data=orjson.dumps({"FileUrls": [link]})) as response:
            assert response.status == 200
        await eventually(lambda: receiver.links == 1)
        async with http.get(f"{receiver.url}/healthz") as response:
            assert response.status == 200
    assert receiver.links_that_play == 0
    assert link in capsys.readouterr().out


@pytest.mark.parametrize("links", [None, 5, {"a": 1}])
async def test_links_that_are_no_list_are_refused(links: object) -> None:
    async with DemoReceiver(clock=utc_now, in_colour=False) as receiver, ClientSession() as http:
        async with http.post(f"{receiver.url}/post", data=orjson.dumps({"FileUrls": links})) as response:
            assert response.status == 400
        assert receiver.webhooks == 0

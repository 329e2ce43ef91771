"""Internal addresses are not connected to, whichever way an endpoint's url leads there."""

from __future__ import annotations

import asyncio

import pytest

from services.dispatcher.outcome import Failure, Reason, Response
from tests.forward_proxy import ForwardProxy
from tests.integration.dispatcher.calling import (
    ScriptedResolver,
    attempt_at,
    connected,
    receiver_of,
    send,
)
from tests.receiver import Answer, WebhookReceiver

NOTHING = ()


async def test_a_fresh_installation_sends_nothing_to_this_machine() -> None:
    async with WebhookReceiver() as receiver:
        result = await attempt_at(receiver.url, allow_private=NOTHING)

        assert receiver.webhooks == []
    assert result == Failure(
        reason=Reason.FORBIDDEN_ADDRESS,
        detail='127.0.0.1 is a loopback address: allow it with allow_private = ["127.0.0.1/32"]',
    )


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "0.0.0.0",
        "[::]",
        "169.254.169.254",
        "localhost",
        "LOCALHOST",
    ],
)
async def test_no_spelling_of_an_internal_address_is_connected_to(host: str) -> None:
    async with WebhookReceiver() as receiver:
        result = await attempt_at(f"http://{host}:{receiver.port}/", allow_private=NOTHING)

        assert isinstance(result, Failure)
        assert result.reason is Reason.FORBIDDEN_ADDRESS, result
        assert receiver.webhooks == []


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.0.0.1."])
async def test_old_spellings_of_addresses_are_no_addresses(host: str) -> None:
    async with WebhookReceiver() as receiver:
        result = await attempt_at(f"http://{host}:{receiver.port}/", allow_private=NOTHING)

        assert isinstance(result, Failure)
        assert result.reason in {Reason.INVALID_URL, Reason.FORBIDDEN_ADDRESS, Reason.DNS}, result
        assert receiver.webhooks == []


async def test_a_name_is_looked_up_once_and_what_was_checked_is_connected_to() -> None:
    resolver = ScriptedResolver(["127.0.0.1"], ["127.0.0.2"])
    async with WebhookReceiver() as receiver:
        url = f"http://crm.example:{receiver.port}/"
        allowed = ("127.0.0.1/32",)
        result = await attempt_at(url, resolver=resolver, allow_private=allowed)
        assert isinstance(result, Response)
        assert result.address == f"127.0.0.1:{receiver.port}"
        assert resolver.asked == ["crm.example"]

        again = await attempt_at(url, resolver=resolver, allow_private=allowed)
        assert again == Failure(
            reason=Reason.FORBIDDEN_ADDRESS,
            detail='crm.example is 127.0.0.2, a loopback address: allow it with allow_private = ["127.0.0.2/32"]',
        )
        assert resolver.asked == ["crm.example"] * 2
        assert len(receiver.webhooks) == 1


async def test_one_internal_address_among_others_refuses_the_name() -> None:
    resolver = ScriptedResolver(["127.0.0.1", "169.254.169.254"])
    async with WebhookReceiver() as receiver:
        result = await attempt_at(f"http://crm.example:{receiver.port}/", resolver=resolver)

        assert isinstance(result, Failure)
        assert result.reason is Reason.FORBIDDEN_ADDRESS
        assert "169.254.169.254, a cloud metadata address" in result.detail
        assert receiver.webhooks == []


@pytest.mark.parametrize(
    ("answered", "internal"),
    [
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("::ffff:a9fe:a9fe", "169.254.169.254"),
        ("64:ff9b::10.0.0.7", "10.0.0.7"),
        ("2002:7f00:1::1", "127.0.0.1"),
        ("2a00:1450::5efe:192.168.1.20", "192.168.1.20"),
        ("fe80::1%lo", "fe80::1"),
    ],
)
async def test_an_answer_that_hides_an_internal_address_among_public_ones_refuses_the_name(
    answered: str, internal: str
) -> None:
    resolver = ScriptedResolver(["93.184.215.14", answered])
    result = await attempt_at("http://crm.example/", resolver=resolver, allow_private=NOTHING)

    assert isinstance(result, Failure)
    assert (result.reason, result.address) == (Reason.FORBIDDEN_ADDRESS, ""), "it was connected to"
    assert f"{internal}, " in result.detail


async def test_a_redirect_to_an_internal_address_is_not_followed() -> None:
    async with WebhookReceiver() as internal:
        answer = Answer(status=307, headers={"location": internal.url})
        async with WebhookReceiver(default=answer) as receiver:
            result = await attempt_at(receiver.url)

        assert isinstance(result, Response)
        assert result.status == 307
        assert internal.webhooks == []


async def test_an_open_connection_is_used_without_another_look_up() -> None:
    resolver = ScriptedResolver(["127.0.0.1"])
    async with WebhookReceiver() as receiver:
        url = f"http://crm.example:{receiver.port}/"
        async with connected(receiver_of(url), resolver=resolver) as connections:
            for _ in range(3):
                assert isinstance(await send(connections, url), Response)
    assert resolver.asked == ["crm.example"]


async def test_many_attempts_at_once_get_the_same_refusal() -> None:
    resolver = ScriptedResolver(["10.0.0.7"])
    url = "http://crm.example/"
    async with connected(receiver_of(url), resolver=resolver) as connections:
        results = await asyncio.gather(*(send(connections, url) for _ in range(5)))
    assert {result.reason for result in results if isinstance(result, Failure)} == {Reason.FORBIDDEN_ADDRESS}


@pytest.mark.parametrize("host", ["192.168.1.20", "[::1]", "127.1", "0x7f.1", "crm.internal"])
async def test_a_proxy_is_not_asked_for_what_is_known_to_be_internal(host: str) -> None:
    resolver = ScriptedResolver(["10.0.0.7"])
    async with ForwardProxy() as proxy:
        result = await attempt_at(f"http://{host}/", resolver=resolver, proxy=proxy.url, allow_private=NOTHING)

        assert isinstance(result, Failure)
        assert result.reason is Reason.FORBIDDEN_ADDRESS
        assert proxy.requests == []


async def test_a_proxy_is_asked_for_a_name_that_only_it_knows() -> None:
    resolver = ScriptedResolver([])
    async with WebhookReceiver() as receiver, ForwardProxy(hosts={"crm.example": "127.0.0.1"}) as proxy:
        url = f"http://crm.example:{receiver.port}/hooks"
        endpoint = receiver_of(url, proxy=proxy.url, allow_private=NOTHING)
        async with connected(endpoint, resolver=resolver) as connections:
            for _ in range(2):
                assert isinstance(await send(connections, url), Response)
        assert len(receiver.webhooks) == 2
        assert resolver.asked == ["crm.example"]  # and not again for a while

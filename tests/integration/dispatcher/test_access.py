"""How an endpoint is reached: credentials, certificates of both sides, a forward proxy; all of them real."""

from __future__ import annotations

import base64
import ssl
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from services.dispatcher.endpoints import Endpoint
from services.dispatcher.outcome import Failure, Reason, Response
from switchhook.errors import ConfigError
from switchhook.settings import DispatcherSettings, EndpointSettings
from tests.forward_proxy import ForwardProxy
from tests.integration.dispatcher.calling import attempt_at, connected, receiver_of, send, serving
from tests.receiver import WebhookReceiver

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path

ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"


class Authority:
    """A certificate authority of its own, with the files that an operator would have."""

    def __init__(self, folder: Path, name: str) -> None:
        self._authority = trustme.CA()
        self.ca_file = folder / f"{name}-ca.pem"
        self._authority.cert_pem.write_to_path(str(self.ca_file))
        self.cert, self.key, self.both = (folder / f"{name}-{part}.pem" for part in ("cert", "key", "both"))
        ours = self._authority.issue_cert("switchhook.example")
        ours.cert_chain_pems[0].write_to_path(str(self.cert))
        ours.private_key_pem.write_to_path(str(self.key))
        ours.private_key_and_cert_chain_pem.write_to_path(str(self.both))

    def server(self, *names: str, demands: Authority | None = None) -> ssl.SSLContext:
        """What a server of these names uses; it `demands` certificates of that authority from clients."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._authority.issue_cert(*(names or ("127.0.0.1",))).configure_cert(context)
        if demands is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(demands.ca_file)
        return context


@pytest.fixture
def theirs(tmp_path: Path) -> Authority:
    """The authority of the endpoint."""
    return Authority(tmp_path, "theirs")


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    """The authority of our own certificates."""
    return Authority(tmp_path, "ours")


class Seen:
    """Answers every request on a connection, and keeps what came and who sent it."""

    def __init__(self) -> None:
        self.heads: list[str] = []
        self.certificates: list[object] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            await reader.readexactly(2)
            self.heads.append(head)
            self.certificates.append(writer.get_extra_info("peercert"))
            writer.write(ANSWER)
            await writer.drain()


async def test_basic_authentication_is_sent_with_every_attempt() -> None:
    async with WebhookReceiver() as receiver:
        await attempt_at(receiver.url, username="switchhook", password="pässword: with a colon")

        kind, written = receiver.webhooks[0].headers["authorization"].split(" ")
    assert kind == "Basic"
    assert base64.b64decode(written).decode() == "switchhook:pässword: with a colon"


async def test_a_bearer_token_is_sent_with_every_attempt() -> None:
    async with WebhookReceiver() as receiver:
        await attempt_at(receiver.url, bearer="abc.def")

        assert receiver.webhooks[0].headers["authorization"] == "Bearer abc.def"


async def test_credentials_in_the_url_are_sent_as_a_header_and_not_in_the_target() -> None:
    async with WebhookReceiver() as receiver:
        url = receiver.url.replace("http://", "http://switchhook:p%40ss@")
        result = await attempt_at(f"{url}?token=1#part")

        [webhook] = receiver.webhooks
    assert isinstance(result, Response)
    assert base64.b64decode(webhook.headers["authorization"].removeprefix("Basic ")).decode() == "switchhook:p@ss"
    assert "@" not in webhook.headers["host"]
    assert webhook.raw_query == "token=1"


async def test_an_endpoint_of_an_own_authority_is_trusted_with_its_file_alone(theirs: Authority) -> None:
    seen = Seen()
    async with serving(seen, tls=theirs.server()) as port:
        url = f"https://127.0.0.1:{port}/"
        stranger = await attempt_at(url)
        assert isinstance(stranger, Failure)
        assert stranger.reason is Reason.TLS

        friend = await attempt_at(url, ca_file=theirs.ca_file)
        assert friend == Response(status=204, address=f"127.0.0.1:{port}")
    assert len(seen.heads) == 1


async def test_a_certificate_for_another_name_is_refused(theirs: Authority) -> None:
    async with serving(Seen(), tls=theirs.server("crm.example")) as port:
        result = await attempt_at(f"https://127.0.0.1:{port}/", ca_file=theirs.ca_file)
    assert isinstance(result, Failure)
    assert result.reason is Reason.TLS


@pytest.mark.parametrize("in_one_file", [False, True])
async def test_a_client_certificate_is_shown(theirs: Authority, ours: Authority, in_one_file: bool) -> None:
    files: dict[str, Any] = (
        {"client_cert": ours.both} if in_one_file else {"client_cert": ours.cert, "client_key": ours.key}
    )
    seen = Seen()
    async with serving(seen, tls=theirs.server(demands=ours)) as port:
        url = f"https://127.0.0.1:{port}/"
        assert isinstance(await attempt_at(url, ca_file=theirs.ca_file, **files), Response)
        assert seen.certificates[0]

        without = await attempt_at(url, ca_file=theirs.ca_file)
    assert isinstance(without, Failure)
    # The server refuses after its side of the handshake is over, so what the client sees depends on the moment.
    assert without.reason in {Reason.TLS, Reason.DISCONNECTED}
    assert len(seen.heads) == 1


async def test_a_plain_request_goes_through_the_proxy() -> None:
    async with WebhookReceiver() as receiver, ForwardProxy() as proxy:
        result = await attempt_at(receiver.url, proxy=proxy.url)

        assert isinstance(result, Response)
        assert result.address == f"127.0.0.1:{proxy.port}"
        assert proxy.requests == [f"POST {receiver.url} HTTP/1.1"]
        assert len(receiver.webhooks) == 1


@pytest.mark.parametrize("is_secure", [False, True], ids=["http proxy", "https proxy"])
async def test_an_encrypted_request_is_tunneled_and_checked_end_to_end(theirs: Authority, is_secure: bool) -> None:
    seen = Seen()
    forward = ForwardProxy(tls=theirs.server() if is_secure else None, credentials="us:secret")
    async with serving(seen, tls=theirs.server()) as port, forward as proxy:
        url = f"https://127.0.0.1:{port}/hooks"
        endpoint = receiver_of(url, proxy=proxy.url, ca_file=theirs.ca_file, bearer="abc")
        async with connected(endpoint) as connections:
            for _ in range(2):
                assert isinstance(await send(connections, url), Response)

        assert proxy.requests == [f"CONNECT 127.0.0.1:{port} HTTP/1.1"]
    assert len(seen.heads) == 2
    assert all("proxy-authorization" not in head.lower() for head in seen.heads)


async def test_a_proxy_gets_its_credentials_and_the_endpoint_does_not() -> None:
    async with WebhookReceiver() as receiver, ForwardProxy(credentials="us:secret") as proxy:
        assert isinstance(await attempt_at(receiver.url, proxy=proxy.url), Response)

        assert "proxy-authorization" not in receiver.webhooks[0].headers


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_refuses_is_told_apart_from_the_endpoint(scheme: str) -> None:
    async with WebhookReceiver() as receiver, ForwardProxy(credentials="us:secret") as proxy:
        url = f"{scheme}://127.0.0.1:{receiver.port}/"
        result = await attempt_at(url, proxy=f"http://127.0.0.1:{proxy.port}")

        assert receiver.webhooks == []
    match scheme:
        case "https":
            assert isinstance(result, Failure)
            assert result.reason is Reason.PROXY
        case _:
            assert isinstance(result, Response)
            assert result.status == 407


async def test_a_proxy_that_is_down_is_a_proxy_fault() -> None:
    async with ForwardProxy() as proxy:
        url = proxy.url
    result = await attempt_at("http://127.0.0.1:9/", proxy=url)
    assert isinstance(result, Failure)
    assert result.reason is Reason.PROXY


async def test_the_environments_proxy_is_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    async with WebhookReceiver() as receiver, ForwardProxy() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        assert isinstance(await attempt_at(receiver.url), Response)

        assert proxy.requests == []


@pytest.mark.parametrize("broken", ["ca_file", "client_cert", "client_key", "encrypted"])
def test_a_file_that_cannot_be_used_is_a_sentence_at_the_start(tmp_path: Path, ours: Authority, broken: str) -> None:
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nonsense")
    encrypted = tmp_path / "encrypted.pem"
    key = serialization.load_pem_private_key(ours.key.read_bytes(), None)
    encrypted.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"password"),
        )
    )
    files: dict[str, Path] = {"ca_file": ours.ca_file, "client_cert": ours.cert, "client_key": ours.key}
    files |= {"client_key": encrypted} if broken == "encrypted" else {broken: nonsense}
    table = EndpointSettings.model_validate({"name": "crm", "url": "https://crm.example/", "format": "post", **files})
    with pytest.raises(ConfigError) as refused:
        Endpoint.from_settings(table, DispatcherSettings())
    [sentence] = refused.value.problems
    assert sentence.startswith("endpoint crm: c")
    assert "cannot be used" in sentence


def test_an_endpoints_secrets_are_not_in_its_text() -> None:
    endpoint = receiver_of("https://crm.example/", bearer="top-secret", proxy="http://us:top-secret@proxy.example:3128")
    assert "top-secret" not in repr(endpoint)

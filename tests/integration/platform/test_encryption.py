"""TLS between services: both sides show a certificate of one authority, and certificates are exchanged in flight."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc
import pytest
import trustme
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import CollectorRegistry

from services.dispatcher.service import Dispatcher
from switchhook.errors import ConfigError
from switchhook.rpc import Encryption, open_channel, serve_publish
from switchhook.runtime.health import Health
from switchhook.settings import DispatcherSettings, RpcSettings, Settings
from tests.deadline import eventually
from tests.unit.settings.configuration import problems

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from switchhook.rpc import Received

PATIENCE = 20.0  # seconds


async def accept(_received: Sequence[Received]) -> None:
    """Nothing is sent here."""


def written(folder: Path, authority: trustme.CA, *, trusted: trustme.CA | None = None) -> Encryption:
    """A certificate for 127.0.0.1 in files, and the authority that it trusts."""
    folder.mkdir(exist_ok=True)
    certificate = authority.issue_cert("127.0.0.1")
    encryption = Encryption(cert=folder / "tls.crt", key=folder / "tls.key", authority=folder / "ca.crt")
    encryption.cert.write_bytes(b"".join(pem.bytes() for pem in certificate.cert_chain_pems))
    encryption.key.write_bytes(certificate.private_key_pem.bytes())
    encryption.authority.write_bytes((trusted or authority).cert_pem.bytes())
    return encryption


async def connects(address: str, encryption: Encryption | None, within: float = PATIENCE) -> bool:
    async with open_channel(address, encryption) as channel:
        try:
            async with asyncio.timeout(within):
                state = channel.get_state(try_to_connect=True)
                while state not in {grpc.ChannelConnectivity.READY, grpc.ChannelConnectivity.TRANSIENT_FAILURE}:
                    await channel.wait_for_state_change(state)
                    state = channel.get_state(try_to_connect=True)
        except TimeoutError:
            return False
        if state is not grpc.ChannelConnectivity.READY:
            return False
        # A server that refuses the client's certificate says so after the client's own handshake is over.
        try:
            # Its stub has no types: the members are made when it is built.
            await vars(health_pb2_grpc.HealthStub(channel))["Check"](health_pb2.HealthCheckRequest(), timeout=within)
        except grpc.aio.AioRpcError as error:
            return error.code() is not grpc.StatusCode.UNAVAILABLE
        return True


async def test_a_producer_with_a_certificate_of_the_authority_is_taken(tmp_path: Path) -> None:
    encryption = written(tmp_path / "ours", trustme.CA())
    async with serve_publish("127.0.0.1:0", accept, encryption=encryption) as address:
        assert await connects(address, encryption)


async def test_nobody_else_is(tmp_path: Path) -> None:
    ours, theirs = trustme.CA(), trustme.CA()
    encryption = written(tmp_path / "ours", ours)
    async with serve_publish("127.0.0.1:0", accept, encryption=encryption) as address:
        assert not await connects(address, None, within=5)
        assert not await connects(address, written(tmp_path / "theirs", theirs, trusted=ours), within=5)


async def test_a_sink_of_another_authority_is_not_trusted(tmp_path: Path) -> None:
    ours, theirs = trustme.CA(), trustme.CA()
    async with serve_publish("127.0.0.1:0", accept, encryption=written(tmp_path / "theirs", theirs)) as address:
        assert not await connects(address, written(tmp_path / "ours", theirs, trusted=ours), within=5)


async def test_certificates_are_exchanged_while_everything_runs(tmp_path: Path) -> None:
    encryption = written(tmp_path / "ours", trustme.CA())
    async with serve_publish("127.0.0.1:0", accept, encryption=encryption) as address:
        assert await connects(address, encryption)
        written(tmp_path / "ours", trustme.CA())  # another authority: the old certificates fit no longer
        assert await connects(address, encryption)


async def test_a_socket_of_this_machine_is_not_encrypted(tmp_path: Path) -> None:
    encryption = written(tmp_path / "ours", trustme.CA())
    async with serve_publish(f"unix:{tmp_path}/events.sock", accept, encryption=encryption) as address:
        assert await connects(address, encryption)
        assert await connects(address, None)


def test_a_file_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    missing = tmp_path / "missing.pem"
    with pytest.raises(ConfigError, match="cannot be read"):
        Encryption.from_settings(RpcSettings(tls_cert=missing, tls_key=missing, tls_ca=missing))


def test_the_three_keys_go_together(tmp_path: Path) -> None:
    written(tmp_path / "ours", trustme.CA())
    said = problems(tmp_path, '[rpc]\ntls_cert = "ours/tls.crt"')
    assert said == [
        "rpc.tls_key: is missing: tls_cert, tls_key and tls_ca go together",
        "rpc.tls_ca: is missing: tls_cert, tls_key and tls_ca go together",
    ]


async def test_a_dispatcher_serves_as_its_configuration_says(tmp_path: Path) -> None:
    encryption = written(tmp_path / "ours", trustme.CA())
    table = {"tls_cert": encryption.cert, "tls_key": encryption.key, "tls_ca": encryption.authority}
    settings = Settings(
        data_dir=tmp_path, dispatcher=DispatcherSettings(listen="127.0.0.1:0"), rpc=RpcSettings(**table)
    )
    service, health = Dispatcher.from_settings(settings, registry=CollectorRegistry()), Health().service("dispatcher")
    task = asyncio.create_task(service.run(health))
    await eventually(lambda: service.address is not None, within=PATIENCE)
    assert service.address is not None
    assert await connects(service.address, encryption)
    assert not await connects(service.address, None, within=5)
    task.cancel()
    await asyncio.wait([task])

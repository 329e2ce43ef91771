"""Trouble around the product: each says once what is wrong and what to do, loses nothing, and passes."""

from __future__ import annotations

import asyncio
import resource
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from simulator import Simulator, SimulatorOptions
from tests.acceptance.product import EMBEDDED, SERVICES, Product, free_port
from tests.acceptance.scene import Performed, Reality, Scene, line, pbx_and_endpoint, perform, requests, until
from tests.deadline import eventually
from tests.receiver import WebhookReceiver

if TYPE_CHECKING:
    from pathlib import Path


READY, UNREADY = 200, 503
FULL = 120_000  # bytes; more than the product's log has at the end
ENDLESS = 600.0  # seconds of talk: until the script hangs up
TALK = ("ringing 202 ext 0", "started 202 NotDef 1", "ended 202 Ok 1")
RECORDED = (*TALK, "recording 202 1")
REMEDY = "a real department and a role"
REMEDIES = {
    "closed": "check url and firewall",
    "wrong_secret": "check client_id and client_secret",
    "no_licence": "licence with that API",
}


async def test_a_pbx_that_cannot_be_followed_is_named_once_with_the_remedy(tmp_path: Path) -> None:
    """Before any PBX was followed the product is not ready; each recovers by itself when its trouble passes."""
    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(WebhookReceiver())
        ports = {"closed": free_port(), "wrong_secret": free_port(), "no_licence": free_port()}
        tables = "".join(
            pbx_and_endpoint(name, pbx=f"http://127.0.0.1:{port}", endpoint=receiver.url)
            for name, port in ports.items()
        )
        no_licence = Simulator(SimulatorOptions(port=ports["no_licence"], faults=("no-licence",)))
        await stack.enter_async_context(no_licence)
        async with Simulator(SimulatorOptions(port=ports["wrong_secret"], client_secret="another")) as wrong:
            product = Product(tmp_path, tables, split=False, is_awaited=False)
            await stack.enter_async_context(product)
            await eventually(lambda: min(map(requests, (wrong, no_licence))) >= 4, 30)
            status, body = await product.readiness()
            assert (status, body["ready"]) == (UNREADY, False)
            problems = body["services"]["monitor"]["problems"]
            for name, remedy in REMEDIES.items():
                assert remedy in problems[f"pbx {name}"], problems
        _demand_one_line_each(product)
        no_licence.fault("no-licence", on=False)
        pbxs = [no_licence]
        for name in ("closed", "wrong_secret"):
            pbxs.append(await stack.enter_async_context(Simulator(SimulatorOptions(port=ports[name]))))
        await eventually(lambda: all(pbx.state()["sockets"] for pbx in pbxs), 45)
        for pbx in pbxs:
            pbx.play("incoming-direct", talk=1.0)
        await eventually(lambda: len(receiver.webhooks) >= len(RECORDED) * len(ports), 45)
        assert await product.problems("monitor") == {}
        _demand_one_line_each(product)
        no_licence.fault("drop-socket", seconds=ENDLESS)  # once a PBX was followed, the product stays ready
        await eventually(lambda: not no_licence.state()["sockets"])
        await until(lambda: _is_connected(product, "no_licence", 0))
        status, body = await product.readiness()
        assert (status, list(body["services"]["monitor"]["problems"])) == (READY, ["pbx no_licence"])
    for name in ports:
        assert [line(one) for one in receiver.webhooks if one.path.endswith(name)] == list(RECORDED)
    assert sorted(one["pbx"] for one in product.logged(EMBEDDED) if one["event"] == "pbx.connected") == sorted(ports)


async def _is_connected(product: Product, pbx: str, value: int) -> bool:
    return f'switchhook_pbx_connected{{pbx="{pbx}"}} {value}.0' in await product.metrics(EMBEDDED)


def _demand_one_line_each(product: Product) -> None:
    """Each PBX has one line of trouble, with the remedy in it, and there is no traceback."""
    log = product.logged(EMBEDDED)
    for name, remedy in REMEDIES.items():
        (told,) = (one for one in log if one["level"] != "info" and name in str(one))
        assert remedy in str(told)
    assert not [one for one in log if "traceback" in one]


async def until_allowed(scene: Scene) -> None:
    """The right is missing while a call is made, and for several retries; then it is given."""
    (fault,) = scene.reality.faults
    scene.play("incoming-direct", talk=1.0)
    await scene.told("ended 202 Ok 1")
    await asyncio.sleep(4.0)  # the recorder asks after 0.5 s, 1.5 s and 3.5 s
    assert [line(one) for one in scene.webhooks] == list(TALK)
    assert REMEDY in str(await scene.problems("recorder"))
    assert (REMEDY in str(await scene.problems("monitor"))) == (fault == "no-xapi")
    scene.pbx.fault(fault, on=False)
    await scene.told("recording 202 1")
    await until(lambda: _has_no_problems(scene))


async def _has_no_problems(scene: Scene) -> bool:
    return not await scene.problems("monitor") and not await scene.problems("recorder")


async def one_call(scene: Scene) -> None:
    """A call that is answered."""
    await scene.play("incoming-direct", talk=1.5)


BAD_RECORDINGS = {"empty-recording": "empty", "truncated-recording": "truncated", "not-wav-recording": "not_wav"}
RIGHTS = {"no_xapi": "no-xapi", "no_recordings_right": "no-recordings-right"}
LIMITED = [
    *(Reality(name=name, script=until_allowed, wanted=[RECORDED], faults=(fault,)) for name, fault in RIGHTS.items()),
    *(
        Reality(name=fault.replace("-", "_"), script=one_call, wanted=[TALK], faults=(fault,))
        for fault in (*BAD_RECORDINGS, "no-recording")
    ),
]


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Performed:
    """Calls on PBXs whose client may not do everything, or whose recordings are bad."""
    environ = {"SWITCHHOOK_RECORDER__WAIT_FOR_RECORDING": "6s", "SWITCHHOOK_MONITOR__DIRECTORY_INTERVAL": "2s"}
    return asyncio.run(perform(LIMITED, tmp_path_factory.mktemp("limited"), quiet=8.0, environ=environ))


@pytest.mark.parametrize("reality", LIMITED, ids=lambda reality: reality.name)
async def test_calls_are_told_where_rights_or_recordings_are_missing(reality: Reality, limited: Performed) -> None:
    differences = limited.scenes[reality.name].differences()
    assert not differences, "\n".join(differences)


@pytest.mark.parametrize(
    ("name", "events"),
    [
        ("no_xapi", ["pbx.directory_denied", "recorder.trouble_began"]),
        ("no_recordings_right", ["recorder.trouble_began"]),
    ],
)
async def test_a_missing_right_is_said_once_with_the_remedy(name: str, events: list[str], limited: Performed) -> None:
    told = [one for one in limited.log if one["level"] != "info" and name in str(one)]
    assert all(REMEDY in str(one) for one in told)
    assert [one["event"] for one in told] == events


async def test_a_bad_recording_is_counted_and_logged_by_its_reason(limited: Performed) -> None:
    failed = {one["pbx"]: one["reason"] for one in limited.logged("recording.failed")}
    assert failed == {name.replace("-", "_"): reason for name, reason in BAD_RECORDINGS.items()}
    for reason in BAD_RECORDINGS.values():
        assert limited.counted(f'switchhook_recordings_total{{outcome="failed",reason="{reason}"}}') == 1
    assert [one["pbx"] for one in limited.logged("recording.absent")] == ["no_recording"]
    assert limited.counted('switchhook_recordings_total{outcome="absent",reason="no_recording"}') == 1
    assert not [one for one in limited.log if one["level"] == "error" or "traceback" in one]


async def test_an_endpoint_that_is_down_is_said_once_and_gets_everything_in_order(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(WebhookReceiver())
        pbx = await stack.enter_async_context(Simulator(SimulatorOptions()))
        tables = pbx_and_endpoint("main", pbx=pbx.url, endpoint=receiver.url)
        product = await stack.enter_async_context(Product(tmp_path, tables, split=False))
        await receiver.stop()
        plays = [pbx.play("incoming-direct", extension=extension, talk=0.5) for extension in ("202", "117")]
        await eventually(lambda: len(_attempts(product, "connect")) >= 2 * 4, 30)
        assert "check that it runs" in str(await product.problems("dispatcher"))
        await receiver.start()
        await eventually(lambda: len(receiver.webhooks) == len(plays) * len(RECORDED), 30)
        assert await product.problems("dispatcher") == {}
    for play in plays:
        own = [one for one in receiver.webhooks if f"_{play.callid}-" in str(one.json["Id"])]
        assert [line(one) for one in own] == [one.replace("202", play.cast.extension) for one in RECORDED]
    edges = [one for one in product.logged(EMBEDDED) if one["event"] in ("endpoint.down", "endpoint.up")]
    assert [one["event"] for one in edges] == ["endpoint.down", "endpoint.up"]
    assert "check that it runs and that the port is reachable" in edges[0]["advice"]


def _attempts(product: Product, reason: str) -> list[dict[str, Any]]:
    lines = product.logged(EMBEDDED)
    return [one for one in lines if one["event"] == "delivery.attempted" and one["reason"] == reason]


@dataclass(frozen=True, slots=True, kw_only=True)
class FullDisk:
    """The process whose disk is full, whether it is killed meanwhile, and what is logged at the beginning and the end.

    `log` is whose log says so, empty for its own; `told` is how much comes of a call nevertheless.
    """

    process: str
    log: str = ""
    is_killed: bool = False
    began: str = "ledger.refused"
    ended: str = "ledger.restored"
    told: int = 0


FULL_DISKS = [
    FullDisk(process=EMBEDDED),
    FullDisk(process=EMBEDDED, is_killed=True),
    FullDisk(process="monitor", is_killed=True),
    FullDisk(process="dispatcher", began="events.refused", ended="events.accepted_again"),
    FullDisk(process="dispatcher", began="events.refused", ended="events.accepted_again", is_killed=True),
    FullDisk(process="recorder", log="monitor", began="publish.lost", ended="publish.restored", told=len(TALK)),
]


@pytest.mark.parametrize("disk", FULL_DISKS, ids=lambda disk: disk.process + "-killed" * disk.is_killed)
async def test_nothing_is_told_that_a_full_disk_did_not_take_and_all_of_it_later(
    tmp_path: Path, disk: FullDisk
) -> None:
    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(WebhookReceiver())
        pbx = await stack.enter_async_context(Simulator(SimulatorOptions(timezone="Europe/Prague")))
        first = [f"10{number}" for number in range(8)]
        scene = Scene(
            Reality(name="main", script=one_call, wanted=[*map(_told, (*first, "202", "117"))]), pbx, receiver
        )
        is_split = disk.process != EMBEDDED
        scene.product = product = await stack.enter_async_context(Product(tmp_path, scene.tables, split=is_split))
        await scene.followed()
        for extension in first:  # so that the databases' logs grow beyond the limit
            scene.play("incoming-direct", extension=extension, talk=0.5)
        await scene.told_all(len(RECORDED) * len(first))
        long = scene.play("incoming-direct", talk=ENDLESS)
        await scene.told("started 202 NotDef 1")
        await until(lambda: _is_settled(product, "dispatcher" if is_split else EMBEDDED))
        before = len(receiver.webhooks)
        _limit_files(product, disk.process, FULL)
        await scene.play("incoming-direct", extension="117", talk=1.0)
        scene.hang_up(long)
        await eventually(lambda: _count(product, disk.log or disk.process, disk.began), 30)
        await asyncio.sleep(2.5)  # it tries again every second
        assert len(receiver.webhooks) == before + (disk.told + 1 if disk.told else 0)
        if disk.is_killed:
            await product.kill(disk.process)
            await product.start(disk.process)
        else:
            _limit_files(product, disk.process, resource.RLIM_INFINITY)
        await scene.told_all(len(RECORDED) * len(scene.plays))
        await until(lambda: _is_settled(product, "dispatcher" if is_split else EMBEDDED))
        edges = [_count(product, disk.log or disk.process, event) for event in (disk.began, disk.ended)]
    assert scene.differences() == []
    assert edges == [1, 0 if disk.is_killed else 1]
    assert not [one for one in product.logged(disk.process) if "traceback" in one]


def _told(extension: str) -> list[str]:
    return [one.replace("202", extension) for one in RECORDED]


def _limit_files(product: Product, process: str, size: int) -> None:
    """No file of the running process may grow beyond `size` bytes, as on a full disk."""
    services = SERVICES if process == EMBEDDED else (process,)
    sizes = [(product.folder / "data" / f"{one}.sqlite3-wal").stat().st_size for one in services if one != "fileserver"]
    assert size < 0 or min(sizes) > size, sizes
    _, hard = resource.prlimit(product.pids[process], resource.RLIMIT_FSIZE)
    resource.prlimit(product.pids[process], resource.RLIMIT_FSIZE, (size, hard))


async def _is_settled(product: Product, process: str) -> bool:
    """Every delivery is finished, and that is written."""
    return 'switchhook_deliveries_pending{endpoint="main"} 0.0' in await product.metrics(process)


def _count(product: Product, process: str, event: str) -> int:
    return sum(one["event"] == event for one in product.logged(process))

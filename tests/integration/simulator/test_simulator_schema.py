"""Everything that the XAPI part answers fits the vendor's own description, and what that refuses it refuses too."""

from __future__ import annotations

from typing import Any

import pytest

from simulator import Simulator, SimulatorOptions
from simulator.columns import ACTIVE_CALL_COLUMNS, CALL_LOG_COLUMNS, RECORDING_COLUMNS, Column
from simulator.faults import ONE_SHOT, Fault
from simulator.functions import REPORT
from simulator.scenarios import SCENARIOS, VARIANTS
from tests.integration.simulator.client import WHOLE_LOG, PbxClient, connected, eventually
from tests.integration.simulator.vendor import SCHEMA, Vendor, check_error

CALL_LOG = "ReportCallLogData/Pbx.GetCallLogData"
COLLECTIONS = {
    "ActiveCalls": "Pbx.ActiveCall",
    "Recordings": "Pbx.Recording",
    "Peers": "Pbx.Peer",
    "Users": "Pbx.User",
    "Queues": "Pbx.Queue",
    "RingGroups": "Pbx.RingGroup",
    "Receptionists": "Pbx.Receptionist",
    "Trunks": "Pbx.Trunk",
    "DidNumbers": "Pbx.DidNumber",
    "InboundRules": "Pbx.InboundRule",
    "ServicePrincipals": "Pbx.ServicePrincipal",
}
SINGLE = {"SystemStatus": "Pbx.SystemStatus", "LastCdrAndChatMessageTimestamp": "Pbx.LastCdrAndChatMessageTimestamp"}
DISTORTING = sorted(set(Fault) - ONE_SHOT - {Fault.UNKNOWN_WORDS, Fault.SLOW, Fault.BUSY, Fault.ERROR_500})
"""Faults that change what is shown; `unknown-words` is there to break the description."""
REFUSING = {
    Fault.NO_XAPI: 403,
    Fault.ERROR_500: 500,
    Fault.BUSY: 429,
    Fault.NO_CALL_LOG: 403,
    Fault.NO_RECORDINGS_RIGHT: 403,
}
WRONG = {Column.NUMBER: "'x'", Column.TEXT: "5", Column.FLAG: "5", Column.TIME: "'x'", Column.OBJECT: "'x'"}
TYPES = {"integer": Column.NUMBER, "number": Column.NUMBER, "boolean": Column.FLAG, "array": Column.OBJECT}
FORMATS = {"date-time": Column.TIME, "duration": Column.DURATION}
NO_SUCH = ("$select=Nothing", "$filter=Nothing eq 1", "$orderby=Nothing", "$expand=Nothing", "$apply=x")
NO_VALUE = ("$top=x", "$top=-1", "$skip=x", "$skip=-1", "$count=perhaps", "$filter=Id", "$orderby=Id sideways")


@pytest.fixture(scope="module")
def vendor() -> Vendor:
    if not SCHEMA.is_file():
        pytest.skip(f"the vendor's schema is not at {SCHEMA}; SWITCHHOOK_XAPI_SCHEMA names another place")
    return Vendor()


async def everything_fits(vendor: Vendor, client: PbxClient) -> dict[str, int]:
    """Reads all that there is to read; gives how many rows of each there were."""
    checked: dict[str, int] = {}
    for name, schema in {**COLLECTIONS, WHOLE_LOG.removeprefix("/xapi/v1/"): "Pbx.CallLogData"}.items():
        reply = await client.get(f"/xapi/v1/{name}?$count=true")
        if reply.status != 200:
            check_error(reply.json)
            continue
        vendor.check_collection(schema, reply.json, is_counted=True)
        assert reply.json["@odata.count"] == len(reply.json["value"])
        vendor.check_collection(schema, (await client.get(f"/xapi/v1/{name}?$top=1")).json, is_counted=False)
        for row in reply.json["value"][:1]:
            chosen = ",".join(sorted(row)[:3])
            (page,) = (await client.get(f"/xapi/v1/{name}?$top=1&$select={chosen}")).json["value"]
            assert page == {field: row[field] for field in sorted(row)[:3]}
        checked[schema] = len(reply.json["value"])
    for name, schema in SINGLE.items():
        vendor.check(schema, (await client.get(f"/xapi/v1/{name}")).json)
    return checked


async def test_every_answer_fits_the_vendors_schema(vendor: Vendor) -> None:
    async with Simulator(SimulatorOptions(speed=100)) as pbx, connected(pbx) as client:
        plays = [pbx.play(name) for name in SCENARIOS]
        plays += [
            pbx.play(
                {"blind": "incoming-blind-transfer", "attended": "incoming-attended-transfer"}[kind],
                variant=f"{kind}:{variant}",
            )
            for kind in ("blind", "attended")
            for variant in VARIANTS[kind]
        ]
        for play in plays:
            await play
        await eventually(lambda: len(pbx.recordings.rows) >= 13)
        pbx.fault("restart")
        for name in ("incoming-answered", "makecall-answered", "internal-answered"):
            pbx.play(name, speed=0.1)
        checked = await everything_fits(vendor, client)
        assert all(checked.values()), checked
        assert checked["Pbx.CallLogData"] > 80
        for name, schema in COLLECTIONS.items():
            rows = (await client.get(f"/xapi/v1/{name}")).json["value"]
            if "Id" not in rows[0] or name in ("ActiveCalls", "Recordings"):
                continue
            vendor.check(schema, (await client.get(f"/xapi/v1/{name}({rows[0]['Id']})")).json)


@pytest.mark.parametrize("fault", DISTORTING)
async def test_every_answer_fits_also_with_a_fault(vendor: Vendor, fault: Fault) -> None:
    async with Simulator(SimulatorOptions(speed=200, faults=(fault,))) as pbx, connected(pbx) as client:
        plays = [pbx.play(name) for name in ("incoming-queue-hunt", "incoming-attended-transfer", "makecall-answered")]
        for play in plays:
            await play
        pbx.play("incoming-answered", speed=0.1)
        if fault is not Fault.NO_XAPI:
            await everything_fits(vendor, client)


def test_the_columns_are_those_of_the_description(vendor: Vendor) -> None:
    for name, columns in (
        ("Pbx.ActiveCall", ACTIVE_CALL_COLUMNS),
        ("Pbx.Recording", RECORDING_COLUMNS),
        ("Pbx.CallLogData", CALL_LOG_COLUMNS),
    ):
        described = {
            field: FORMATS.get(schema.get("format", "")) or TYPES.get(schema.get("type", ""), Column.TEXT)
            for field, schema in vendor.properties(name).items()
        }
        assert described == dict(columns)


def test_the_arguments_are_those_of_the_description(vendor: Vendor) -> None:
    (path,) = [path for path in vendor.paths if path.startswith(f"/{CALL_LOG}(")]
    described = vendor.paths[path]["get"]["parameters"]
    assert [one["name"] for one in described if one.get("in") == "path"] == list(REPORT)
    assert all(one["required"] for one in described if one.get("in") == "path")


def test_every_path_that_is_served_is_described(vendor: Vendor) -> None:
    assert {f"/{name}" for name in (*COLLECTIONS, *SINGLE)} <= vendor.paths.keys()
    assert "/ActiveCalls({Id})/Pbx.DropCall" in vendor.paths
    assert "/Recordings/Pbx.DownloadRecording(recId={recId})" in vendor.paths


async def refused(client: PbxClient, path: str, status: int, *, method: str = "GET", body: object = None) -> None:
    """It is refused with this status, in the vendor's form."""
    reply = await client.ask(method, f"/xapi/v1/{path}", body)
    assert reply.status == status, path
    check_error(reply.json)


@pytest.mark.parametrize("missing", REPORT)
async def test_a_function_without_one_of_its_arguments_is_not_found(missing: str) -> None:
    async with Simulator(SimulatorOptions()) as pbx, connected(pbx) as client:
        head, _, arguments = WHOLE_LOG.removeprefix("/xapi/v1/").removesuffix(")").partition("(")
        kept = [one for one in arguments.split(",") if not one.startswith(f"{missing}=")]
        await refused(client, f"{head}({','.join(kept)})", 404)
        await refused(client, f"{head}({arguments},more=1)", 404)


@pytest.mark.parametrize(
    ("argument", "wrong"),
    [
        ("sourceType=0", "sourceType='a'"),
        ("sourceType=0", "sourceType=99999999999"),
        ("sourceFilter=''", "sourceFilter=5"),
        ("destinationType=0", "destinationType=1.5"),
        ("destinationFilter=''", "destinationFilter=x"),
        ("callsType=0", "callsType=null"),
        ("callTimeFilterType=0", "callTimeFilterType=true"),
        ("callTimeFilterFrom='0:00:0'", "callTimeFilterFrom=0:00:0"),
        ("hidePcalls=true", "hidePcalls=1"),
    ],
)
async def test_an_argument_of_the_wrong_type_is_a_bad_request(argument: str, wrong: str) -> None:
    async with Simulator(SimulatorOptions()) as pbx, connected(pbx) as client:
        assert argument in WHOLE_LOG
        await refused(client, WHOLE_LOG.removeprefix("/xapi/v1/").replace(argument, wrong), 400)


async def test_texts_among_the_arguments_may_hold_anything() -> None:
    async with Simulator(SimulatorOptions()) as pbx, connected(pbx) as client:
        path = WHOLE_LOG.replace("sourceFilter=''", "sourceFilter='a,b=O''Hara'")
        assert (await client.get(path)).status == 200


async def test_what_is_not_described_is_refused_in_every_collection() -> None:
    async with Simulator(SimulatorOptions()) as pbx, connected(pbx) as client:
        for name in (*COLLECTIONS, WHOLE_LOG.removeprefix("/xapi/v1/")):
            for query in (*NO_SUCH, *NO_VALUE):
                await refused(client, f"{name}?{query}", 400)
        for query in ("$filter=Id eq 1", "$top=1", "$select=Nothing", "$expand=Version"):
            await refused(client, f"SystemStatus?{query}", 400)


async def test_a_comparison_of_different_types_is_a_bad_request() -> None:
    async with Simulator(SimulatorOptions()) as pbx, connected(pbx) as client:
        for name, columns in (
            ("ActiveCalls", ACTIVE_CALL_COLUMNS),
            ("Recordings", RECORDING_COLUMNS),
            (WHOLE_LOG.removeprefix("/xapi/v1/"), CALL_LOG_COLUMNS),
        ):
            for column, kind in columns.items():
                await refused(client, f"{name}?$filter={column} eq {WRONG.get(kind, '5')}", 400)
                reply = await client.get(f"/xapi/v1/{name}?$filter={column} eq null")
                assert reply.status == 200, column


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "Nothing", 404),
        ("POST", "Nothing", 404),
        ("GET", "Users(1)", 404),
        ("GET", "Users(x)", 400),
        ("GET", "Users(99999999999)", 400),
        ("GET", "Recordings(1)", 404),
        ("POST", "Peers", 405),
        ("DELETE", "Users(501)", 405),
        ("GET", "ActiveCalls(1)/Pbx.DropCall", 405),
        ("POST", "ActiveCalls(1)/Pbx.DropCall", 404),
        ("POST", "ActiveCalls(x)/Pbx.DropCall", 400),
        ("POST", "ActiveCalls()/Pbx.DropCall", 400),
        ("GET", "Recordings/Pbx.DownloadRecording()", 404),
        ("GET", "Recordings/Pbx.DownloadRecording(recId=x)", 400),
        ("GET", "Recordings/Pbx.DownloadRecording(recId=7)", 400),
        ("GET", "ReportCallLogData", 404),
        ("GET", f"{CALL_LOG}()", 404),
        ("PATCH", "ServicePrincipals(1)", 404),
        ("PATCH", "ServicePrincipals(x)", 400),
    ],
)
async def test_an_error_has_its_status_and_the_vendors_form(method: str, path: str, status: int) -> None:
    async with Simulator(SimulatorOptions()) as pbx, connected(pbx) as client:
        await refused(client, path, status, method=method, body={"Peers": []} if method == "PATCH" else None)


@pytest.mark.parametrize(("fault", "status"), REFUSING.items())
async def test_refusals_of_rights_and_faults_of_the_server_have_the_vendors_form(fault: Fault, status: int) -> None:
    async with Simulator(SimulatorOptions()) as pbx, connected(pbx) as client:
        pbx.fault(fault, fraction=1.0)
        path = {Fault.NO_RECORDINGS_RIGHT: "Recordings", Fault.NO_XAPI: "Peers"}
        path |= dict.fromkeys((Fault.ERROR_500, Fault.BUSY), "Trunks")
        await refused(client, path.get(fault, WHOLE_LOG.removeprefix("/xapi/v1/")), status)
        wrong: Any = await client.ask("GET", "/xapi/v1/Peers", token="none")
        assert wrong.status in (401, 429, 500)

"""Everything the XAPI part answers fits the vendor's own description, where that description is at hand."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped] # it comes without type information
import orjson
import pytest

from simulator import Simulator, SimulatorOptions
from simulator.scenarios import SCENARIOS
from tests.integration.simulator.client import WHOLE_LOG, connected, eventually

_BESIDE = Path(__file__).parents[3].parent / "shared" / "reference" / "xapi.json"
SCHEMA = Path(os.environ.get("SWITCHHOOK_XAPI_SCHEMA", _BESIDE))

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


def plain(schema: Any) -> Any:
    """From OpenAPI 3.0 to JSON schema: `nullable` becomes an alternative."""
    if isinstance(schema, list):
        return [plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {
        name: plain(value) for name, value in schema.items() if name not in {"nullable", "format", "x-ms-docs-key-type"}
    }
    return {"anyOf": [made, {"type": "null"}]} if schema.get("nullable") is True else made


class Vendor:
    def __init__(self, described: dict[str, Any]) -> None:
        self.schemas: dict[str, Any] = described["components"]["schemas"]
        self.plain = plain(described["components"])

    def check(self, name: str, row: dict[str, Any]) -> None:
        root = {"$ref": f"#/components/schemas/{name}", "components": self.plain}
        jsonschema.validate(row, root)
        unknown = row.keys() - self.properties(name)
        assert not unknown, f"{name} has no {unknown}"

    def properties(self, name: str) -> set[str]:
        schema = self.schemas[name]
        names = set(schema.get("properties", {}))
        for part in schema.get("allOf", []):
            names |= set(part.get("properties", {}))
            if "$ref" in part:
                names |= self.properties(part["$ref"].rpartition("/")[2])
        return names


@pytest.fixture(scope="module")
def vendor() -> Vendor:
    if not SCHEMA.is_file():
        pytest.skip(f"the vendor's schema is not at {SCHEMA}; SWITCHHOOK_XAPI_SCHEMA names another place")
    return Vendor(orjson.loads(SCHEMA.read_bytes()))


async def test_every_answer_fits_the_vendors_schema(vendor: Vendor) -> None:
    async with Simulator(SimulatorOptions(speed=100)) as pbx, connected(pbx) as client:
        plays = [pbx.play(name) for name in SCENARIOS]
        for play in plays:
            await play
        await eventually(lambda: len(pbx.recordings.rows) >= 13)
        pbx.play("incoming-answered", speed=0.1)
        checked = dict.fromkeys(COLLECTIONS, 0)
        for name, schema in COLLECTIONS.items():
            body = (await client.get(f"/xapi/v1/{name}?$count=true")).json
            assert body["@odata.count"] == len(body["value"])
            for row in body["value"]:
                vendor.check(schema, row)
                checked[name] += 1
        assert all(checked.values()), checked
        for name, schema in SINGLE.items():
            vendor.check(schema, (await client.get(f"/xapi/v1/{name}")).json)
        rows = (await client.get(WHOLE_LOG)).json["value"]
        assert len(rows) > 50
        for row in rows:
            vendor.check("Pbx.CallLogData", row)

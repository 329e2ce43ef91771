"""Values that are wrong, or cannot work together, are refused with a sentence before anything is installed."""

from __future__ import annotations

from typing import Any

import helm_python
import pytest

from tests.chart.matrix import DATABASE, EMBEDDED, ENDPOINT, PBX, SEVERAL, SQLITE
from tests.chart.rendering import rendered

CANNOT_WORK: dict[str, tuple[dict[str, Any], str]] = {
    "two dispatchers on SQLite": (
        SQLITE | {"dispatcher": {"replicas": 2}},
        "dispatcher.replicas: SQLite is a file that one process has to itself, so there can be one dispatcher: "
        "set database.existingSecret (PostgreSQL), or replicas: 1",
    ),
    "a scaled recorder on SQLite": (
        SQLITE | {"recorder": {"autoscaling": {"enabled": True}}},
        "recorder.replicas: SQLite",
    ),
    "a scaled embedded one": (
        EMBEDDED | {"fileserver": {"replicas": 2}},
        "fileserver.replicas: `embedded` runs everything",
    ),
    "scaled twice": (
        SEVERAL | {"dispatcher": {"keda": {"enabled": True}, "autoscaling": {"enabled": True}}},
        "dispatcher: autoscaling and keda would both scale it",
    ),
    "one API client for two pods": (
        {"pbx": [{**PBX, "recorder_client_id": ""}]},
        'pbx[0].recorder_client_id: monitor and recorder of "main" are pods of their own',
    ),
    "no secret": ({"pbx": [{**PBX, "existingSecret": None}]}, "got null, want object"),
    "no client secret": (
        {"pbx": [{**PBX, "existingSecret": {"name": "x", "keys": {}}}]},
        'pbx[0]: the API client of "main" has no secret',
    ),
    "no second secret": (
        {"pbx": [{**PBX, "existingSecret": {"name": "x", "keys": {"client_secret": "a"}}}]},
        'pbx[0]: recorder_client_id of "main" has no secret',
    ),
    "a name twice": ({"pbx": [PBX, PBX]}, 'pbx[1].name: "main" is the name of another one'),
    "an endpoint twice": ({"endpoint": [ENDPOINT, ENDPOINT]}, 'endpoint[1].name: "crm" is the name of another one'),
    "an unknown PBX": (
        {"pbx": [PBX], "endpoint": [{**ENDPOINT, "pbx": ["mian"]}]},
        'endpoint[0].pbx: "mian" is no PBX',
    ),
    "a short end": (
        SEVERAL | {"dispatcher": {"terminationGracePeriodSeconds": 30}},
        "dispatcher.terminationGracePeriodSeconds: must be 35 at least",
    ),
    "a long request": (
        SEVERAL | {"config": {"dispatcher": {"timeout": "60s"}}},
        "40 is not longer than config.dispatcher.timeout (60s)",
    ),
    "what the chart sets": (
        SQLITE | {"config": {"monitor": {"sinks": ["a:1"]}}},
        "config.monitor.sinks: the chart sets it",
    ),
    "TLS within one pod": (EMBEDDED | {"tls": {"enabled": True}}, "tls.enabled: `embedded` has no ways between pods"),
    "TLS without a certificate": (SQLITE | {"tls": {"enabled": True}}, "tls.enabled: there is no certificate"),
    "no issuer": (
        SQLITE | {"tls": {"enabled": True, "certManager": {"enabled": True}}},
        "tls.certManager.issuerRef: say who issues",
    ),
    "two certificates": (
        SQLITE | {"tls": {"enabled": True, "existingSecret": "a", "certManager": {"enabled": True}}},
        "tls: existingSecret and certManager both",
    ),
    "no store": (SQLITE | {"externalSecrets": {"enabled": True}}, "externalSecrets.secretStoreRef: name the store"),
    "no host": (SQLITE | {"ingress": {"enabled": True}}, "ingress.host: is missing"),
    "no gateway": (SQLITE | {"httpRoute": {"enabled": True}}, "httpRoute.parentRefs: name the Gateway"),
    "nothing to open": (
        SQLITE | {"recorder": {"enabled": False}, "ingress": {"enabled": True, "host": "a"}},
        "ingress, httpRoute: without the recorder",
    ),
    "a volume for one node": (
        SQLITE | {"recordings": {"accessModes": ["ReadWriteOnce"]}},
        "recordings.accessModes: the recorder writes and the file server reads",
    ),
    "keys without a Secret": (
        SEVERAL | {"storage": {"encryption": {"ids": ["2026"]}}},
        "storage.encryption: existingSecret and ids go together",
    ),
    "several keys": (
        SEVERAL | {"storage": {"encryption": {"existingSecret": "keys", "ids": ["2025", "2026"]}}},
        "storage.encryption.current: say which of ids",
    ),
    "two file servers on SQLite": (SQLITE | {"fileserver": {"replicas": 2}}, "fileserver.replicas: SQLite is a file"),
    "two databases": (
        {"database": {**DATABASE, "url": "postgresql://a@b/c"}},
        "database: url and existingSecret both",
    ),
}

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a text for a number": ({"monitor": {"replicas": "two"}}, "at '/monitor/replicas': got string, want integer"),
    "no pods": ({"dispatcher": {"replicas": 0}}, "at '/dispatcher/replicas': minimum: got 0, want 1"),
    "an unknown value": ({"dispatchers": {}}, "additional properties 'dispatchers' not allowed"),
    "an unknown key": ({"config": {"dispatcher": {"timeot": "3s"}}}, "additional properties 'timeot' not allowed"),
    "no duration": (
        {"config": {"dispatcher": {"timeout": "soon"}}},
        "at '/config/dispatcher/timeout': 'soon' does not match",
    ),
    "an unknown format": (
        {"endpoint": [{**ENDPOINT, "format": "xml"}]},
        "at '/endpoint/0/format': value must be one of",
    ),
    "a PBX without an address": ({"pbx": [{"name": "x", "client_id": "y"}]}, "missing property 'url'"),
    "a database of another kind": (
        {"database": {"url": "mysql://x"}},
        "at '/database/url': 'mysql://x' does not match",
    ),
    "a short link secret": ({"links": {"secret": "short"}}, "at '/links/secret': 'short' does not match"),
    "a size without a unit": ({"recordings": {"size": "50"}}, "at '/recordings/size': '50' does not match"),
    "a secret without a name": (
        {"pbx": [{**PBX, "existingSecret": {"keys": {"client_secret": "a"}}}]},
        "at '/pbx/0/existingSecret': missing property 'name'",
    ),
}


@pytest.mark.parametrize("case", [*CANNOT_WORK, *WRONG])
def test_it_is_refused_with_a_sentence(case: str) -> None:
    values, sentence = (CANNOT_WORK | WRONG)[case]
    with pytest.raises(helm_python.HelmError) as refused:
        rendered(values)
    assert sentence in " ".join(str(refused.value).split())

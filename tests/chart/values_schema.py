"""`values.schema.json`, from the chart's own values and from the settings models: `make docs`.

What a value is when nobody sets it says what it may be; a few are known better, and `pbx`, `endpoint` and `config` have
the keys of the product's own tables.
"""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any

import yaml

from services.commands.reference import _section_of, _type_name
from switchhook.settings import Settings
from switchhook.settings.section import inner_table_of
from tests.repository.tree import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from switchhook.settings.section import Section

    Schema = dict[str, Any]

CHART = ROOT / "charts" / "switchhook"
CONFIG_TABLES = ("monitor", "dispatcher", "recorder", "fileserver", "telemetry", "storage")
DURATION = {"type": "string", "pattern": r"^(never|[0-9]+(\.[0-9]+)?\s*(ms|s|m|h|d))$"}
QUANTITY = {"type": "string", "pattern": "^[0-9]+(Ki|Mi|Gi|Ti)$"}
REPLICAS = {"type": "integer", "minimum": 1, "maximum": 100}
NAME_AND_KEY = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"name": {"type": "string"}, "key": {"type": "string"}},
}
SECRET_KEYS = {
    "pbx": ("client_secret", "recorder_client_secret", "ca_file"),
    "endpoint": ("secret", "bearer", "password", "client_cert", "client_key", "ca_file"),
}
OPEN: Schema = {"type": "object"}
BY_TYPE_NAME: dict[str, Schema] = {
    "true or false": {"type": "boolean"},
    "whole number": {"type": "integer"},
    "number": {"type": "number"},
    "duration": DURATION,
    "table": OPEN,
}
# By the path of a value, in which `*` is any one step.
KNOWN_BETTER: dict[str, Schema] = {
    "commonLabels": {"type": "object", "additionalProperties": {"type": "string"}},
    "image.pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
    "image.pullSecrets": {"type": "array", "items": {"type": "string"}},
    "database.existingSecret": NAME_AND_KEY,
    "database.url": {"type": "string", "pattern": "^$|^postgres(ql)?://"},
    "links.existingSecret": NAME_AND_KEY,
    "links.secret": {"type": "string", "pattern": "^$|^.{16,}$"},
    "admin.existingSecret": NAME_AND_KEY,
    "links.oldSecrets": {"type": "array", "items": NAME_AND_KEY},
    "storage.existingSecret": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "name": {"type": "string"},
            "keys": {
                "type": "object",
                "additionalProperties": False,
                "properties": {key: {"type": "string"} for key in ("access_key", "secret_key")},
            },
        },
    },
    "storage.encryption.ids": {"type": "array", "items": {"type": "string", "minLength": 1}},
    "recordings.accessModes": {
        "type": "array",
        "minItems": 1,
        "items": {"enum": ["ReadWriteOnce", "ReadWriteMany", "ReadWriteOncePod"]},
    },
    "fileserver.service.type": {"enum": ["ClusterIP", "NodePort", "LoadBalancer"]},
    "*.replicas": REPLICAS,
    "*.*.minReplicas": REPLICAS,
    "*.*.maxReplicas": REPLICAS,
    "*.size": QUANTITY,
    "*.persistence.size": QUANTITY,
    "*.workSize": QUANTITY,
    "*.pdb.maxUnavailable": {"type": ["integer", "string"]},
    "*.resources": OPEN,
    "*.affinity": OPEN,
    "*.nodeSelector": {"type": "object", "additionalProperties": {"type": "string"}},
    "podSecurityContext": OPEN,
    "securityContext": OPEN,
    "dashboards.labels": OPEN,
    "dashboards.annotations": OPEN,
    "extraObjects": {"type": "array", "items": OPEN},
    "networkPolicy.*.ports": {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 65535}},
    "networkPolicy.*.cidrs": {"type": "array", "items": {"type": "string", "pattern": "^[0-9a-fA-F.:]+/[0-9]+$"}},
}


def values_schema() -> str:
    """The whole document."""
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    schema = _of_value(values, ())
    properties = schema["properties"]
    for kind in ("pbx", "endpoint"):
        properties[kind] = {"type": "array", "items": _entry(kind)}
    tables = {name: _table(_model(name)) for name in CONFIG_TABLES}
    properties["config"] = {"type": "object", "additionalProperties": False, "properties": tables}
    properties["global"] = OPEN
    document = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the Switchhook chart",
        **schema,
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _of_value(value: object, path: tuple[str, ...]) -> Schema:
    known = next((schema for pattern, schema in KNOWN_BETTER.items() if _matches(pattern, path)), None)
    if known is not None:
        return known
    match value:
        case bool():
            return {"type": "boolean"}
        case int():
            return {"type": "integer", "minimum": 0}
        case str():
            return {"type": "string"}
        case list():
            return {"type": "array"}
        case dict() if value:
            properties = {key: _of_value(inner, (*path, key)) for key, inner in value.items()}
            return {"type": "object", "additionalProperties": False, "properties": properties}
        case _:
            return OPEN


def _matches(pattern: str, path: tuple[str, ...]) -> bool:
    steps = pattern.split(".")
    return len(steps) == len(path) and all(want in {"*", step} for want, step in zip(steps, path, strict=True))


def _model(name: str) -> type[Section]:
    model = _section_of(Settings.model_fields[name])
    assert model is not None
    return model


def _entry(kind: str) -> Schema:
    schema = _table(_model(kind))
    keys = {key: {"type": "string"} for key in SECRET_KEYS[kind]}
    schema["properties"]["existingSecret"] = {
        "type": "object",
        "description": "A Secret, and which of its keys hold what.",
        "additionalProperties": False,
        "required": ["name", "keys"],
        "properties": {
            "name": {"type": "string", "minLength": 1},
            "keys": {"type": "object", "additionalProperties": False, "properties": keys},
        },
    }
    return schema


def _table(model: type[Section]) -> Schema:
    """The keys of a table, but those that name files: a file is a Secret here."""
    fields = {key: field for key, field in model.model_fields.items() if not _is_file(key)}
    properties = {}
    for key, field in fields.items():
        inner = inner_table_of(field.annotation)
        schema = _table(inner) if inner is not None else _of_type(_type_name(field.annotation))
        properties[key] = {**schema, "description": field.description or ""}
    required = [key for key, field in fields.items() if field.is_required()]
    schema = {"type": "object", "additionalProperties": False, "properties": properties}
    return {**schema, "required": required} if required else schema


def _is_file(key: str) -> bool:
    return key.endswith("_file") or key in {"client_cert", "client_key", "tls_cert", "tls_key"}


def _of_type(name: str) -> Schema:
    """From how the reference of keys names a type."""
    if name.startswith("list of "):
        items = _of_type(name.removeprefix("list of "))
        array: Schema = {"type": "array", "items": items}
        return {"anyOf": [array, items]} if name == "list of secret" else array
    if name.startswith("table of "):
        return {"type": "object", "additionalProperties": _of_type(name.removeprefix("table of "))}
    choices = re.findall(r'`"([^"]+)"`', name)
    return {"enum": choices} if choices else BY_TYPE_NAME.get(name, {"type": "string"})


def default_values() -> Mapping[str, Any]:
    """The chart's values as nobody has changed them."""
    values: Mapping[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    return values


def paths_of(values: Mapping[str, Any], prefix: str = "") -> Iterable[str]:
    """Every path to a value that is not a table itself, or is an empty one."""
    for key, value in values.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            yield from paths_of(value, f"{path}.")
        else:
            yield path


if __name__ == "__main__":
    sys.stdout.write(values_schema())

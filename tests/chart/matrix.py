"""The values with which the chart is rendered: each a way in which somebody installs it."""

from __future__ import annotations

from typing import Any

CLIENT = {"existingSecret": {"name": "pbx-main", "keys": {"client_secret": "a", "recorder_client_secret": "b"}}}
PBX = {
    "name": "main",
    "url": "https://pbx.example.com",
    "client_id": "switchhook",
    "recorder_client_id": "switchhook-recordings",
    "timezone": "Europe/Prague",
    "did_names": {"420222000320": "Sales"},
    **CLIENT,
}
ENDPOINT = {
    "name": "crm",
    "url": "https://crm.example.com/hooks",
    "format": "standard",
    "existingSecret": {"name": "crm", "keys": {"secret": "webhook"}},
}
DATABASE = {"existingSecret": {"name": "switchhook-database", "key": "url"}}

EMBEDDED: dict[str, Any] = {
    "embedded": True,
    "pbx": [{**PBX, "recorder_client_id": "", "existingSecret": {"name": "pbx", "keys": {"client_secret": "a"}}}],
    "endpoint": [ENDPOINT],
    "config": {"fileserver": {"public_url": "https://recordings.example.com"}},
    "ingress": {"enabled": True, "host": "recordings.example.com", "tlsSecret": "recordings-tls"},
}
MINIMAL: dict[str, Any] = {"pbx": [PBX], "endpoint": [ENDPOINT], "recorder": {"enabled": False}}
SQLITE: dict[str, Any] = {"pbx": [PBX], "endpoint": [ENDPOINT]}
SEVERAL: dict[str, Any] = {
    "database": DATABASE,
    "pbx": [PBX, {**PBX, "name": "branch", "url": "https://branch.example.com", "report_internal": True}],
    "endpoint": [
        {
            **ENDPOINT,
            "pbx": ["main"],
            "retry_schedule": ["5s", "5m"],
            "deadlines": {"ringing": "30s", "ended": "never"},
        },
        {
            "name": "old",
            "url": "https://old.example.com",
            "format": "get",
            "pbx": ["branch"],
            "headers": {"X-Key": "1"},
        },
        {
            "name": "desk",
            "url": "https://desk.example.com",
            "format": "template",
            "template": {"body": '{"caller": {{ data.call.outside_number|tojson }}}'},
            "existingSecret": {"name": "desk", "keys": {"bearer": "token", "ca_file": "ca.pem"}},
        },
    ],
    "monitor": {"replicas": 2},
    "dispatcher": {"replicas": 3},
}
FULL: dict[str, Any] = {
    **SEVERAL,
    "image": {"registry": "registry.example.com/team", "tag": "1.2.3", "pullSecrets": ["registry"]},
    "commonLabels": {"team": "voice"},
    "admin": {"existingSecret": {"name": "admin", "key": "token"}},
    "links": {"existingSecret": {"name": "links", "key": "secret"}},
    "tls": {
        "enabled": True,
        "certManager": {"enabled": True, "issuerRef": {"name": "internal", "kind": "ClusterIssuer"}},
    },
    "externalSecrets": {
        "enabled": True,
        "secretStoreRef": {"name": "vault", "kind": "ClusterSecretStore"},
        "secrets": [{"name": "links", "data": [{"secretKey": "secret", "remoteRef": {"key": "switchhook/links"}}]}],
    },
    "config": {
        "monitor": {"idle_interval": "20s"},
        "dispatcher": {"timeout": "10s", "concurrency": 100, "jitter": 0.1, "operator_endpoint": "desk"},
        "recorder": {"bitrate": 48, "retention": "30d"},
        "fileserver": {"public_url": "https://recordings.example.com"},
        "telemetry": {"otlp_endpoint": "http://collector.monitoring:4317", "log_level": "debug"},
    },
    "dispatcher": {
        "keda": {"enabled": True},
        "priorityClassName": "high",
        "nodeSelector": {"kubernetes.io/arch": "amd64"},
        "tolerations": [{"key": "voice", "operator": "Exists"}],
        "podAnnotations": {"example.com/owner": "voice"},
        "extraEnv": [{"name": "SWITCHHOOK_DISPATCHER__HOLD", "value": "5m"}],
    },
    "recorder": {"keda": {"enabled": True}, "extraVolumes": [{"name": "more", "emptyDir": {}}]},
    "monitor": {"autoscaling": {"enabled": True}},
    "fileserver": {"autoscaling": {"enabled": True}, "service": {"type": "LoadBalancer"}},
    "ingress": {"enabled": True, "className": "nginx", "host": "recordings.example.com", "tlsSecret": "recordings-tls"},
    "httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}], "hostnames": ["recordings.example.com"]},
    "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "prometheusRule": {"enabled": True, "runbookUrl": "https://runbooks.example.com/"},
    "dashboards": {"enabled": True},
    "extraObjects": [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-more"}, "data": {"a": "b"}}
    ],
}
RESTRICTED: dict[str, Any] = {
    **SEVERAL,
    "networkPolicy": {
        "pbx": {"cidrs": ["198.51.100.7/32"], "ports": [443]},
        "endpoints": {"cidrs": ["203.0.113.0/24"], "ports": [443]},
        "database": {"port": 5432, "to": [{"podSelector": {"matchLabels": {"app": "postgres"}}}]},
        "metricsFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
        "linksFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}],
    },
}

BUCKET: dict[str, Any] = {
    **SEVERAL,
    "storage": {
        "existingSecret": {"name": "bucket", "keys": {"access_key": "id", "secret_key": "secret"}},
        "encryption": {"existingSecret": "recordings-keys", "ids": ["2025", "2026"], "current": "2026"},
    },
    "links": {"oldSecrets": [{"name": "links", "key": "old"}]},
    "recorder": {"replicas": 2},
    "config": {
        "storage": {"url": "s3://recordings/switchhook", "endpoint": "https://minio.example.com:9000"},
        "recorder": {"quota": "200GB", "retention_by_direction": {"outbound": "30d"}, "verify_links": False},
        "fileserver": {"public_url": "https://recordings.example.com"},
    },
}

MATRIX: dict[str, dict[str, Any]] = {
    "default": {},
    "embedded": EMBEDDED,
    "minimal": MINIMAL,
    "sqlite": SQLITE,
    "several": SEVERAL,
    "full": FULL,
    "restricted": RESTRICTED,
    "bucket": BUCKET,
}

"""Settings: the configuration of a process as immutable models, read from one TOML file and the environment.

Every key is checked before anything starts and every problem is said at once. `link_key` has a module of its own.
"""

from switchhook.settings.addresses import TcpAddress, is_loopback_host, parse_tcp
from switchhook.settings.durations import format_duration, parse_duration, parse_moment
from switchhook.settings.load import load_settings
from switchhook.settings.masked import mask_address, masked
from switchhook.settings.recordings import RecorderSettings, StorageSettings
from switchhook.settings.risks import risks
from switchhook.settings.sections import (
    DEADLINES,
    AdminSettings,
    DatabaseSettings,
    DispatcherSettings,
    MonitorSettings,
    RpcSettings,
    Settings,
    TelemetrySettings,
)
from switchhook.settings.serving import FileserverSettings
from switchhook.settings.sources import EndpointSettings, EventName, PbxSettings

__all__ = [
    "DEADLINES",
    "AdminSettings",
    "DatabaseSettings",
    "DispatcherSettings",
    "EndpointSettings",
    "EventName",
    "FileserverSettings",
    "MonitorSettings",
    "PbxSettings",
    "RecorderSettings",
    "RpcSettings",
    "Settings",
    "StorageSettings",
    "TcpAddress",
    "TelemetrySettings",
    "format_duration",
    "is_loopback_host",
    "load_settings",
    "mask_address",
    "masked",
    "parse_duration",
    "parse_moment",
    "parse_tcp",
    "risks",
]

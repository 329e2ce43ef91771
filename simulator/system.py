"""The SystemStatus object of XAPI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.numbering import DnKind

if TYPE_CHECKING:
    from simulator.exchange import Exchange
    from simulator.options import SimulatorOptions
    from simulator.recordings import Recordings
    from simulator.wire import Row

_QUOTA = 10 * 2**30
_SIMULTANEOUS_CALLS = 1024


def system_status(exchange: Exchange, recordings: Recordings, options: SimulatorOptions, *, is_full: bool) -> Row:
    """`is_full`: the quota of recordings is reached, and there will be no more."""
    extensions = len(exchange.directory.of_kind(DnKind.EXTENSION))
    trunks = len(exchange.directory.trunks)
    return {
        "Id": 0,
        "Version": options.version,
        "FQDN": options.fqdn,
        "OS": "Linux",
        "Activated": True,
        "LicenseActive": True,
        "ProductCode": "3CXPSPROFENTSPLA",
        "MaxSimCalls": _SIMULTANEOUS_CALLS,
        "CallsActive": len(exchange.calls),
        "ExtensionsRegistered": extensions,
        "ExtensionsTotal": extensions,
        "UserExtensions": extensions,
        "TrunksRegistered": trunks,
        "TrunksTotal": trunks,
        "RecordingStopped": is_full,
        "RecordingQuotaReached": is_full,
        "RecordingUsedSpace": len(recordings.by_id) * 2**20,
        "RecordingQuota": _QUOTA,
        "HasNotRunningServices": False,
    }

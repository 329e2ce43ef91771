"""What a simulated PBX can be told before it starts; everything has a default that gives a quiet, honest PBX.

Behaviour that can be switched while it runs (faults, rights) lives in simulator.faults.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorOptions:
    """Settings of one simulated PBX."""

    host: str = "127.0.0.1"
    port: int = 0
    """0: a free one is chosen; read it from Simulator.url."""
    control_port: int = 0
    """Always on 127.0.0.1; 0: a free one is chosen."""

    client_id: str = "switchhook"
    client_secret: str = "secret"  # noqa: S105 - of a simulated PBX
    token_lifetime: timedelta = timedelta(hours=1)
    expires_in_minutes: bool = False
    """True: the form of PBXs before 20.0.9, `expires_in` counts minutes."""

    fqdn: str = "pbx.example.com"
    version: str = "20.0.10.1"
    timezone: str = "UTC"
    """Of the PBX's own clock: recording files are named in it. Every interface tells UTC."""
    clock_ahead: timedelta = timedelta()
    """How far the PBX's clock is ahead of the real one, in everything that it tells."""
    extensions: int = 0
    """How many extensions 1000, 1001, ... exist besides the fixed ones."""
    monitored: tuple[str, ...] | None = None
    """The DNs that the API client may see; None: all extensions, queues and IVRs."""
    first_call_number: int = 1

    speed: float = 1.0
    """Divides every wait of every scenario; a play can have its own."""
    variants: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    seed: int = 0
    calls_per_second: float = 0.0
    """Random traffic; 0: none."""
    concurrent: int = 100
    """Random traffic never has more live calls than this."""

    recording_delay: timedelta = timedelta(milliseconds=300)
    """From the end of the whole call to the row in Recordings; divided by the speed."""
    recordings_dir: Path | None = None
    """None: the sound is made when it is downloaded, and nothing is stored."""
    codec: str = ""
    """One of simulator.sound.Codec for every recording; empty: a mixture, most PCM."""

    answer_after: timedelta = timedelta(seconds=1)
    """When the outside party answers a call that software started."""
    auto_answer: timedelta | None = None
    """When an extension that software called answers by itself; None: it rings until `answer` or the timeout."""
    talk_limit: timedelta = timedelta(seconds=60)
    """A call that software controls is ended by the other side after so long."""
    no_answer_suffix: str = "0"
    busy_suffix: str = "9"

    tls: bool = False
    certificate: Path | None = None
    """PEM. With tls and none given, one is made for localhost and written beside `certificate_dir`."""
    private_key: Path | None = None
    certificate_dir: Path | None = None
    socket_message_limit: int = 64 * 1024
    """Larger answers over the websocket are refused (413): snapshots belong on HTTP."""

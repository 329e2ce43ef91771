"""How the services of one process find each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from services.registry import ServiceName, socket_path, wire
from switchhook.errors import ConfigError
from switchhook.settings import DispatcherSettings, MonitorSettings, PbxSettings, RecorderSettings, Settings

if TYPE_CHECKING:
    from pathlib import Path

PBX = PbxSettings(name="main", url="https://pbx.example.com", client_id="x")
ALL = list(ServiceName)


def test_all_in_one_process_speak_over_private_sockets(tmp_path: Path) -> None:
    wiring = wire(Settings(data_dir=tmp_path, pbx=(PBX,)), ALL)
    dispatcher, recorder = f"unix:{tmp_path}/dispatcher.sock", f"unix:{tmp_path}/recorder.sock"
    assert (wiring.dispatcher_listen, wiring.recorder_listen) == (dispatcher, recorder)
    assert wiring.monitor_sinks == (dispatcher, recorder)
    assert wiring.recorder_sinks == (dispatcher,)


def test_a_dispatcher_that_a_recorder_elsewhere_must_reach_keeps_its_address(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, pbx=(PBX,), dispatcher=DispatcherSettings(listen=":50051"))
    wiring = wire(settings, [ServiceName.MONITOR, ServiceName.DISPATCHER])
    assert wiring.dispatcher_listen == ":50051"
    assert wiring.monitor_sinks == ("127.0.0.1:50051",)


def test_configured_sinks_are_kept(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path,
        pbx=(PBX,),
        monitor=MonitorSettings(sinks=("dispatcher:50051", "recorder:50051")),
        recorder=RecorderSettings(sinks=("dispatcher:50051",)),
    )
    wiring = wire(settings, ALL)
    assert wiring.monitor_sinks == ("dispatcher:50051", "recorder:50051")
    assert wiring.recorder_sinks == ("dispatcher:50051",)
    assert wiring.dispatcher_listen == "127.0.0.1:50051"


def test_a_service_alone_must_know_its_sinks(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        wire(Settings(data_dir=tmp_path), [ServiceName.MONITOR])
    assert [problem.partition(":")[0] for problem in refused.value.problems] == ["pbx", "monitor.sinks"]
    with pytest.raises(ConfigError, match=r"recorder\.sinks: name the dispatcher"):
        wire(Settings(data_dir=tmp_path), [ServiceName.RECORDER])


def test_the_fileserver_alone_needs_nothing(tmp_path: Path) -> None:
    assert wire(Settings(data_dir=tmp_path), [ServiceName.FILESERVER]).monitor_sinks == ()


def test_a_dispatcher_that_nobody_here_needs_may_take_any_port(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, dispatcher=DispatcherSettings(listen=":0"))
    assert wire(settings, [ServiceName.DISPATCHER]).dispatcher_listen == ":0"


def test_a_port_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, pbx=(PBX,), dispatcher=DispatcherSettings(listen=":0"))
    with pytest.raises(ConfigError, match=r"dispatcher\.listen: needs a port"):
        wire(settings, [ServiceName.MONITOR, ServiceName.DISPATCHER])


def test_a_path_too_long_for_a_socket_gets_a_private_folder_that_stays_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    long = tmp_path / ("d" * 100)
    path = socket_path(long, "dispatcher")
    assert path == socket_path(long, "dispatcher")
    assert path.parent.parent == tmp_path
    assert path.parent.stat().st_mode & 0o077 == 0
    path.parent.chmod(0o755)
    with pytest.raises(ConfigError, match="belongs to somebody else"):
        socket_path(long, "dispatcher")

"""Environment variables over the file."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from switchhook.settings import load_settings
from tests.unit.settings.configuration import ENDPOINT, PBX, load, problems


def test_a_variable_overrides_a_key(tmp_path: Path) -> None:
    settings = load(tmp_path, "[dispatcher]\ntimeout = '5s'", {"SWITCHHOOK_DISPATCHER__TIMEOUT": "10s"})
    assert settings.dispatcher.timeout == timedelta(seconds=10)


def test_top_level_numbers_flags_and_lists_can_be_overridden(tmp_path: Path) -> None:
    environ = {
        "SWITCHHOOK_DATA_DIR": "/srv/switchhook",
        "SWITCHHOOK_DISPATCHER__CONCURRENCY": "7",
        "SWITCHHOOK_TELEMETRY__LOG_NUMBERS": "true",
        "SWITCHHOOK_DISPATCHER__RETRY_SCHEDULE": "1s, 2s",
        "SWITCHHOOK_MONITOR__SINKS": '["dispatcher:50051", "recorder:50051"]',
    }
    settings = load(tmp_path, "", environ)
    assert settings.data_dir == Path("/srv/switchhook")
    assert settings.dispatcher.concurrency == 7
    assert settings.telemetry.log_numbers is True
    assert settings.dispatcher.retry_schedule == (timedelta(seconds=1), timedelta(seconds=2))
    assert settings.monitor.sinks == ("dispatcher:50051", "recorder:50051")


@pytest.mark.parametrize("step", ["0", "MY_PBX"])
def test_an_entry_is_chosen_by_number_or_by_name(tmp_path: Path, step: str) -> None:
    text = PBX.replace('"main"', '"my-pbx"')
    settings = load(tmp_path, text, {f"SWITCHHOOK_PBX__{step}__CLIENT_SECRET": "other"})
    assert settings.pbx[0].client_secret.get_secret_value() == "other"


def test_the_environment_alone_can_be_the_whole_configuration() -> None:
    environ = {
        f"SWITCHHOOK_PBX__{place}__{key}": value
        for place in range(11)
        for key, value in {
            "NAME": f"pbx-{place}",
            "URL": f"https://pbx-{place}.example.com",
            "CLIENT_ID": "switchhook",
            "CLIENT_SECRET": "x",
        }.items()
    }
    settings = load_settings(None, environ)
    assert [pbx.name for pbx in settings.pbx] == [f"pbx-{place}" for place in range(11)]


def test_a_secret_replaces_the_file_that_the_configuration_names(tmp_path: Path) -> None:
    text = PBX.replace('client_secret = "pbx-secret"', 'client_secret_file = "nowhere"')
    settings = load(tmp_path, text, {"SWITCHHOOK_PBX__MAIN__CLIENT_SECRET": "direct"})
    assert settings.pbx[0].client_secret.get_secret_value() == "direct"
    assert settings.pbx[0].client_secret_file is None


def test_one_header_can_be_set(tmp_path: Path) -> None:
    text = ENDPOINT + 'headers = { Authorization = "Bearer old" }'
    settings = load(tmp_path, text, {"SWITCHHOOK_ENDPOINT__CRM__HEADERS__AUTHORIZATION": "Bearer new"})
    assert settings.endpoint[0].headers["Authorization"].get_secret_value() == "Bearer new"


@pytest.mark.parametrize(
    ("variable", "problem"),
    [
        (
            "SWITCHHOOK_DISPATCHER_TIMEOUT",
            "SWITCHHOOK_DISPATCHER_TIMEOUT: unknown variable (did you mean SWITCHHOOK_DISPATCHER__TIMEOUT?)",
        ),
        (
            "SWITCHHOOK_PBX__0__CLIENT_SECRT",
            "SWITCHHOOK_PBX__0__CLIENT_SECRT: unknown variable (did you mean SWITCHHOOK_PBX__0__CLIENT_SECRET?)",
        ),
        ("SWITCHHOOK_NONSENSE", "SWITCHHOOK_NONSENSE: unknown variable: no key has this name"),
        (
            "SWITCHHOOK_PBX__OTHER__URL",
            "SWITCHHOOK_PBX__OTHER__URL: no [[pbx]] is named other: use its name, or its number from 0",
        ),
        (
            "SWITCHHOOK_PBX__5__URL",
            "SWITCHHOOK_PBX__5__URL: there are only 1 [[pbx]] entries: the next is number 1",
        ),
    ],
)
def test_a_variable_that_means_nothing_is_a_problem(tmp_path: Path, variable: str, problem: str) -> None:
    assert problems(tmp_path, PBX, {variable: "x"}) == [problem]


def test_a_wrong_value_names_the_variable(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "", {"SWITCHHOOK_DISPATCHER__HOLD": "long"})
    assert problem.startswith("dispatcher.hold (SWITCHHOOK_DISPATCHER__HOLD): must be a duration")


def test_variables_that_kubernetes_sets_for_a_service_are_left_alone(tmp_path: Path) -> None:
    environ = {
        "SWITCHHOOK_PORT": "tcp://10.0.0.1:9464",
        "SWITCHHOOK_SERVICE_HOST": "10.0.0.1",
        "SWITCHHOOK_DISPATCHER_SERVICE_PORT_GRPC": "50051",
        "SWITCHHOOK_DISPATCHER_PORT_50051_TCP_ADDR": "10.0.0.1",
        "SWITCHHOOK_CONFIG": "/etc/switchhook.toml",
        "OTHER_VARIABLE": "x",
    }
    assert load(tmp_path, "", environ).pbx == ()

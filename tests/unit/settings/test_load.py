"""Loading: defaults, paths, secrets in files, and every problem at once."""

from __future__ import annotations

from datetime import time, timedelta
from pathlib import Path

import pytest

from services.dispatcher.formats.titles import Title
from switchhook.errors import ConfigError
from switchhook.settings import load_settings, masked
from switchhook.settings.sources import TITLE_NAMES
from tests.unit.settings.configuration import ENDPOINT, PBX, load, problems


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    settings = load(tmp_path, "")
    assert settings.data_dir == Path("/var/lib/switchhook")
    assert settings.dispatcher.timeout == timedelta(seconds=15)
    assert settings.dispatcher.retry_schedule[-1] == timedelta(hours=24)
    assert settings.recorder.purge_at == time(3, 0)
    assert settings.pbx == ()


def test_keys_become_attributes(tmp_path: Path) -> None:
    settings = load(tmp_path, PBX + ENDPOINT + 'users = ["102"]\nretry_schedule = ["1s", "2m"]\n')
    assert settings.pbx[0].url == "https://pbx.example.com"
    assert settings.pbx[0].client_secret.get_secret_value() == "pbx-secret"
    assert settings.endpoint[0].users == ("102",)
    assert settings.endpoint[0].retry_schedule == (timedelta(seconds=1), timedelta(minutes=2))
    assert settings.endpoint[0].events is None


def test_relative_paths_start_at_the_folder_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from the file\n")
    text = 'data_dir = "var"\n' + PBX.replace('client_secret = "pbx-secret"', 'client_secret_file = "secret"')
    settings = load(tmp_path, text)
    assert settings.data_dir == tmp_path / "var"
    assert settings.storage_root == tmp_path / "var" / "recordings"
    assert settings.pbx[0].client_secret.get_secret_value() == "from the file"


def test_recordings_may_have_a_folder_of_their_own(tmp_path: Path) -> None:
    settings = load(tmp_path, '[storage]\nurl = "file:///srv/my%20calls"')
    assert settings.storage_root == Path("/srv/my calls")


def test_a_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    assert load(tmp_path, "\ufeff" + PBX).pbx[0].name == "main"


def test_all_problems_are_said_at_once(tmp_path: Path) -> None:
    text = (
        'dat_dir = "x"\n'
        + PBX.replace("https:", "ftp:")
        + ENDPOINT.replace("post", "xml")
        + "[dispatcher]\ntimeout = 5"
    )
    assert problems(tmp_path, text) == [
        "dat_dir: unknown key (did you mean data_dir?)",
        "pbx[0].url: must be http or https, such as https://crm.example.com/hooks",
        'endpoint[0].format: must be "get", "post", "standard", "cloudevents" or "template"',
        'dispatcher.timeout: must be a duration in quotes, a number with ms, s, m, h or d, such as "5s"',
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[dispatcher]\ntimeuot = '5s'", "dispatcher.timeuot: unknown key (did you mean timeout?)"),
        ("[dispatcher]\nconcurrency = 0", "dispatcher.concurrency: must be at least 1"),
        ("[dispatcher]\nconcurrency = 'many'", "dispatcher.concurrency: must be a whole number"),
        ("[monitor]\nproof_interval = '90m'", "monitor.proof_interval: must be at most 1h"),
        ("[dispatcher]\nretry_schedule = ['5s', '0s']", "dispatcher.retry_schedule[1]: must be longer than 0s"),
        ("[dispatcher]\nretry_schedule = '5s'", 'dispatcher.retry_schedule: must be a list, such as ["a", "b"]'),
        ("dispatcher = 5", "dispatcher: must be a table: write [dispatcher]"),
        ("[pbx]\nname = 'main'", "pbx: must be a list of tables: write [[pbx]], with two brackets"),
        (
            "[admin]\nlisten = '9464'",
            'admin.listen: must be "host:port" or ":port", such as "127.0.0.1:9464" (not "9464")',
        ),
        (
            "[fileserver]\npublic_url = 'pbx.example.com'",
            "fileserver.public_url: must be http or https, such as https://crm.example.com/hooks",
        ),
        (
            "[fileserver]\npublic_url = 'https://x/?a=b'",
            "fileserver.public_url: must be a plain address without ?query, #fragment or user name",
        ),
        ("[fileserver]\nlink_secret = 'short'", "fileserver.link_secret: must have at least 16 characters"),
        ("[recorder]\npurge_at = '25:00'", 'recorder.purge_at: must be a time of day such as "03:00"'),
        (
            PBX + "timezone = 'Mars/Base'",
            'pbx[0].timezone: is no known time zone: write it like "Europe/Prague" (not "Mars/Base")',
        ),
        (
            PBX + PBX.replace('"main"', '"other"'),
            "pbx[1].client_id: is used by pbx[0] for the same PBX: watch it once",
        ),
        (
            PBX + PBX.replace("pbx.example", "two.example"),
            'pbx[1].name: "main" is the name of pbx[0] already: choose another',
        ),
        (ENDPOINT + ENDPOINT, 'endpoint[1].name: "crm" is the name of endpoint[0] already: choose another'),
        (
            PBX + ENDPOINT + "pbx = ['mian']",
            'endpoint[0].pbx[0]: "mian" is an unknown PBX (did you mean main?)',
        ),
        (
            ENDPOINT + "titles = { answered = 'x' }",
            'endpoint[0].titles: only the formats "get" and "template" have titles: remove them',
        ),
        (ENDPOINT + "events = []", "endpoint[0].events: must not be empty"),
        (ENDPOINT + "users = [102]", "endpoint[0].users[0]: must be a text in quotes"),
        (
            ENDPOINT + 'headers = { Host = "x" }',
            'endpoint[0].headers: "Host" is set by the HTTP client itself: remove it',
        ),
        (
            PBX.replace("client_secret =", "# client_secret ="),
            "pbx[0].client_secret: is missing: give client_secret or client_secret_file",
        ),
        (
            '[database]\nurl = "mysql://db/switchhook"',
            'database.url: must be "sqlite:" (one file per service in data_dir) or "postgresql://…"',
        ),
        (
            '[database]\nurl = "postgresql://db"',
            'database.url: must be like "postgresql://user:password@host:5432/database"',
        ),
    ],
)
def test_a_problem_is_a_path_and_a_sentence(tmp_path: Path, text: str, problem: str) -> None:
    assert problems(tmp_path, text) == [problem]


def test_a_secret_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    text = PBX.replace('client_secret = "pbx-secret"', 'client_secret_file = "nowhere"')
    missing = tmp_path / "nowhere"
    assert problems(tmp_path, text) == [f"pbx[0].client_secret_file: cannot read {missing}: No such file or directory"]


def test_a_secret_is_given_once(tmp_path: Path) -> None:
    text = PBX + 'client_secret_file = "secret"'
    assert problems(tmp_path, text) == [
        "pbx[0].client_secret: is given twice: remove client_secret or client_secret_file"
    ]


def test_the_certificate_needs_its_key_and_an_https_address(tmp_path: Path) -> None:
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).write_text("pem")
    assert problems(tmp_path, "[fileserver]\ntls_cert = 'tls.crt'") == [
        "fileserver.tls_key: is missing: tls_cert and tls_key go together"
    ]
    assert problems(tmp_path, "[fileserver]\ntls_cert = 'tls.crt'\ntls_key = 'tls.key'") == [
        "fileserver.public_url: must be https, because tls_cert makes the file server speak https"
    ]


def test_the_second_api_client_is_whole_and_another(tmp_path: Path) -> None:
    text = PBX + 'recorder_client_id = "switchhook"'
    assert problems(tmp_path, text) == [
        "pbx[0].recorder_client_secret: is missing: recorder_client_id and recorder_client_secret go together",
        "pbx[0].recorder_client_id: must be another API client than client_id, or be left out",
    ]


def test_a_syntax_error_has_its_line_and_column(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, '[admin]\nlisten = "unfinished\n')
    assert problem.startswith(f"{tmp_path / 'switchhook.toml'}, line 2, column ")


def test_a_file_that_is_not_there_is_one_problem(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_settings(tmp_path / "none.toml", {})


def test_the_titles_are_those_that_the_dispatcher_knows() -> None:
    assert set(TITLE_NAMES) == set(Title)


def test_the_database_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "database").write_text("postgresql://me:hush@db/switchhook\n")
    settings = load(tmp_path, '[database]\nurl_file = "database"')
    assert settings.database.url == "postgresql://me:hush@db/switchhook"
    assert "hush" not in masked(settings)

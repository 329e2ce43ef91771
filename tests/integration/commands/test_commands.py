"""Commands that end by themselves: what they print, where, and with which exit code."""

from __future__ import annotations

import socket
import sqlite3
import tomllib
from typing import TYPE_CHECKING

import pytest

import switchhook as package
from tests.integration.commands.command import switchhook

if TYPE_CHECKING:
    from pathlib import Path

VALID = """
data_dir = "var"
[admin]
listen = "127.0.0.1:0"
[[pbx]]
name = "main"
url = "https://pbx.example.com"
client_id = "switchhook"
client_secret = "very-secret-words"
[[endpoint]]
name = "crm"
url = "https://crm.example.com/hooks"
format = "post"
[fileserver]
listen = "127.0.0.1:0"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a valid configuration."""
    (tmp_path / "switchhook.toml").write_text(VALID)
    return tmp_path


def test_version_names_the_version(tmp_path: Path) -> None:
    answer = switchhook(tmp_path, "version")
    assert answer.code == 0
    assert answer.out.startswith(f"switchhook {package.__version__} ")


@pytest.mark.parametrize("command", ["run", "check", "migrate"])
def test_without_a_configuration_one_line_says_what_to_do(tmp_path: Path, command: str) -> None:
    answer = switchhook(tmp_path, command)
    assert answer.code == 2
    assert answer.out == ""
    (line,) = answer.err.splitlines()
    assert "switchhook.example.toml" in line
    assert "switchhook demo" in line


def test_check_prints_the_configuration_without_its_secrets(folder: Path) -> None:
    answer = switchhook(folder, "check", environ={"SWITCHHOOK_DISPATCHER__TIMEOUT": "9s"})
    assert answer.code == 0
    shown = tomllib.loads(answer.out)
    assert shown["dispatcher"]["timeout"] == "9s"
    assert shown["data_dir"] == str(folder / "var")
    assert "very-secret-words" not in answer.out + answer.err
    assert "warning: fileserver.public_url: " in answer.err


def test_check_says_all_problems_at_once(folder: Path) -> None:
    path = folder / "switchhook.toml"
    path.write_text(VALID.replace("https://pbx", "ftp://pbx") + 'lisen = ":1"\n')
    answer = switchhook(folder, "check")
    assert answer.code == 2
    assert answer.out == ""
    assert answer.err.splitlines() == [
        "pbx[0].url: must be http or https, such as https://crm.example.com/hooks",
        "fileserver.lisen: unknown key (did you mean listen?)",
    ]


def test_check_warns_of_an_endpoint_that_nothing_will_be_sent_to(folder: Path) -> None:
    path = folder / "switchhook.toml"
    path.write_text(VALID.replace("crm.example.com", "192.168.1.20"))
    answer = switchhook(folder, "check")
    assert answer.code == 0
    assert (
        "warning: endpoint crm: 192.168.1.20 is a private address: "
        'allow it with allow_private = ["192.168.1.20/32"]\n' in answer.err
    )


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_certificate_that_cannot_be_used_is_a_problem_of_the_configuration(folder: Path, command: str) -> None:
    (folder / "crm-ca.pem").write_text("no certificate")
    path = folder / "switchhook.toml"
    path.write_text(VALID.replace('format = "post"', 'format = "post"\nca_file = "crm-ca.pem"'))
    answer = switchhook(folder, command)
    assert answer.code == 2
    assert f"endpoint crm: ca_file {folder}/crm-ca.pem cannot be used: it must hold PEM certificates" in answer.err


@pytest.mark.parametrize("place", ["before", "after"])
def test_the_configuration_file_can_be_named_before_and_after_the_command(folder: Path, place: str) -> None:
    (folder / "switchhook.toml").rename(folder / "other.toml")
    option = ("--config", "other.toml")
    arguments = (*option, "check") if place == "before" else ("check", *option)
    assert switchhook(folder, *arguments).code == 0
    assert switchhook(folder, "check", environ={"SWITCHHOOK_CONFIG": "other.toml"}).code == 0


def test_a_command_that_does_not_exist_is_a_usage_error(tmp_path: Path) -> None:
    assert switchhook(tmp_path, "rnu").code == 2
    assert switchhook(tmp_path, "run", "montor").code == 2


def test_import_ini_makes_a_configuration_that_check_accepts(tmp_path: Path) -> None:
    ini = tmp_path / "WebhooksApi.ini"
    ini.write_bytes(
        b"\xef\xbb\xbf[Main]\r\nWEBHOOK_POST_ENABLED = true\r\nWEBHOOK_URL = https://crm.example.com/x\r\nA=1\r\n"
    )
    answer = switchhook(tmp_path, "import-ini", ini.name)
    assert answer.code == 0
    assert answer.err == "WebhooksApi.ini: unknown key A: it is listed at the end, and not taken over\n"
    (tmp_path / "switchhook.toml").write_text(answer.out)
    assert switchhook(tmp_path, "check").code == 0


def test_import_ini_writes_a_file_but_never_over_one(tmp_path: Path) -> None:
    (tmp_path / "old.ini").write_text("WEBHOOK_URL=https://crm.example.com/\n")
    assert switchhook(tmp_path, "import-ini", "old.ini", "--output", "switchhook.toml").code == 0
    written = (tmp_path / "switchhook.toml").read_text()
    again = switchhook(tmp_path, "import-ini", "old.ini", "--output", "switchhook.toml")
    assert again.code == 1
    assert "is there already" in again.err
    assert (tmp_path / "switchhook.toml").read_text() == written


def test_import_ini_names_a_file_that_is_not_there(tmp_path: Path) -> None:
    answer = switchhook(tmp_path, "import-ini", "none.ini")
    assert (answer.code, answer.err) == (1, "none.ini: cannot be read or written (No such file or directory)\n")


def test_simulate_passes_its_arguments_on(tmp_path: Path) -> None:
    answer = switchhook(tmp_path, "simulate", "--help")
    assert answer.code == 0
    assert "--calls-per-second" in answer.out


def test_migrate_says_what_it_applied(folder: Path) -> None:
    first, second = switchhook(folder, "migrate"), switchhook(folder, "migrate")
    assert (first.code, second.code) == (0, 0)
    lines = first.out.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["monitor", "dispatcher", "recorder", "fileserver"]
    assert all("applied" in line for line in lines[:3])
    assert "outbox/0000_outbox" in lines[0]
    assert second.out.splitlines()[:3] == [f"{name}: up to date" for name in ("monitor", "dispatcher", "recorder")]


def test_migrate_refuses_the_database_from_which_a_newer_version_took_something(folder: Path) -> None:
    switchhook(folder, "migrate", "dispatcher")
    with sqlite3.connect(folder / "var" / "dispatcher.sqlite3") as connection:
        connection.execute("INSERT INTO schema_migrations VALUES ('dispatcher', 9999, 'contract_it', '', '')")
    connection.close()
    answer = switchhook(folder, "migrate", "dispatcher")
    assert answer.code == 1
    assert "newer version" in answer.err
    assert "Traceback" not in answer.err


def test_a_port_in_use_is_one_sentence(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        answer = switchhook(folder, "run", "fileserver", environ={"SWITCHHOOK_ADMIN__LISTEN": listen})
    assert answer.code == 1
    assert answer.err.startswith(f"admin.listen {listen}: ")
    assert len(answer.err.splitlines()) == 1


def test_a_data_dir_that_cannot_be_written_is_one_sentence(folder: Path) -> None:
    (folder / "var").write_text("a file where a folder should be")
    answer = switchhook(folder, "run", "fileserver")
    assert answer.code == 1
    assert answer.err == f"data_dir: {folder / 'var'} cannot be made (File exists): choose another\n"


def test_a_service_that_would_publish_to_nobody_is_a_configuration_problem(folder: Path) -> None:
    answer = switchhook(folder, "run", "monitor")
    assert answer.code == 2
    assert answer.err.splitlines()[-1].startswith("monitor.sinks: name the other services")

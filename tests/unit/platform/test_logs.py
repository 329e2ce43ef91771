"""Logs: one line each, facts as they were given, secrets and numbers not."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchhook.telemetry import configure_logging, mask
from switchhook.telemetry.redaction import is_harmless, redacted, redacted_value

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

log = logging.getLogger("switchhook.test")


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logging("json", "info", False, stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)


def written(stream: io.StringIO) -> str:
    for handler in logging.getLogger().handlers:
        handler.flush()
    return stream.getvalue()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written(stream).splitlines()]


def test_a_line_is_an_object_with_the_facts_beside_the_event(stream: io.StringIO) -> None:
    log.info("delivery.attempted", extra={"endpoint": "crm", "status": 200, "tags": ("a", "b"), "nothing": None})
    [line] = lines(stream)
    time = line.pop("time")
    assert len(time) == len("2026-03-01T09:00:00.000Z")
    assert line == {
        "level": "info",
        "event": "delivery.attempted",
        "logger": "switchhook.test",
        "endpoint": "crm",
        "status": 200,
        "tags": ["a", "b"],
        "nothing": None,
    }


def test_what_is_below_the_level_is_not_written(stream: io.StringIO) -> None:
    log.debug("call.looked_at")
    assert lines(stream) == []


def test_an_error_comes_with_its_traceback_on_the_same_line(stream: io.StringIO) -> None:
    error = LookupError("at https://h/x?sig=abc&to=1")
    log.error("call.failed", exc_info=error)
    [line] = lines(stream)
    assert "LookupError: at https://h/x?sig=***&to=1" in line["traceback"]


def test_a_fact_cannot_take_the_place_of_what_every_line_has(stream: io.StringIO) -> None:
    log.info("call.ended", extra={"event": "main-1-1", "level": 3})
    [line] = lines(stream)
    assert (line["event"], line["event_"], line["level"], line["level_"]) == ("call.ended", "main-1-1", "info", 3)


@pytest.mark.parametrize("value", [2**80, float("nan"), "\ud800", b"\xff", object(), {1: {2: {3}}}, ValueError("x")])
def test_every_value_gets_onto_a_line(stream: io.StringIO, value: object) -> None:
    log.info("odd", extra={"value": value})
    assert len(lines(stream)) == 1


@pytest.mark.parametrize(
    "extra",
    [
        {"client_secret": "hush"},
        {"Authorization": "hush"},
        {"access_token": "hush"},
        {"headers": {"authorization": "Bearer hush", "X-Api-Key": "hush"}},
        {"url": "https://crm/hook?sig=hush&access_token=hush"},
        {"url": "https://crm/hook?x=1&access_token=hush#end"},
        {"text": "sent 'Authorization: Bearer hush' there"},
        {"text": '{"access_token": "hush", "expires_in": 60}'},
        {"text": "client_id=a&client_secret=hush&grant_type=b"},
        {"error": ValueError("https://h/?sig=hush")},
        {"list": [{"password": "hush"}]},
    ],
)
@pytest.mark.parametrize("format_", ["json", "console"])
def test_no_secret_reaches_a_line(stream: io.StringIO, extra: dict[str, object], format_: Any) -> None:
    configure_logging(format_, "info", True, stream)
    log.info("said", extra=extra)
    assert "said" in written(stream)
    assert "hush" not in written(stream)
    assert "***" in written(stream)


def test_a_secret_in_the_event_itself_is_hidden(stream: io.StringIO) -> None:
    log.warning("GET %s", "/x?access_token=hush")
    assert lines(stream)[0]["event"] == "GET /x?access_token=***"


@pytest.mark.parametrize(("numbers", "shown"), [(False, "*********456"), (True, "420777123456")])
def test_numbers_are_masked_unless_the_configuration_says_otherwise(
    stream: io.StringIO, numbers: bool, shown: str
) -> None:
    configure_logging("json", "info", numbers, stream)
    log.info("call.ended", extra={"number": "420777123456", "user": "100"})
    [line] = lines(stream)
    assert (line["number"], line["user"]) == (shown, "100")


def test_the_console_shows_the_same_facts(stream: io.StringIO) -> None:
    configure_logging("console", "info", False, stream)
    log.warning("publish.lost", extra={"sink": "dispatcher:50051"})
    assert written(stream).endswith(" WARNING publish.lost sink=dispatcher:50051\n")


@pytest.mark.parametrize(("number", "masked"), [("420777123456", "*********456"), ("100", "100"), ("", "")])
def test_a_masked_number_keeps_its_last_three_digits(number: str, masked: str) -> None:
    assert mask(number) == masked


@given(st.text())
def test_masking_twice_is_masking_once(number: str) -> None:
    assert mask(mask(number)) == mask(number)
    assert len(mask(number)) == len(number)


@given(st.text(alphabet="abcdefgh=&?/ .:", max_size=60))
def test_harmless_text_is_left_alone(text: str) -> None:
    assert redacted(text) == text


FACTS = st.dictionaries(
    st.sampled_from(["user", "did", "text", "caller", "x-api-key", "Token", "url", "outside_number"]),
    st.text(alphabet='sSiIgG=tToken\u017fecret&?"/: bBearpassword', max_size=40) | st.integers() | st.none(),
    max_size=4,
)


@given(FACTS)
def test_what_is_taken_for_harmless_is_not_changed_by_redaction(facts: dict[str, object]) -> None:
    if is_harmless(json.dumps(facts, ensure_ascii=False)):
        assert {key: redacted_value(key, value, numbers=False) for key, value in facts.items()} == facts


def test_lines_are_written_together_soon_after_they_are_logged(stream: io.StringIO) -> None:
    log.info("one")
    assert stream.getvalue() == ""
    log.info("two")
    deadline = time.monotonic() + 10
    while not stream.getvalue() and time.monotonic() < deadline:
        time.sleep(0.001)
    assert [line["event"] for line in lines(stream)] == ["one", "two"]


def test_a_warning_is_written_at_once_and_after_what_was_said_before(stream: io.StringIO) -> None:
    log.info("one")
    log.warning("two")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["one", "two"]


def test_nothing_is_lost_when_the_process_ends_and_lines_of_threads_stay_whole(tmp_path: Path) -> None:
    program = """
import logging, sys, threading
from switchhook.telemetry import configure_logging
configure_logging("json", "info", False, sys.stderr)
log = logging.getLogger("many")
def say(name):
    for number in range(500):
        log.info("said", extra={"name_": name, "at": number})
threads = [threading.Thread(target=say, args=(name,)) for name in "abcd"]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
    with (tmp_path / "log").open("w+") as file:
        subprocess.run([sys.executable, "-c", program], stderr=file, check=True, timeout=60)
        file.seek(0)
        said = [json.loads(line) for line in file]
    for name in "abcd":
        assert [line["at"] for line in said if line["name_"] == name] == list(range(500))


def test_a_closed_stream_does_not_disturb_who_logs(tmp_path: Path) -> None:
    file = (tmp_path / "log").open("w")
    root = logging.getLogger()
    handlers, level, raising = root.handlers[:], root.level, logging.raiseExceptions
    logging.raiseExceptions = False
    try:
        root.handlers[:] = []
        configure_logging("json", "info", False, file)
        file.close()
        log.error("said")
    finally:
        logging.raiseExceptions = raising
        root.handlers[:] = handlers
        root.setLevel(level)

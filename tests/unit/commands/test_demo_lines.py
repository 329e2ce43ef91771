"""What the demonstration says about a webhook."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.commands.demo_lines import Probe, Webhook, in_words, link_line, webhook_line

AT = datetime(2026, 3, 7, 12, 30, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"event": "ringing", "user": "800", "usertype": "other"}, "IVR 800 answers"),
        ({"event": "ringing", "user": "820", "usertype": "queue"}, "waits in queue 820"),
        ({"event": "ringing", "user": "202", "usertype": "ext"}, "rings at 202"),
        ({"event": "dialing", "user": "117"}, "117 dials out"),
        ({"event": "incomingcall_started", "user": "117", "trtype": "NotDef"}, "117 answers"),
        ({"event": "hangupincoming", "user": "117", "trtype": "Accomp"}, "117 answers, attended transfer"),
        ({"event": "incomingcall_started", "user": "204", "trtype": "Blind"}, "204 answers, blind transfer"),
        ({"event": "outgoingcall_started", "user": "117", "trtype": "NotDef"}, "117 gets through"),
        (
            {"event": "incoming", "finishtype": "Ok", "transfer": "False", "duration": "00:06", "user": "202"},
            "call over after 00:06",
        ),
        (
            {"event": "incoming", "finishtype": "Ok", "transfer": "True", "duration": "00:14", "user": "117"},
            "117 hands it on after 00:14",
        ),
        ({"event": "incoming", "finishtype": "Missed", "transfer": "False", "user": "820"}, "call over: missed"),
        ({"event": "outgoing", "finishtype": "Missed", "transfer": "False"}, "call over: not answered"),
        ({"event": "outgoing", "title": "Successful call to 42 (0:06)"}, "Successful call to 42 (0:06)"),
    ],
)
def test_every_event_has_its_words(fields: dict[str, str], words: str) -> None:
    assert in_words(Webhook(endpoint="post", fields=fields)) == words


def test_a_body_with_nothing_but_links_is_a_recording() -> None:
    webhook = Webhook(endpoint="get", fields={"id": "230307114903_10-1"}, links=("https://x.example/1.mp3",))
    assert webhook.event == "recording"
    assert in_words(webhook) == "recording ready (1 file)"


def test_the_columns_stand_below_each_other() -> None:
    short = Webhook(endpoint="get", fields={"event": "dialing", "id": "1", "callerid": "1", "user": "1"})
    long = Webhook(
        endpoint="post",
        fields={
            "event": "incomingcall_started",
            "id": "230307114903_10-1",
            "callerid": "420774852629",
            "user": "10001",
            "trtype": "NotDef",
        },
    )
    places = {
        webhook_line(webhook, AT, in_colour=False).index(words)
        for webhook, words in ((short, "1 dials out"), (long, "10001 answers"))
    }
    assert len(places) == 1


def test_colours_only_where_they_are_wanted() -> None:
    webhook = Webhook(endpoint="post", fields={"event": "incoming", "finishtype": "Ok", "duration": "00:06"})
    assert "\x1b" not in webhook_line(webhook, AT, in_colour=False)
    assert webhook_line(webhook, AT, in_colour=True).startswith("\x1b[32m12:30:05")


def test_a_link_plays_or_does_not() -> None:
    link = "http://127.0.0.1:5001/webapi/recording/230307114903_10-1-1.mp3"
    assert "plays 0:07, 28.3 kB" in link_line("post", link, Probe(seconds=7.1, size=28_311), AT, in_colour=False)
    assert "plays 1:00:07" in link_line("post", link, Probe(seconds=3607), AT, in_colour=False)
    assert "does not play: HTTP 404" in link_line("post", link, Probe(problem="HTTP 404"), AT, in_colour=False)

"""`switchhook endpoints test` against a real receiver, and what `switchhook check` says of templates."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from standardwebhooks.webhooks import Webhook as Verifier

from switchhook.events import EventType
from tests.integration.commands.command import Answer as Said
from tests.integration.commands.command import switchhook
from tests.receiver import Answer, Webhook, WebhookReceiver

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLD_TYPES = ["call.ringing", "call.dialing", "call.started", "call.ended", "recording.ready"]

CONFIGURATION = """
data_dir = "var"
[[pbx]]
name = "office"
url = "https://pbx.example.com"
client_id = "switchhook"
client_secret = "very-secret-words"
[[endpoint]]
name = "crm"
url = "{url}"
format = "{format}"
secret = "{secret}"
users = ["999"]
allow_private = ["127.0.0.0/8"]
{more}
"""


def configure(folder: Path, url: str, format: str = "standard", more: str = "") -> None:
    text = CONFIGURATION.format(url=url, format=format, secret=SECRET, more=more)
    (folder / "switchhook.toml").write_text(text)


async def tried(folder: Path, name: str = "crm") -> Said:
    return await asyncio.to_thread(switchhook, folder, "endpoints", "test", name)


def lines(answer: Said) -> list[list[str]]:
    return [line.split() for line in answer.out.splitlines()]


def left_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.mark.parametrize("format", ["standard", "cloudevents", "get", "post"])
async def test_an_endpoint_gets_a_signed_sample_of_every_event(tmp_path: Path, format: str) -> None:
    async with WebhookReceiver() as receiver:
        configure(tmp_path, receiver.url, format)
        answer = await tried(tmp_path)

    assert (answer.code, answer.err) == (0, "")
    types = OLD_TYPES if format in {"get", "post"} else list(EventType)
    assert sorted(line[0] for line in lines(answer)) == sorted(types)
    assert {(line[1], line[2], line[4]) for line in lines(answer)} == {("accepted", "204", "ms")}
    assert len(set(receiver.ids)) == len(types) == len(receiver.webhooks)
    for webhook in receiver.webhooks:
        Verifier(SECRET).verify(webhook.body, dict(webhook.headers), json_parse=False)
        assert webhook.headers["webhook-test"] == "true"
        assert webhook.id.startswith("office-")


async def test_the_operators_endpoint_gets_samples_of_own_events_too(tmp_path: Path) -> None:
    async with WebhookReceiver() as receiver:
        configure(tmp_path, receiver.url, "get", more='[dispatcher]\noperator_endpoint = "crm"')
        answer = await tried(tmp_path)
        said = await asyncio.to_thread(switchhook, tmp_path, "check")

    own = ["endpoint.paused", "endpoint.recovered", "delivery.dead", "delivery.dead"]
    assert [line[0] for line in lines(answer)][-4:] == own
    assert (answer.code, {line[1] for line in lines(answer)}) == (0, {"accepted"})
    assert [webhook.json["type"] for webhook in receiver.webhooks[-4:]] == own
    for webhook in receiver.webhooks[-4:]:
        Verifier(SECRET).verify(webhook.body, dict(webhook.headers), json_parse=False)
        assert (webhook.method, webhook.headers["webhook-test"]) == ("POST", "true")
    assert "endpoint crm: is told endpoint.paused, endpoint.recovered, delivery.dead as JSON" in said.err


async def test_nothing_is_kept_of_a_test(tmp_path: Path) -> None:
    async with WebhookReceiver() as receiver:
        configure(tmp_path, receiver.url)
        await tried(tmp_path)

    assert left_in(tmp_path) == ["switchhook.toml"]


async def test_what_is_refused_is_said_with_the_reason(tmp_path: Path) -> None:
    def rule(webhook: Webhook) -> Answer | None:
        return Answer(status=422, body=b"no such field") if webhook.json["type"] == "call.ended" else None

    async with WebhookReceiver(rule=rule) as receiver:
        configure(tmp_path, receiver.url)
        answer = await tried(tmp_path)

    assert answer.code == 1
    (refused,) = [line for line in answer.out.splitlines() if " refused " in line]
    assert refused.split()[:3] == ["call.ended", "refused", "422"]
    assert "client_error: " in refused
    assert "no such field" in refused


async def test_an_endpoint_that_is_not_there_accepts_nothing(tmp_path: Path) -> None:
    async with WebhookReceiver() as receiver:
        url = receiver.url
    configure(tmp_path, url, "post")

    answer = await tried(tmp_path)

    assert answer.code == 1
    assert {(line[1], line[2]) for line in lines(answer)} == {("refused", "-")}
    assert "Traceback" not in answer.err


async def test_only_the_chosen_events_are_sent(tmp_path: Path) -> None:
    async with WebhookReceiver() as receiver:
        configure(tmp_path, receiver.url, more='events = ["completed", "recording"]')
        answer = await tried(tmp_path)

    assert [line[0] for line in lines(answer)] == [
        "call.completed", "recording.ready", "recording.absent", "recording.failed",
    ]  # fmt: skip


async def test_an_unknown_name_is_a_usage_error(tmp_path: Path) -> None:
    configure(tmp_path, "http://127.0.0.1:1/")

    answer = await tried(tmp_path, "crn")

    assert (answer.code, answer.err) == (2, 'endpoint: "crn" is an unknown endpoint (did you mean crm?)\n')


async def test_a_template_is_sent_as_its_author_wrote_it(tmp_path: Path) -> None:
    more = """
[endpoint.template]
method = "PUT"
url = "http://127.0.0.1:{port}/calls/{{{{ data.call.id|urlencode }}}}?event={{{{ event|urlencode }}}}"
content_type = "text/xml"
headers = {{ X-Caller = "{{{{ callerid }}}}" }}
body = "<call><did>{{{{ did|e }}}}</did></call>"
"""
    async with WebhookReceiver() as receiver:
        configure(tmp_path, receiver.url, "template", more.format(port=receiver.port))
        answer = await tried(tmp_path)

    assert answer.code == 0
    first = receiver.webhooks[0]
    assert (first.method, first.query, first.body) == ("PUT", {"event": "ringing"}, b"<call><did>Sales</did></call>")
    assert (first.headers["content-type"], first.headers["x-caller"]) == ("text/xml", "420777123456")
    Verifier(SECRET).verify(first.body, dict(first.headers), json_parse=False)


def test_check_finds_the_faults_of_a_template(tmp_path: Path) -> None:
    body = "body = '''\n{\n \"caller\": {{ callr|tojson }}\n}'''\n"
    headers = 'headers = { X = "{{ data.recording.files[0].url }}" }\n'
    configure(tmp_path, "http://127.0.0.1:1/", "template", "[endpoint.template]\n" + body)

    answer = switchhook(tmp_path, "check")

    assert (answer.code, answer.out) == (2, "")
    (problem,) = answer.err.splitlines()
    assert problem.startswith("endpoint[0].template.body line 2: 'callr' is undefined (call.ringing, ")
    assert problem.endswith(", recording.failed)")

    configure(tmp_path, "http://127.0.0.1:1/", "template", "[endpoint.template]\nbody = '1'\n" + headers)
    problems = switchhook(tmp_path, "check").err.splitlines()
    assert [problem.partition(": ")[0] for problem in problems] == ["endpoint[0].template.headers.X line 1"] * 2
    assert "'None' has no attribute 'files' (call.ringing, " in problems[0]
    assert problems[1].endswith("(recording.absent, recording.failed)")


def test_check_finds_a_template_that_makes_no_json_of_some_names(tmp_path: Path) -> None:
    configure(tmp_path, "http://127.0.0.1:1/", "template", '[endpoint.template]\nbody = \'{"did": "{{ did }}"}\'\n')

    answer = switchhook(tmp_path, "check")

    assert answer.code == 2
    assert answer.err.startswith("endpoint[0].template.body: makes no JSON: write texts as {{ … |tojson }}")


def test_check_accepts_a_good_template_and_hides_the_secret(tmp_path: Path) -> None:
    body = 'body = \'{"did": {{ did|tojson }}, "url": {{ fileurls|first|default(none)|tojson }}}\'\n'
    configure(tmp_path, "http://127.0.0.1:1/", "template", "[endpoint.template]\n" + body)

    answer = switchhook(tmp_path, "check")

    assert answer.code == 0, answer.err
    assert SECRET not in answer.out + answer.err
    assert 'secret = ["********"]' in answer.out


def test_a_service_does_not_start_with_a_bad_template(tmp_path: Path) -> None:
    configure(tmp_path, "http://127.0.0.1:1/", "template", "[endpoint.template]\nbody = '{{ nope }}'\n")

    answer = switchhook(tmp_path, "run", "dispatcher", environ={"SWITCHHOOK_ADMIN__LISTEN": "127.0.0.1:0"})

    assert answer.code == 2
    assert answer.err.splitlines()[-1].startswith("endpoint[0].template.body line 1: 'nope' is undefined")

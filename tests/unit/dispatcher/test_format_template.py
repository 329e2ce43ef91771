"""The format `template`: what a template can say, and what it cannot do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from services.dispatcher.endpoints import Endpoint, Format, TemplateSource
from services.dispatcher.formats import HttpRequest, TemplateError, render
from services.dispatcher.formats.budget import OUTPUT_LIMIT
from switchhook.events import Direction, Event, EventType, Transfer
from tests.unit.dispatcher.events import a_call, a_recording, an_event

HOOKS = "https://crm.test/hooks"
# A text, and a list, as long as they may be.
LONG = "{% set n = namespace(x='a') %}{% for i in range(18) %}{% set n.x = n.x ~ n.x %}{% endfor %}"
DOUBLED = "{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% endfor %}"
MANY = "{% set n = namespace(x=range(1000)|list) %}{% for i in range(3) %}{% set n.x = n.x + n.x %}{% endfor %}"
OFTEN = "{% for i in range(1000) %}{% for j in range(15) %}"
END_OFTEN = "{% endfor %}{% endfor %}"
END = an_event(
    EventType.ENDED, link=1, answered=True, talk_time=timedelta(seconds=75.5), call=a_call(did='Müller & "Co"\r\nX: 1')
)


def link(path: str, *, pbx: str, recipient: str, expires_at: object) -> str:
    return f"https://files.test{path}"


def request(event: Event = END, **source: Any) -> HttpRequest:
    template = TemplateSource(**source)
    return render(event, Endpoint(name="crm", url=HOOKS, format=Format.TEMPLATE, template=template), link)


def text(body: str, event: Event = END) -> str:
    return (request(event, body=body).body or b"").decode()


def fault(body: str, **source: Any) -> str:
    with pytest.raises(TemplateError) as refused:
        request(body=body, **source)
    return str(refused.value)


def test_a_template_has_the_data_of_the_standard_format() -> None:
    said = text("{{ type }} {{ timestamp }} {{ data.call.outside_number }} {{ data.talk_seconds }} {{ data.sequence }}")

    assert said == "call.ended 2023-03-07T12:00:00.000Z 05552221133 75.5 1"


def test_a_template_has_the_words_of_the_old_formats() -> None:
    words = ["event", "callerid", "user", "usertype", "trtype", "finishtype", "transfer", "duration", "id"]
    body = "|".join(f"{{{{ {word} }}}}" for word in words)

    assert text(body) == "incoming|05552221133|202|ext||Ok|False|01:16|230307114903_10-1"
    assert text("{{ title }}", an_event(EventType.ENDED, call=a_call(did="D"))) == (
        "D:Missed call by extension 202 from 05552221133"
    )
    started = an_event(EventType.STARTED, transfer=Transfer.ATTENDED, call=a_call(direction=Direction.OUTBOUND))
    assert text(body, started) == "outgoingcall_started|05552221133|202|ext|Attended||||230307114903_10-0"
    ready = an_event(EventType.RECORDING_READY, link=1, recording=a_recording())
    assert text("{{ event }} {{ fileurls|join(' ') }}", ready) == (
        "recording https://files.test/webapi/recording/230307114903_10-1-1.mp3"
    )


def test_tojson_makes_json_of_whatever_stands_in_a_call() -> None:
    made = orjson.loads(
        text('{"did": {{ did|tojson }}, "all": {{ data|tojson }}, "none": {{ data.recording|tojson }}}')
    )

    assert made["did"] == END.call.did
    assert made["all"]["call"]["did"] == END.call.did
    assert made["none"] is None


def test_null_is_written_as_nothing() -> None:
    assert text("[{{ data.recording }}]") == "[]"
    assert text("[{{ data.recording|upper }}|{{ data.recording|replace('a', 'b') }}|{{ data.recording|e }}]") == "[||]"
    assert text("{{ '[' ~ data.recording ~ 1 ~ ']' }}") == "[1]"


def test_urlencode_keeps_a_value_in_its_place() -> None:
    made = request(url="https://crm.test/calls/{{ did|urlencode }}?q={{ did|urlencode }}", method="GET")

    value = "M%C3%BCller%20%26%20%22Co%22%0D%0AX%3A%201"
    assert (made.method, made.url, made.body) == ("GET", f"https://crm.test/calls/{value}?q={value}", None)


def test_an_address_that_is_not_encoded_by_its_author_stays_one_address() -> None:
    assert (
        request(url="https://crm.test/{{ did }}", body="x").url
        == "https://crm.test/M%C3%BCller%20&%20%22Co%22%20X:%201"
    )


def test_a_value_cannot_add_a_header() -> None:
    made = request(headers={"X-Did": "did {{ did }}"}, body="x", content_type="text/plain")

    assert made.headers == {"x-did": 'did Müller & "Co" X: 1', "content-type": "text/plain"}


@given(did=st.text(), number=st.text())
def test_whatever_stands_in_a_call_it_stays_where_it_was_put(did: str, number: str) -> None:
    event = an_event(call=a_call(did=did, outside_number=number))
    source = {
        "url": "https://crm.test/{{ did }}?n={{ callerid|urlencode }}",
        "headers": {"X-Did": "{{ did }}"},
        "body": '{"did": {{ did|tojson }}}',
    }

    made = request(event, **source)

    address = URL(made.url, encoded=True)
    assert (address.host, address.scheme) == ("crm.test", "https")
    assert made.url.isascii()
    assert orjson.loads(made.body or b"") == {"did": did}
    assert not set(made.headers["x-did"]) & set("\r\n\0")


def test_without_an_address_of_its_own_it_goes_to_that_of_the_endpoint() -> None:
    assert request(body="x").url == HOOKS


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("{{ callr }}", "body line 1: 'callr' is undefined"),
        ("{\n  {{ data.cal.id }}\n}", "body line 2: 'dict object' has no attribute 'cal'"),
        ("\n\n{% if %}", "body line 3: Expected an expression, got 'end of statement block'"),
        ("{{ did|tojso }}", "body line 1: No filter named 'tojso'."),
        ("{{ data.nope|tojson }}", "body line 1: 'dict object' has no attribute 'nope'"),
        ("{{ 1 / 0 }}", "body line 1: division by zero"),
        ("{% for x in data.nope %}{% endfor %}", "body line 1: 'dict object' has no attribute 'nope'"),
    ],
)
def test_a_fault_has_its_part_and_line(body: str, sentence: str) -> None:
    assert fault(body) == sentence


def test_faults_of_headers_and_addresses_are_named_too() -> None:
    assert fault("x", headers={"X-A": "{{ nope }}"}) == "headers.X-A line 1: 'nope' is undefined"
    assert fault("x", url="https://crm.test/{{ nope }}") == "url line 1: 'nope' is undefined"


@pytest.mark.parametrize(
    "body",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ ''['__class__'] }}",
        "{{ data|attr('__class__') }}",
        "{{ data.__init__ }}",
        "{{ data.call.numbers.append(1) }}",
        "{{ data.update({'id': 1}) }}",
        "{{ namespace.__init__.__globals__ }}",
        "{{ range.__globals__ }}",
        "{{ self._TemplateReference__context }}",
        "{{ cycler.__init__.__globals__.os }}",
        "{{ lipsum.__globals__ }}",
        "{{ did.format(did) }}",
        "{{ '{0.__class__}'.format(1) }}",
        "{{ did|map(attribute='__class__')|join }}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
        "{% extends 'x' %}",
    ],
)
def test_nothing_gets_out_of_the_sandbox(body: str) -> None:
    fault(body)


@pytest.mark.parametrize(
    "body",
    [
        "{% for i in range(100000) %}x{% endfor %}",
        "{% for i in range(1000) %}{% for j in range(1000) %}{% endfor %}{% endfor %}",
        "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{{ 'x' * 10 ** 9 }}",
        "{{ [1] * 10 ** 9 }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ 'x'.ljust(1000000000) }}",
        "{{ 'x'|center(1000000000) }}",
        "{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
        "{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}",
        "{% set n = namespace(x=9) %}{% for i in range(999) %}{% set n.x = n.x * n.x %}{% endfor %}",
        "{% set n = namespace(x='aa') %}{% for i in range(99) %}{% set n.x = n.x|replace('a', 'aaaa') %}{% endfor %}",
        "{% set n = namespace(x=[1]) %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}",
        "{% for i in range(1000) %}" + "x" * 2000 + "{% endfor %}",
        "{% set x %}{% for i in range(999) %}{{ data|tojson }}{{ data|tojson }}{{ data }}{% endfor %}{% endset %}",
        # A few objects that would be written as more than any memory holds.
        "{% set n = namespace(x=[1]) %}" + DOUBLED + "{{ n.x }}",
        "{% set n = namespace(x=[1]) %}" + DOUBLED + "{{ n.x|tojson }}",
        "{% set n = namespace(x=1) %}" + DOUBLED.replace("[n.x, n.x]", "{'a': n.x, 'b': n.x}") + "{{ n.x ~ 1 }}",
        "{% set n = namespace(x=1) %}" + DOUBLED.replace("[n.x, n.x]", "namespace(a=n.x, b=n.x)") + "{{ n.x }}",
        "{% set n = namespace(x=[1], y=[1]) %}" + DOUBLED + DOUBLED.replace("n.x", "n.y") + "{{ n.x == n.y }}",
        LONG + "{% set n.y = [n.x] %}{% for i in range(13) %}{% set n.y = n.y + n.y %}{% endfor %}{{ n.y }}",
        MANY
        + "{% set n.y = [n.x] %}{% for i in range(13) %}{% set n.y = n.y + n.y %}{% endfor %}{{ n.y|sum(start=[]) }}",
        "{{ [[1]]|sum(start=[]) }}",
        "{{ 5|round(-1000000000) }}",
        # What is short but slow, many times.
        LONG + OFTEN + "{% set y = n.x|upper|title|e %}" + END_OFTEN,
        LONG + OFTEN + "{% set y = n.x.title() %}" + END_OFTEN,
        LONG + OFTEN + "{% set y = n.x[1:] %}" * 50 + END_OFTEN,
        LONG + "{% set p = n.x[:9000] ~ 'b' %}" + OFTEN + "{% set y = p in n.x %}" + END_OFTEN,
        LONG + OFTEN + "{% if n.x is upper %}{% endif %}" * 10 + END_OFTEN,
        MANY + OFTEN + "{% set y = n.x|map('string')|map('int')|select('none')|list %}" + END_OFTEN,
        OFTEN + "{% set y = 1 + 2 %}" * 500 + END_OFTEN,
        "{% macro m() %}" + "{% set y = 1 + 2 %}" * 500 + "{% endmacro %}" + OFTEN + "{{ m() }}" + END_OFTEN,
        "{% set x %}" + OFTEN + "x" * 60_000 + END_OFTEN + "{% endset %}",
        "{% filter upper %}" + OFTEN + "x" * 60_000 + END_OFTEN + "{% endfilter %}",
    ],
)
@pytest.mark.timeout(20)
def test_a_template_ends_soon_and_stays_small(body: str) -> None:
    assert fault(body)


def test_what_a_template_usually_does_is_within_its_budget() -> None:
    body = "{% for p in data.call.participants %}{{ p|tojson }}{% endfor %}" * 50 + "{{ data|tojson }}" * 100
    body += "{% for i in range(1000) %}{% if i is odd and i in [1, 2, 3] %}{{ i|string|upper }}{% endif %}{% endfor %}"

    assert text(body).endswith("13")


def test_a_long_text_within_the_limits_is_fine() -> None:
    body = "x" * (OUTPUT_LIMIT - len("incoming")) + "{{ event }}"

    assert text(body).endswith("incoming")

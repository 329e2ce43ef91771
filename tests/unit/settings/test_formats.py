"""Keys of formats and signatures: what belongs together, and what is wrong with a secret or a template's form."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, get_args

import pytest

from services.dispatcher.endpoints import ContentMode, EventClass, Format
from switchhook.settings import EndpointSettings, EventName, masked
from tests.unit.settings.configuration import ENDPOINT, PBX, load, problems

if TYPE_CHECKING:
    from pathlib import Path

STANDARD = ENDPOINT.replace("post", "standard")
TEMPLATE = ENDPOINT.replace("post", "template")
FIRST, SECOND = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
NO_JSON_NEEDED = '\n[endpoint.template]\nbody = "{{ event }}"\n'


def secrets(settings_text: str, folder: Path, environ: dict[str, str] | None = None) -> list[str]:
    entry = load(folder, settings_text, environ).endpoint[0]
    return [secret.get_secret_value() for secret in entry.secret]


def test_one_secret_or_several(tmp_path: Path) -> None:
    assert secrets(STANDARD + f'secret = "{FIRST}"', tmp_path) == [FIRST]
    assert secrets(STANDARD + f'secret = ["{SECOND}", "{FIRST}"]', tmp_path) == [SECOND, FIRST]


def test_secrets_from_the_lines_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "secrets").write_text(f"{SECOND}\n{FIRST}\n")

    assert secrets(STANDARD + 'secret_file = "secrets"', tmp_path) == [SECOND, FIRST]


def test_secrets_from_the_environment(tmp_path: Path) -> None:
    assert secrets(STANDARD, tmp_path, {"SWITCHHOOK_ENDPOINT__CRM__SECRET": f"{SECOND},{FIRST}"}) == [SECOND, FIRST]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("secret = 'tops3cret'", 'endpoint[0].secret[0]: must begin with "whsec_" (HMAC) or "whsk_" (Ed25519)'),
        (f"secret = ['{FIRST}', 'whsec_tops3cret']", "endpoint[0].secret[1]: is not base64 after its prefix"),
        ("secret = 'whsec_dG9wczNjcmV0'", "endpoint[0].secret[0]: holds 9 bytes, but must hold 24 to 64"),
    ],
)
def test_a_bad_secret_is_a_problem_with_its_path_and_is_not_repeated(tmp_path: Path, text: str, problem: str) -> None:
    (found,) = problems(tmp_path, STANDARD + text)

    assert found.startswith(problem)
    assert "tops3cret" not in found
    assert "dG9wczNjcmV0" not in found


def test_the_body_may_stand_in_a_file_and_keeps_its_lines(tmp_path: Path) -> None:
    (tmp_path / "body.j2").write_text('\n{"id": {{ id|tojson }}}\n')

    template = load(tmp_path, TEMPLATE + '\n[endpoint.template]\nbody_file = "body.j2"').endpoint[0].template

    assert template is not None
    assert template.body == '\n{"id": {{ id|tojson }}}\n'
    assert (template.method, template.content_type) == ("POST", "application/json")


def test_the_environment_reaches_into_the_template(tmp_path: Path) -> None:
    variable = {"SWITCHHOOK_ENDPOINT__CRM__TEMPLATE__METHOD": "PUT"}

    template = load(tmp_path, TEMPLATE + NO_JSON_NEEDED, variable).endpoint[0].template

    assert template is not None
    assert (template.method, template.body) == ("PUT", "{{ event }}")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            TEMPLATE,
            'endpoint[0].template: is missing: the format "template" needs a table [endpoint.template] with a body',
        ),
        (TEMPLATE + "template = 5", "endpoint[0].template: must be a table"),
        (TEMPLATE + "template = {}", "endpoint[0].template.body: is missing: give body or body_file"),
        (
            TEMPLATE + 'template = { bdy = "x", body = "x" }',
            "endpoint[0].template.bdy: unknown key (did you mean body?)",
        ),
        (
            TEMPLATE + 'template = { method = "GET", body = "x" }',
            "endpoint[0].template.body: a GET has none: remove it, or choose another method",
        ),
        (
            TEMPLATE + 'template = { method = "GET", url = "https://{{ did }}.example.com/" }',
            "endpoint[0].template.url: must begin with a fixed address such as https://crm.example.com/: "
            "templates come after that",
        ),
        (
            TEMPLATE + 'template = { body = "x", content_type = "json" }',
            'endpoint[0].template.content_type: must be a media type, such as "application/json" or '
            '"text/plain; charset=utf-8"',
        ),
        (
            TEMPLATE + 'template = { body = "x", headers = { "X Y" = "z" } }',
            'endpoint[0].template.headers: "X Y" is not a possible header name',
        ),
        (
            STANDARD + 'template = { body = "x" }',
            'endpoint[0].template: only the format "template" has one: remove it, or change the format',
        ),
        (
            STANDARD + 'content_mode = "binary"',
            'endpoint[0].content_mode: only the format "cloudevents" has one: remove it',
        ),
        (
            STANDARD + "blind_transfer_end = true",
            'endpoint[0].blind_transfer_end: the formats "get" and "post" alone need it: remove it',
        ),
        (
            ENDPOINT + 'events = ["ended", "completed"]',
            'endpoint[0].events[1]: the format "post" has no word for it: remove it',
        ),
    ],
)
def test_what_does_not_belong_together_is_said(tmp_path: Path, text: str, problem: str) -> None:
    assert problems(tmp_path, text) == [problem]


def test_nothing_secret_of_a_template_is_shown(tmp_path: Path) -> None:
    text = (
        PBX
        + TEMPLATE
        + f'secret = ["{FIRST}", "{SECOND}"]\n[endpoint.template]\nmethod = "PUT"\n'
        + 'url = "https://crm.example.com/{{ id }}?key=query-tops3cret"\nheaders = { X = "header-tops3cret" }\n'
        + "body = '''\n{{ id }}\n{{ did }}'''\n"
    )

    shown = masked(load(tmp_path, text))

    assert "tops3cret" not in shown
    assert FIRST not in shown
    (entry,) = tomllib.loads(shown)["endpoint"]
    assert entry["secret"] == ["********", "********"]
    assert entry["template"]["body"] == "{{ id }}\n{{ did }}"
    assert entry["template"]["headers"] == {"X": "********"}


def test_the_events_are_those_that_the_dispatcher_knows() -> None:
    assert set(get_args(EventName)) == set(EventClass)


@pytest.mark.parametrize("format", list(Format))
def test_every_format_of_the_dispatcher_can_be_configured(format: Format) -> None:
    assert EndpointSettings.model_validate({"name": "crm", "url": "http://crm.test/", "format": format.value})


@pytest.mark.parametrize("mode", list(ContentMode))
def test_every_content_mode_can_be_configured(mode: ContentMode) -> None:
    keys = {"name": "crm", "url": "http://crm.test/", "format": "cloudevents", "content_mode": mode.value}
    assert EndpointSettings.model_validate(keys).content_mode == mode

"""What a new user does wrong first: each mistake is answered by one line that says what to do."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from simulator import Simulator, SimulatorOptions
from tests.acceptance.product import EMBEDDED, Product, free_port
from tests.acceptance.scene import pbx_and_endpoint, requests
from tests.deadline import eventually
from tests.integration.commands.command import switchhook
from tests.receiver import Answer, WebhookReceiver

if TYPE_CHECKING:
    from pathlib import Path

MISUSED = 2  # exit code
PBX = pbx_and_endpoint("main", pbx="https://pbx.example.com", endpoint="https://crm.example.com/hooks")


def test_without_a_configuration_it_says_how_to_get_one(tmp_path: Path) -> None:
    answer = switchhook(tmp_path, "run")
    assert (answer.code, answer.out) == (MISUSED, "")
    (told,) = answer.err.splitlines()
    assert told.startswith("there is no switchhook.toml: ")
    assert "switchhook.example.toml" in told
    assert "switchhook demo" in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["run", "check", "migrate"])
@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (
            PBX.replace("client_secret", "client_sekret"),
            [
                "pbx[0].client_sekret: unknown key (did you mean client_secret?)",
                "pbx[0].client_secret: is missing: give client_secret or client_secret_file",
            ],
        ),
        (
            PBX + "retry_schedule = 5\n[dispatcher]\nconcurrency = 'many'\n",
            [
                'endpoint[0].retry_schedule: must be a list, such as ["a", "b"]',
                "dispatcher.concurrency: must be a whole number",
            ],
        ),
        (
            PBX.replace("https://crm", "crm") + "[monitr]\n[recorder]\nretention = 90\n",
            [
                "monitr: unknown key (did you mean monitor?)",
                "endpoint[0].url: must be http or https, such as https://crm.example.com/hooks",
                'recorder.retention: must be a duration in quotes, a number with ms, s, m, h or d, such as "5s"',
            ],
        ),
    ],
    ids=["wrong-key", "wrong-types", "three-at-once"],
)
def test_all_errors_of_a_configuration_are_said_at_once(
    tmp_path: Path, command: str, text: str, problems: list[str]
) -> None:
    (tmp_path / "switchhook.toml").write_text(text)
    answer = switchhook(tmp_path, command)
    assert (answer.code, answer.out) == (MISUSED, "")
    assert sorted(answer.err.splitlines()) == sorted(problems)


def test_a_file_that_is_no_toml_is_answered_with_the_line(tmp_path: Path) -> None:
    (tmp_path / "switchhook.toml").write_text(PBX + "[dispatcher\n")
    answer = switchhook(tmp_path, "run")
    assert answer.code == MISUSED
    (told,) = answer.err.splitlines()
    assert f"line {PBX.count(chr(10)) + 1}" in told
    assert "is not valid TOML here" in told


async def test_a_wrong_secret_is_one_line_that_says_what_to_check_and_where(tmp_path: Path) -> None:
    async with Simulator(SimulatorOptions(client_secret="another")) as pbx:
        tables = pbx_and_endpoint("main", pbx=pbx.url, endpoint="http://127.0.0.1:9")
        async with Product(tmp_path, tables, split=False, is_awaited=False) as product:
            await eventually(lambda: requests(pbx) >= 4, 30)
            (told,) = _alarms(product)
    assert "check client_id and client_secret (Admin Console > Integrations > API)" in told["reason"]


async def test_an_address_that_is_not_quite_the_one_of_a_pbx_is_one_line_with_the_remedy(tmp_path: Path) -> None:
    """https without the authority's certificate, https where http is spoken, and some other web server."""
    async with AsyncExitStack() as stack:
        options = SimulatorOptions(tls=True, certificate_dir=tmp_path)
        pbx = await stack.enter_async_context(Simulator(options))
        other = await stack.enter_async_context(WebhookReceiver(default=Answer(status=404)))
        urls = {"untrusted": pbx.url, "plain": other.url.replace("http", "https", 1), "website": other.url}
        tables = "".join(pbx_and_endpoint(name, pbx=url, endpoint=other.url) for name, url in urls.items())
        product = await stack.enter_async_context(Product(tmp_path, tables, split=False, is_awaited=False))
        await eventually(lambda: len(other.webhooks) >= 4, 30)
        alarms = {one["pbx"]: one["reason"] for one in _alarms(product)}
        assert len(_alarms(product)) == len(urls), alarms
    assert "set ca_file to the certificate of the authority" in alarms["untrusted"]
    assert "is it the HTTPS port" in alarms["plain"]
    assert "url has no /connect/token: it is not a 3CX of version 20 or later, or the wrong port" in alarms["website"]


async def test_an_endpoint_where_nobody_listens_is_one_line(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        pbx = await stack.enter_async_context(Simulator(SimulatorOptions()))
        tables = pbx_and_endpoint("main", pbx=pbx.url, endpoint=f"http://127.0.0.1:{free_port()}")
        product = await stack.enter_async_context(Product(tmp_path, tables, split=False))
        pbx.play("incoming-direct", talk=0.5)
        await eventually(lambda: _attempts(product) >= 4, 30)
        (told,) = _alarms(product)
    assert (told["event"], told["endpoint"]) == ("endpoint.down", "main")
    assert "check that it runs and that the port is reachable from here" in told["advice"]


def _attempts(product: Product) -> int:
    return sum(one["event"] == "delivery.attempted" for one in product.logged(EMBEDDED))


def _alarms(product: Product) -> list[dict[str, Any]]:
    """The lines that are more than information."""
    return [one for one in product.logged(EMBEDDED) if one["level"] != "info"]

"""What `docs/webhooks.md` shows to receivers works as it stands there."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.dispatcher.rehearsal import demand_good_templates
from services.dispatcher.signing import signature_headers, signing_key
from switchhook.settings import load_settings
from tests.repository.tree import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DOCUMENT = (ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")
OLD, NEW = (f"whsec_{base64.b64encode(bytes([number] * 32)).decode()}" for number in (1, 2))
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(32))
BODY = '{"type":"call.ringing","did":"Müller"}'.encode()

NODE = """
const { headers, body, secrets } = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
console.log(isGenuine(headers, Buffer.from(body, "base64"), secrets));
"""
PHP = """
$given = json_decode(file_get_contents("php://stdin"), true);
echo is_genuine($given["headers"], base64_decode($given["body"]), $given["secrets"]) ? "true" : "false";
"""


def block(language: str, number: int = 0) -> str:
    """A piece of code of the document."""
    found: str = re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)[number]
    return found


def python_function(number: int, name: str) -> Callable[..., bool]:
    space: dict[str, Any] = {}
    exec(compile(block("python", number), "docs/webhooks.md", "exec"), space)
    function: Callable[..., bool] = space[name]
    return function


def script(tmp_path: Path, program: str, text: str) -> Callable[[dict[str, str], bytes, list[str]], bool]:
    """The check in another language, as a function; skips where the language is not installed."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    file = tmp_path / "check.txt"
    file.write_text(text, encoding="utf-8")

    def check(headers: dict[str, str], body: bytes, secrets: list[str]) -> bool:
        given = json.dumps({"headers": headers, "body": base64.b64encode(body).decode(), "secrets": secrets})
        answer = subprocess.run([program, str(file)], input=given, capture_output=True, text=True, check=True)
        return answer.stdout.strip() == "true"

    return check


def signed(body: bytes, *secrets: str, age: int = 0) -> dict[str, str]:
    keys = [signing_key(secret) for secret in secrets]
    return signature_headers("main-230307142318_40-7", int(time.time()) - age, body, keys)


@pytest.mark.parametrize("language", ["python", "node", "php"])
def test_the_check_accepts_what_is_genuine_and_nothing_else(tmp_path: Path, language: str) -> None:
    match language:
        case "python":
            check = python_function(0, "is_genuine")
        case "node":
            check = script(tmp_path, "node", block("js") + NODE)
        case _:
            check = script(tmp_path, "php", "<?php\n" + block("php") + PHP)

    assert check(signed(BODY, NEW, OLD), BODY, [OLD])
    assert check(signed(BODY, OLD), BODY, [NEW, OLD])
    assert check(signed(b"", OLD), b"", [OLD])
    assert not check(signed(BODY, NEW), BODY, [OLD])
    assert not check(signed(BODY, OLD), BODY + b" ", [OLD])
    assert not check(signed(BODY, OLD) | {"webhook-id": "another"}, BODY, [OLD])
    assert not check(signed(BODY, OLD, age=3600), BODY, [OLD])
    assert not check(signed(BODY), BODY, [OLD])
    assert not check({}, BODY, [OLD])


def test_the_check_with_a_public_key() -> None:
    check = python_function(1, "is_signed_by")
    secret = f"whsk_{base64.b64encode(PRIVATE.private_bytes_raw()).decode()}"
    public = f"whpk_{base64.b64encode(PRIVATE.public_key().public_bytes_raw()).decode()}"

    assert check(public, signed(BODY, OLD, secret), BODY)
    assert not check(public, signed(BODY, secret), BODY + b" ")
    assert not check(public, signed(BODY, OLD), BODY)


def test_the_commands_that_make_a_key_make_one(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    made = re.search(r"`(openssl genpkey [^`]*)`", DOCUMENT)
    shown = re.findall(r'^    (echo "wh[sp]k_.*?")', DOCUMENT, re.MULTILINE)
    assert made is not None

    answer = subprocess.run(
        ["sh", "-c", "\n".join((made[1], *shown))], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    private, public = answer.stdout.split()
    assert python_function(1, "is_signed_by")(public, signed(BODY, private), BODY)
    secret = re.search(r'`(echo "whsec_[^`]*)`', DOCUMENT)
    assert secret is not None
    signing_key(subprocess.run(["sh", "-c", secret[1]], capture_output=True, text=True, check=True).stdout.strip())


def test_the_template_has_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "switchhook.toml"
    path.write_text(block("toml"), encoding="utf-8")

    demand_good_templates(load_settings(path, {}))

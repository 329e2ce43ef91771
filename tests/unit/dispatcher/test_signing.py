"""Signatures, as independent readers verify them."""

from __future__ import annotations

import base64
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from services.dispatcher.signing import signature_headers, signing_key
from switchhook.settings.signing_secrets import Scheme, parse_signing_secret

EVENT = "main-230307114903_10-7"
OLD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEW = "whsec_" + base64.b64encode(bytes(range(32))).decode()
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SEED = PRIVATE.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
PUBLIC = PRIVATE.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
ASYMMETRIC = "whsk_" + base64.b64encode(SEED + PUBLIC).decode()


def signed(body: bytes | None, *secrets: str, at: int | None = None) -> dict[str, str]:
    keys = [signing_key(secret) for secret in secrets]
    return signature_headers(EVENT, int(time.time()) if at is None else at, body, keys)


@given(body=st.text())
def test_the_public_library_accepts_any_body(body: str) -> None:
    Webhook(OLD).verify(body.encode(errors="replace"), signed(body.encode(errors="replace"), OLD), json_parse=False)


def test_the_published_example_has_the_published_signature() -> None:
    keys = [signing_key(OLD)]
    headers = signature_headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', keys)

    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_whoever_knows_one_of_the_secrets_can_verify() -> None:
    headers = signed(b"{}", NEW, OLD, ASYMMETRIC)

    assert [part.partition(",")[0] for part in headers["webhook-signature"].split(" ")] == ["v1", "v1", "v1a"]
    for secret in (NEW, OLD):
        Webhook(secret).verify(b"{}", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + base64.b64encode(b"x" * 24).decode()).verify(b"{}", headers)


@pytest.mark.parametrize("secret", [ASYMMETRIC, "whsk_" + base64.b64encode(SEED).decode()])
def test_the_public_key_verifies_what_the_private_one_signed(secret: str) -> None:
    headers = signed(b'{"a":1}', secret, at=1_700_000_000)
    version, _, signature = headers["webhook-signature"].partition(",")

    assert version == "v1a"
    PRIVATE.public_key().verify(base64.b64decode(signature), f'{EVENT}.1700000000.{{"a":1}}'.encode())


def test_a_request_without_a_body_signs_the_empty_one() -> None:
    assert signed(None, OLD, at=1) == signed(b"", OLD, at=1)
    Webhook(OLD).verify(b"", signed(None, OLD), json_parse=False)


def test_without_a_secret_there_is_no_signature() -> None:
    assert signed(b"{}", at=12) == {"webhook-id": EVENT, "webhook-timestamp": "12"}


def test_a_later_attempt_has_another_signature() -> None:
    assert signed(b"{}", OLD, at=1)["webhook-signature"] != signed(b"{}", OLD, at=2)["webhook-signature"]


def test_a_secret_may_leave_out_its_padding() -> None:
    padded = "whsec_" + base64.b64encode(b"x" * 25).decode()

    assert parse_signing_secret(padded.rstrip("=")) == parse_signing_secret(padded)


@pytest.mark.parametrize(
    ("secret", "sentence"),
    [
        ("tops3cret", 'must begin with "whsec_" (HMAC) or "whsk_" (Ed25519)'),
        ("whsec_tops3cret!", "is not base64 after its prefix"),
        ("whsec_" + base64.b64encode(b"tops3cret").decode(), "holds 9 bytes, but must hold 24 to 64"),
        ("whsk_" + base64.b64encode(b"x" * 31).decode(), "holds 31 bytes, but an Ed25519 private key has 32"),
        ("whsk_" + base64.b64encode(SEED + b"x" * 32).decode(), "the public key of another one"),
        ("whpk_" + base64.b64encode(PUBLIC).decode(), "is a public key"),
    ],
)
def test_a_bad_secret_is_refused_without_repeating_it(secret: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=r"^(?!.*tops3cret)") as refused:
        parse_signing_secret(secret)

    assert sentence in str(refused.value)
    assert secret.partition("_")[2][:12] not in str(refused.value) or not secret.partition("_")[2]


def test_a_key_does_not_show_itself() -> None:
    secret = parse_signing_secret(OLD)

    assert secret.scheme is Scheme.HMAC
    assert str(secret.key) not in repr(secret)

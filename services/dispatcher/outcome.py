"""What an attempt came to, as a value: delivered, to be retried, or never to be tried again.

Owns the reasons: each is at once the label of a metric, a field of the log line and a column of the attempt. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus


class Reason(StrEnum):
    """Why a delivery did not arrive, or `NONE`."""

    NONE = ""
    TIMEOUT = "timeout"
    CONNECT = "connect"
    DNS = "dns"
    TLS = "tls"
    PROXY = "proxy"
    FORBIDDEN_ADDRESS = "forbidden_address"
    DISCONNECTED = "disconnected"
    PROTOCOL = "protocol"
    REDIRECT = "redirect"
    AUTH = "auth"
    GONE = "gone"
    RATE_LIMITED = "rate_limited"
    CLIENT_ERROR = "client_error"
    SERVER_ERROR = "server_error"
    INVALID_URL = "invalid_url"
    UNREADABLE = "unreadable"
    TEMPLATE = "template"
    INTERNAL = "internal"
    ENDPOINT_REMOVED = "endpoint_removed"
    DISABLED = "disabled"
    ABORTED = "aborted"
    DEADLINE = "deadline"
    OPERATOR = "operator"


class OutcomeKind(StrEnum):
    """The names under which outcomes are stored, counted and logged."""

    DELIVERED = "delivered"
    RETRY = "retry"
    REJECTED = "rejected"
    PAUSED = "paused"


ADVICE_BY_REASON: dict[Reason, str] = {
    Reason.TIMEOUT: "it took too long to answer: look at its load, or raise the timeout",
    Reason.CONNECT: "nothing accepts connections there: check that it runs and that the port is reachable from here",
    Reason.DNS: "its host name cannot be resolved: check the url and the name servers",
    Reason.TLS: "its certificate or TLS version is not acceptable: renew the certificate or correct the url",
    Reason.PROXY: "its forward proxy cannot be used: check endpoint.proxy and that the proxy lets this url through",
    Reason.FORBIDDEN_ADDRESS: "its address is internal: name the network in its allow_private, or correct the url",
    Reason.DISCONNECTED: "it closed the connection before it answered: look at its log",
    Reason.PROTOCOL: "it does not answer in HTTP, or with huge headers: check that the url leads to a web server",
    Reason.REDIRECT: "it redirects, which is not followed: configure the final address as the url",
    Reason.AUTH: "it refuses the credentials: check the endpoint's bearer, password or headers",
    Reason.GONE: "it says the address is gone for good: correct the url, then resume it, or remove it",
    Reason.RATE_LIMITED: "it asks for fewer requests: lower the concurrency or raise its limit",
    Reason.CLIENT_ERROR: "it refuses the request: check the url and the format",
    Reason.SERVER_ERROR: "it fails inside: look at its log",
    Reason.INVALID_URL: "the url cannot be requested: correct it",
    Reason.UNREADABLE: "the stored event cannot be read by this version: upgrade",
    Reason.TEMPLATE: "its template fails: correct it; the log line and the delivery log say where",
    Reason.INTERNAL: "Switchhook itself failed: report the log line delivery.broken",
    Reason.ENDPOINT_REMOVED: "it is no longer configured: events from now on need it configured again",
    Reason.DISABLED: "it asked for a pause (webhook-delivery: disable): ask who runs it, then resume it",
    Reason.ABORTED: "it asked to abort this delivery (webhook-delivery: abort-message): ask who runs it",
    Reason.DEADLINE: "it was too late for this kind of event: raise its deadline if late is better than never",
    Reason.OPERATOR: "an operator paused it: resume it when it may go on",
}

# Answers that say "too much" or "not now": an early retry makes it worse.
OVERLOADED = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """The endpoint answered.

    `retry_after` and `webhook_delivery` are headers as they came, `excerpt` is a short redacted piece of a refusal's
    body, `body` its redacted beginning (16 KiB) whatever the status, `body_bytes` how much of it was read, `address`
    the peer as `ip:port`.
    """

    status: int
    retry_after: str | None = None
    webhook_delivery: str | None = None
    excerpt: str = ""
    body: str = ""
    body_bytes: int = 0
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """No answer came; `detail` is a redacted sentence, `address` the peer that was last tried, empty without one."""

    reason: Reason
    detail: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class Delivered:
    """The endpoint took it; and wants nothing more when it `disables` itself."""

    disables: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Not now. `overloaded` asks for a longer pause; `retry_after` is what the endpoint itself asked for."""

    reason: Reason
    overloaded: bool = False
    retry_after: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """Another attempt cannot help."""

    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """The endpoint takes nothing any more; the delivery waits with all others until an operator resumes it."""

    reason: Reason


Outcome = Delivered | Retry | Rejected | Paused

# What an endpoint may ask for by the response header `webhook-delivery`.
DISABLE = "disable"
ABORT = "abort-message"


# Faults of this side: they tell nothing about the endpoint.
OWN_FAULTS = frozenset(
    {Reason.INVALID_URL, Reason.UNREADABLE, Reason.INTERNAL, Reason.TEMPLATE, Reason.FORBIDDEN_ADDRESS}
)
# The reasons for which an attempt can fail; the others are given to deliveries and endpoints without one.
NOT_OF_ATTEMPTS = frozenset({Reason.NONE, Reason.ENDPOINT_REMOVED, Reason.DEADLINE, Reason.OPERATOR})

_HOPELESS = frozenset({Reason.INVALID_URL, Reason.UNREADABLE, Reason.TEMPLATE})


def classify(result: Response | Failure) -> Outcome:
    """The outcome of an attempt: 2xx is delivered, whatever time may heal is retried."""
    match result:
        case Failure(reason=reason):
            return Rejected(reason=reason) if reason in _HOPELESS else Retry(reason=reason)
        case Response(status=status) if 200 <= status < 300:  # noqa: PLR2004 - the range is the definition
            return Delivered(disables=_asks(result, DISABLE))
        case Response() if _asks(result, DISABLE):
            return Paused(reason=Reason.DISABLED)
        case Response(status=HTTPStatus.GONE):
            return Paused(reason=Reason.GONE)
        case Response() if _asks(result, ABORT):
            return Rejected(reason=Reason.ABORTED)
        case Response(status=status, retry_after=retry_after):
            return Retry(reason=_reason(status), overloaded=status in OVERLOADED, retry_after=retry_after)


def kind_of(outcome: Outcome) -> OutcomeKind:
    """The outcome's name."""
    match outcome:
        case Delivered():
            return OutcomeKind.DELIVERED
        case Retry():
            return OutcomeKind.RETRY
        case Rejected():
            return OutcomeKind.REJECTED
        case Paused():
            return OutcomeKind.PAUSED


def reason_of(outcome: Outcome) -> Reason:
    """The outcome's reason; `Reason.NONE` when it was delivered."""
    return Reason.NONE if isinstance(outcome, Delivered) else outcome.reason


def _asks(response: Response, word: str) -> bool:
    return response.webhook_delivery is not None and response.webhook_delivery.strip().lower() == word


def _reason(status: int) -> Reason:
    match status:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN | HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            return Reason.AUTH
        case HTTPStatus.TOO_MANY_REQUESTS:
            return Reason.RATE_LIMITED
        case _ if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return Reason.SERVER_ERROR
        case _ if status >= HTTPStatus.BAD_REQUEST:
            return Reason.CLIENT_ERROR
        case _:
            return Reason.REDIRECT

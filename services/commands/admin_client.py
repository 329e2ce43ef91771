"""Asks a running process over its admin API; whatever keeps it from answering becomes a sentence with a remedy."""

from __future__ import annotations

import http.client
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote, urlencode, urlsplit

import orjson
import typer

from services.commands.configuration import load
from switchhook.errors import AdminFailed, ConfigError
from switchhook.settings import parse_tcp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from switchhook.settings import Settings

TIMEOUT = 60.0  # seconds; a request of the API is bounded, but a loaded database may be slow
ROOT = "/api/v1"
_EVERY_INTERFACE = {None, "0.0.0.0", "::"}  # noqa: S104 - compared with, never bound

UrlOption = Annotated[
    str | None, typer.Option("--url", help="Address of the admin port.", show_default="that of admin.listen")
]
TokenFileOption = Annotated[
    Path | None, typer.Option("--token-file", help="File with the API's token.", show_default="admin.token_file")
]


class AdminClient:
    """Speaks to one address."""

    def __init__(self, url: str, token: str) -> None:
        """Raises `ConfigError` when the url is none."""
        refusal = ConfigError((f"--url {url}: must be like http://127.0.0.1:9464",))
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            self._port = parts.port
        except ValueError:
            raise refusal from None
        if parts.scheme not in {"http", "https"} or not parts.hostname or self._port == 0:
            raise refusal
        self._url = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self._is_safe = parts.scheme == "https"
        self._host, self._base = parts.hostname, parts.path.rstrip("/")
        self._token = token
        try:
            self._connection()  # which connects later
            self._host.encode("idna")
            self._base.encode("ascii")
        except (http.client.InvalidURL, UnicodeError):
            raise refusal from None

    def get(self, path: str, query: Mapping[str, object] | None = None) -> dict[str, Any]:
        """The document at a path under the API's root. Raises `AdminFailed`, `ConfigError`."""
        given = {key: value for key, value in (query or {}).items() if value not in (None, "", [], False)}
        text = urlencode(given, doseq=True)
        return self._ask("GET", f"{path}?{text}" if text else path)

    def post(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        """The answer to a body that is sent to a path under the API's root. Raises `AdminFailed`, `ConfigError`."""
        given = {key: value for key, value in body.items() if value not in (None, "", [])}
        return self._ask("POST", path, orjson.dumps(given))

    def delete(self, path: str) -> dict[str, Any]:
        """The answer to the removal of what is at a path under the API's root. Raises `AdminFailed`, `ConfigError`."""
        return self._ask("DELETE", path)

    def _ask(self, method: str, path: str, body: bytes | None = None) -> dict[str, Any]:
        connection = self._connection()
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, f"{self._base}{ROOT}{path}", body, headers)
            response = connection.getresponse()
            status, raw = response.status, response.read()
        except TimeoutError as error:
            raise AdminFailed(f"{self._url}: does not answer within {TIMEOUT:g} s: look at its log") from error
        except ssl.SSLError as error:
            raise AdminFailed(f"{self._url}: cannot be trusted or does not speak https ({error.reason})") from error
        except OSError as error:
            raise AdminFailed(
                f"{self._url}: nothing answers there ({error.strerror or error}): "
                "is Switchhook running? another address is named by --url"
            ) from error
        except http.client.HTTPException as error:
            raise AdminFailed(f"{self._url}: what answers there is no Switchhook: name the address by --url") from error
        finally:
            connection.close()
        return self._judged(status, raw)

    def _connection(self) -> http.client.HTTPConnection:
        if self._is_safe:
            return http.client.HTTPSConnection(self._host, self._port, timeout=TIMEOUT)
        return http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT)

    def _judged(self, status: int, raw: bytes) -> dict[str, Any]:
        try:
            document = orjson.loads(raw)
        except orjson.JSONDecodeError:
            document = None
        if not isinstance(document, dict):
            raise AdminFailed(f"{self._url}: what answers there is no Switchhook ({status}): name the address by --url")
        if status == http.HTTPStatus.OK:
            return document
        error, message = document.get("error", ""), document.get("message", "")
        if status == http.HTTPStatus.BAD_REQUEST:
            raise ConfigError((message,))  # how the command was used is wrong, and not what answers it
        if status == http.HTTPStatus.UNAUTHORIZED:
            message = "it does not accept this token: compare --token-file with its admin.token_file"
        elif error == "not_found":
            message = "the process there does not run this service: name the one that does by --url"
        raise AdminFailed(f"{self._url}: {message}")


def admin_client(
    context: typer.Context, config: Path | None, *, url: str | None, token_file: Path | None
) -> AdminClient:
    """The client of what the options name, else of what the configuration names. Raises `ConfigError`."""
    settings = None if url and token_file else load(context, config)
    return AdminClient(url or admin_address(settings), _token(settings) if token_file is None else _read(token_file))


def in_path(text: str) -> str:
    """A text as one step of a path."""
    return quote(text, safe="")


def admin_address(settings: Settings | None) -> str:
    """Where this machine reaches the admin port that the settings name. Raises `ConfigError`."""
    address = parse_tcp("" if settings is None else settings.admin.listen)
    if address.port == 0:
        raise ConfigError(("admin.listen: takes any free port (0): name the one that it has by --url",))
    host = "127.0.0.1" if address.host in _EVERY_INTERFACE else address.host or ""
    return f"http://[{host}]:{address.port}" if ":" in host else f"http://{host}:{address.port}"


def _token(settings: Settings | None) -> str:
    if settings is None or settings.admin.token is None:
        raise ConfigError(
            (
                "admin.token_file: is not set, so the admin API is off: write a token of at least 16 characters into a "
                "file, name the file there, and restart",
            )
        )
    return settings.admin.token.get_secret_value()


def _read(path: Path) -> str:
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigError((f"--token-file {path}: cannot be read: {reason}",)) from error
    if not token or not token.isascii() or not token.isprintable():
        raise ConfigError((f"--token-file {path}: holds no token",))
    return token

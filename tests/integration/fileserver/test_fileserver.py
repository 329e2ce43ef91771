"""Links over real connections: what is served, to whom, and what is refused."""

from __future__ import annotations

import asyncio
import gzip
import os
import ssl
from contextlib import suppress
from datetime import timedelta
from email import message_from_bytes
from email.policy import HTTP
from pathlib import Path

import pytest
import trustme

from services.fileserver.files import CHUNK
from services.fileserver.service import Fileserver, Limits
from switchhook.errors import AddressUnavailable, ConfigError
from switchhook.runtime.health import Health
from tests.deadline import eventually
from tests.integration.fileserver.conftest import AUDIO, PATH, Library
from tests.integration.fileserver.wire import fetch, send

OTHER_PATH = PATH.replace("_46-", "_47-")


async def test_a_signed_link_gives_the_whole_file(library: Library) -> None:
    async with library.serving() as port:
        answer = await fetch(port, library.link())
    assert (answer.status, answer.body) == (200, AUDIO)
    assert answer.headers["content-length"] == str(len(AUDIO))
    assert answer.headers["content-type"] == "audio/mpeg"
    assert answer.headers["content-disposition"] == 'inline; filename="260514140000_46-1-1.mp3"'
    assert answer.headers["accept-ranges"] == "bytes"
    assert library.counted(200) == 1
    assert library.registry.get_sample_value("switchhook_file_first_byte_seconds_count") == 1
    assert library.registry.get_sample_value("switchhook_file_sent_bytes_total") == len(AUDIO)


async def test_head_tells_what_get_would_and_sends_nothing(library: Library) -> None:
    async with library.serving() as port:
        head = await fetch(port, library.link(), "HEAD")
        get = await fetch(port, library.link())
    differing = {"date"}
    assert head.status == 200
    assert head.body == b""
    assert {k: v for k, v in head.headers.items() if k not in differing} == {
        k: v for k, v in get.headers.items() if k not in differing
    }


async def test_a_range_is_exact_to_the_byte(library: Library) -> None:
    async with library.serving() as port:
        answer = await fetch(port, library.link(), Range="bytes=1000-200999")
    assert answer.status == 206
    assert answer.body == AUDIO[1000:201000]
    assert answer.headers["content-range"] == f"bytes 1000-200999/{len(AUDIO)}"
    assert answer.headers["content-length"] == "200000"


async def test_the_tail_can_be_asked_for(library: Library) -> None:
    async with library.serving() as port:
        answer = await fetch(port, library.link(), Range="bytes=-10")
    assert (answer.status, answer.body) == (206, AUDIO[-10:])


async def test_a_range_outside_names_the_size(library: Library) -> None:
    async with library.serving() as port:
        answer = await fetch(port, library.link(), Range=f"bytes={len(AUDIO)}-")
    assert answer.status == 416
    assert answer.headers["content-range"] == f"bytes */{len(AUDIO)}"
    assert answer.error == "range_not_satisfiable"


async def test_several_ranges_come_in_one_answer(library: Library) -> None:
    async with library.serving() as port:
        answer = await fetch(port, library.link(), Range="bytes=0-1,300000-599999,-6")
    assert (answer.status, answer.headers["content-length"]) == (206, str(len(answer.body)))
    message = message_from_bytes(
        f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode() + answer.body, policy=HTTP
    )
    parts = [
        (part["Content-Range"], part["Content-Type"], part.get_payload(decode=True)) for part in message.iter_parts()
    ]
    size = len(AUDIO)
    assert parts == [
        (f"bytes 0-1/{size}", "audio/mpeg", AUDIO[:2]),
        (f"bytes 300000-599999/{size}", "audio/mpeg", AUDIO[300000:600000]),
        (f"bytes {size - 6}-{size - 1}/{size}", "audio/mpeg", AUDIO[-6:]),
    ]
    assert library.registry.get_sample_value("switchhook_file_sent_bytes_total") == 300_008


async def test_validators_of_an_answer_work_in_the_next_request(library: Library) -> None:
    async with library.serving() as port:
        first = await fetch(port, library.link(), "HEAD")
        tag, modified = first.headers["etag"], first.headers["last-modified"]
        by_tag = await fetch(port, library.link(), If_None_Match=tag)
        by_date = await fetch(port, library.link(), If_Modified_Since=modified)
        part_by_tag = await fetch(port, library.link(), Range="bytes=0-3", If_Range=tag)
        part_by_date = await fetch(port, library.link(), Range="bytes=0-3", If_Range=modified)
        stale = await fetch(port, library.link(), Range="bytes=0-3", If_Range='"stale"')
        lost = await fetch(port, library.link(), If_Match='"stale"')
    assert [by_tag.status, by_date.status, by_tag.body] == [304, 304, b""]
    assert by_tag.headers["etag"] == tag
    assert (by_tag.headers["cache-control"], by_tag.headers["vary"]) == (
        first.headers["cache-control"],
        first.headers["vary"],
    )
    assert [part_by_tag.status, part_by_date.status] == [206, 206]
    assert (stale.status, len(stale.body)) == (200, len(AUDIO))
    assert (lost.status, lost.error) == (412, "precondition_failed")


@pytest.mark.parametrize("path", [PATH, OTHER_PATH, "/webapi/recording/", "/webapi/recording/../links.key"])
async def test_without_a_signature_existing_and_missing_files_look_alike(library: Library, path: str) -> None:
    async with library.serving() as port:
        answer = await fetch(port, path)
    assert (answer.status, answer.error) == (403, "missing")
    assert library.counted(403) == 1


@pytest.mark.parametrize("path", [OTHER_PATH, PATH.replace("-1.mp3", "-2.mp3"), PATH.replace("-", "%2D")])
async def test_a_signature_opens_no_other_file(library: Library, path: str) -> None:
    async with library.serving() as port:
        query = library.link().partition("?")[2]
        answer = await fetch(port, f"{path}?{query}")
    assert (answer.status, answer.error) == (403, "forged")


async def test_an_expired_link_is_gone(library: Library) -> None:
    async with library.serving() as port:
        link = library.link(days=1)
        library.now += timedelta(days=1, seconds=1)
        answer = await fetch(port, link)
    assert (answer.status, answer.error) == (410, "expired")


async def test_a_genuine_link_to_a_purged_file_is_not_found(library: Library) -> None:
    async with library.serving() as port:
        answer = await fetch(port, library.link(OTHER_PATH))
    assert (answer.status, answer.error) == (404, "not_found")


async def test_a_link_opens_only_its_own_pbx(library: Library) -> None:
    (library.data_dir / "recordings" / "branch").mkdir()
    async with library.serving() as port:
        answer = await fetch(port, library.link(pbx="branch"))
    assert answer.status == 404


@pytest.mark.parametrize(
    "path", ["/", "/webapi", "/webapi/recording", "/metrics", "/../etc/passwd", "//webapi/recording/"]
)
async def test_there_is_nothing_else(library: Library, path: str) -> None:
    async with library.serving(links="open") as port:
        answer = await fetch(port, path)
    assert (answer.status, answer.error) == (404, "not_found")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
async def test_recordings_can_only_be_read(library: Library, method: str) -> None:
    async with library.serving() as port:
        answer = await fetch(port, library.link(), method)
    assert (answer.status, answer.error) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD"


async def test_open_links_need_no_signature(library: Library) -> None:
    async with library.serving(links="open") as port:
        found = await fetch(port, PATH)
        absent = await fetch(port, OTHER_PATH)
        traversal = await fetch(port, "/webapi/recording/..%2F..%2Flinks.key")
    assert (found.status, found.body) == (200, AUDIO)
    assert [absent.status, traversal.status] == [404, 404]


async def test_an_open_link_opens_the_recording_of_the_pbx_that_it_names(library: Library) -> None:
    """Two PBXs may have given a call the same id."""
    folder = library.data_dir / "recordings" / "branch"
    folder.mkdir()
    (folder / PATH.rpartition("/")[2]).write_bytes(AUDIO[::-1])
    async with library.serving(links="open") as port:
        answers = [await fetch(port, f"{PATH}?pbx={name}") for name in ("main", "branch", "elsewhere")]
    assert [answer.body for answer in answers[:2]] == [AUDIO, AUDIO[::-1]]
    assert answers[2].status == 404


async def test_a_compressed_neighbour_is_never_served(library: Library) -> None:
    folder = library.data_dir / "recordings" / "main"
    (folder / f"{PATH.rpartition('/')[2]}.gz").write_bytes(gzip.compress(b"other"))
    async with library.serving() as port:
        answer = await fetch(port, library.link(), Accept_Encoding="gzip, br")
    assert answer.body == AUDIO
    assert "content-encoding" not in answer.headers


async def test_health_needs_no_signature(library: Library) -> None:
    async with library.serving() as port:
        answer = await fetch(port, "/healthz")
    assert (answer.status, answer.body) == (200, b'{"status": "ok"}')


@pytest.mark.parametrize("raw", [b"\x16\x03\x01\x02\x00\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\nbroken\r\n\r\n"])
async def test_what_is_not_http_gets_the_same_kind_of_error(library: Library, raw: bytes) -> None:
    async with library.serving() as port:
        answer = await send(port, raw)
    assert (answer.status, answer.error) == (400, "bad_request")
    assert answer.headers["server"] == "Switchhook"


async def test_no_answer_names_the_software(library: Library) -> None:
    async with library.serving() as port:
        answers = [await fetch(port, target) for target in (library.link(), PATH, "/x", "/healthz")]
    assert {answer.headers["server"] for answer in answers} == {"Switchhook"}


async def test_an_unreadable_folder_is_an_error_of_ours_not_of_the_link(
    library: Library, caplog: pytest.LogCaptureFixture
) -> None:
    root = library.data_dir / "recordings"
    async with library.serving() as port:
        root.rename(library.data_dir / "moved")
        root.write_text("not a folder")
        answer = await fetch(port, library.link())
    assert (answer.status, answer.error) == (500, "internal")
    assert library.counted(500) == 1
    assert any(record.message == "recording.unreadable" for record in caplog.records)


async def test_tls(library: Library, tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with library.serving(tls_cert=certificate, tls_key=key) as port:
        answer = await fetch(port, library.link(), tls=trusting, Range="bytes=5-9")
    assert (answer.status, answer.body) == (206, AUDIO[5:10])


async def test_an_unusable_certificate_is_an_error_of_the_configuration(library: Library, tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("nonsense")
    with pytest.raises(ConfigError, match=r"fileserver\.tls_cert"):
        async with library.serving(tls_cert=tmp_path / "cert.pem", tls_key=tmp_path / "cert.pem"):
            pass


async def test_a_taken_address_is_named(library: Library, tmp_path: Path) -> None:
    async with library.serving() as port:
        other = Library(tmp_path / "other")
        with pytest.raises(ExceptionGroup) as raised:
            async with other.serving(listen=f"127.0.0.1:{port}"):
                pass
        assert raised.group_contains(AddressUnavailable, match=str(port))


async def test_a_client_that_stops_reading_is_dropped(library: Library) -> None:
    (library.data_dir / "recordings" / "main" / PATH.rpartition("/")[2]).write_bytes(bytes(32 * 1024 * 1024))
    async with library.serving(Limits(stall=timedelta(seconds=0.3))) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(f"GET {library.link()} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await reader.readexactly(100)
        await eventually(lambda: library.registry.get_sample_value("switchhook_file_dropped_total") == 1)
        assert await _received_until_the_end(reader) < 32 * 1024 * 1024
        writer.close()


async def test_a_silent_connection_is_closed(library: Library) -> None:
    async with library.serving(Limits(idle=timedelta(seconds=0.3))) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost:")
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()


async def test_a_connection_beyond_the_limit_is_closed_and_the_others_go_on(library: Library) -> None:
    async with library.serving(Limits(connections=2)) as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        await eventually(lambda: library.registry.get_sample_value("switchhook_file_connections") == 2)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await _received_until_the_end(reader) == 0
        writer.close()
        held[0][1].write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await held[0][0].readline()).startswith(b"HTTP/1.1 200")
        for _, other in held:
            other.close()


async def test_many_downloads_at_once_are_all_whole(library: Library) -> None:
    before = _open_files()
    async with library.serving() as port:
        answers = await asyncio.gather(*(fetch(port, library.link()) for _ in range(40)))
    assert all(answer.body == AUDIO for answer in answers)
    assert _open_files() <= before + 2


async def test_a_plain_file_is_sent_by_the_kernel(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    real = os.sendfile

    def watched(out: int, source: int, offset: int, count: int) -> int:
        sent.append(real(out, source, offset, count))
        return sent[-1]

    monkeypatch.setattr(os, "sendfile", watched)
    async with library.serving() as port:
        answer = await fetch(port, library.link())
    assert answer.body == AUDIO
    assert len(AUDIO) - 2 * CHUNK <= sum(sent) < len(AUDIO)  # the first piece comes with the headers


async def test_the_log_line_has_no_signature(library: Library, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with library.serving() as port:
        link = library.link()
        await fetch(port, link)
    line = next(record for record in caplog.records if record.message == "link.served")
    assert line.__dict__["recipient"] == "crm"
    assert line.__dict__["complete"] is True
    signature = link.rpartition("sig=")[2]
    assert not any(signature in str(record.__dict__) for record in caplog.records if record.name != "asyncio")


async def _received_until_the_end(reader: asyncio.StreamReader) -> int:
    received = 0
    with suppress(ConnectionError):
        while chunk := await asyncio.wait_for(reader.read(1 << 20), 10):
            received += len(chunk)
    return received


async def test_as_a_service_it_is_ready_when_it_serves_and_stops_when_it_is_told(library: Library) -> None:
    server = Fileserver.from_settings(library.settings(), registry=library.registry, clock=lambda: library.now)
    health = Health().service("fileserver")
    task = asyncio.create_task(server.run(health))
    await eventually(lambda: health.report().ready)
    port = int(server.address.rpartition(":")[2])
    assert (await fetch(port, library.link())).status == 200
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    with pytest.raises(ConnectionRefusedError):
        await fetch(port, "/healthz")


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))

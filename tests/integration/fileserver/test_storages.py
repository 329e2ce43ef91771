"""The same links over every kind of storage: a folder or a bucket, in plain or encrypted."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import aiohttp
import pytest

from switchhook.objects import GoneReason
from tests.integration.fileserver.conftest import AUDIO, PATH, Library
from tests.integration.fileserver.wire import fetch
from tests.s3_server import S3Server

if TYPE_CHECKING:
    from pathlib import Path

SMALL = AUDIO[:1000]
SMALL_PATH = PATH.replace("-1-1.mp3", "-1-2.mp3")


@pytest.fixture(params=["folder", "folder sealed", "bucket", "bucket sealed"])
def library(request: pytest.FixtureRequest, tmp_path: Path, s3_server: S3Server) -> Library:
    made = Library(tmp_path)
    if request.param.startswith("bucket"):
        made.storage = s3_server.storage(f"files-{os.urandom(6).hex()}")
    if request.param.endswith("sealed"):
        (tmp_path / "key").write_bytes(b"k" * 32)
        made.storage = made.storage.model_copy(update={"encryption_keys": {"first": tmp_path / "key"}})
    return made


async def test_a_recording_is_served_whole_and_in_parts(library: Library) -> None:
    tag = await library.put()
    await library.put(SMALL_PATH, SMALL)
    async with library.serving() as port:
        whole = await fetch(port, library.link())
        part = await fetch(port, library.link(), Range="bytes=65530-900000")
        several = await fetch(port, library.link(), Range="bytes=0-9,500000-500009")
        small = await fetch(port, library.link(SMALL_PATH))
        known = await fetch(port, library.link(), If_None_Match=f'"{tag}"')
    assert (whole.status, whole.body, whole.headers["etag"]) == (200, AUDIO, f'"{tag}"')
    assert (part.status, part.body) == (206, AUDIO[65530:900001])
    assert AUDIO[:10] in several.body
    assert AUDIO[500000:500010] in several.body
    assert (small.status, small.body) == (200, SMALL)
    assert (known.status, known.body) == (304, b"")


@pytest.mark.parametrize("reason", list(GoneReason))
async def test_a_deleted_recording_is_gone_and_another_one_is_not(library: Library, reason: GoneReason) -> None:
    await library.put()
    await library.remove(reason)
    async with library.serving() as port:
        answer = await fetch(port, library.link())
        page = await fetch(port, library.link(), Accept="text/html")
        other = await fetch(port, library.link(SMALL_PATH))
    assert (answer.status, answer.error) == (410, "deleted")
    assert (page.status, page.headers["content-type"]) == (410, "text/html; charset=utf-8")
    assert b"no longer kept" in page.body
    assert (other.status, other.error) == (404, "not_found")


async def test_an_open_link_finds_it_in_every_storage(library: Library) -> None:
    await library.put()
    async with library.serving(links="open") as port:
        answer = await fetch(port, PATH)
        outside = [await fetch(port, f"{PATH}?pbx={pbx}") for pbx in ("..", "main%2F..%2Fmain", "%00", "other")]
    assert (answer.status, answer.body) == (200, AUDIO)
    assert {one.status for one in outside} == {404}


async def test_many_at_once_are_whole(library: Library) -> None:
    await library.put()
    async with library.serving() as port, aiohttp.ClientSession() as http:

        async def body() -> bytes:
            async with http.get(f"http://127.0.0.1:{port}{library.link()}") as response:
                return await response.read()

        bodies = [await body() for _ in range(3)]
    assert all(one == AUDIO for one in bodies)


async def test_a_bucket_can_send_the_listener_to_itself(tmp_path: Path, s3_server: S3Server) -> None:
    library = Library(tmp_path, storage=s3_server.storage(f"files-{os.urandom(6).hex()}"))
    await library.put()
    async with library.serving(s3_delivery="redirect") as port:
        answer = await fetch(port, library.link(), Range="bytes=0-9")
        on_the_page = await fetch(port, f"{library.link()}&player=1")
        head = await fetch(port, library.link(), "HEAD")
        forged = await fetch(port, library.link().replace("sig=", "sig=x"))
    assert (answer.status, answer.body) == (302, b"")
    assert (on_the_page.status, on_the_page.body) == (200, AUDIO)
    # The bucket's address is signed for GET: with HEAD it would refuse.
    assert (head.status, head.headers["content-length"]) == (200, str(len(AUDIO)))
    assert forged.status == 403
    async with aiohttp.ClientSession() as http, http.get(answer.headers["location"]) as response:
        assert await response.read() == AUDIO


async def test_what_only_we_can_decrypt_is_never_redirected(tmp_path: Path, s3_server: S3Server) -> None:
    (tmp_path / "key").write_bytes(b"k" * 32)
    storage = s3_server.storage(f"files-{os.urandom(6).hex()}")
    library = Library(tmp_path, storage=storage.model_copy(update={"encryption_keys": {"first": tmp_path / "key"}}))
    await library.put()
    async with library.serving(s3_delivery="redirect") as port:
        answer = await fetch(port, library.link())
    assert (answer.status, answer.body) == (200, AUDIO)


async def test_without_its_key_a_recording_cannot_be_sent_and_the_log_says_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "key").write_bytes(b"k" * 32)
    library = Library(tmp_path)
    library.storage = library.storage.model_copy(update={"encryption_keys": {"first": tmp_path / "key"}})
    await library.put()
    library.storage = library.storage.model_copy(update={"encryption_keys": {"second": tmp_path / "key"}})
    async with library.serving() as port:
        answer = await fetch(port, library.link())
    assert (answer.status, answer.error) == (500, "internal")
    assert any('the key "first"' in str(record.__dict__) for record in caplog.records)


async def test_a_storage_that_is_down_is_said_and_tried_again(tmp_path: Path) -> None:
    server = S3Server()
    library = Library(tmp_path, storage=server.storage("files"))
    await library.put()
    async with library.serving() as port:
        before = await fetch(port, library.link())
        server.kill()
        answer = await fetch(port, library.link())
    assert before.status == 200
    assert (answer.status, answer.error) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0

"""Recordings through the running product, which loses its recorder three times meanwhile: none is lost, none is half.

Every row of `MATRIX` is a PBX of its own. All are played at once, for each source and each storage, and the recorder is
killed while it fetches, while it converts and while it stores. Two endpoints hear of every recording; the one in the
format `post` not of those that are absent or failed, for which that format has no word.

What cannot be heard (header only, too short, silent) is in `tests/integration/recorder/test_folder.py`.
"""

from __future__ import annotations

import asyncio
from array import array
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.listening import RATE, addresses, link_of, number_of
from tests.acceptance.striking import Moment
from tests.acceptance.studio import ENDPOINTS, STRUCK, Session, Setup, Studio
from tests.acceptance.takes import ABSENT, IN_TWO, READY, Take, Told, failed, lengths_of

if TYPE_CHECKING:
    from tests.receiver import Webhook
    from tests.s3_server import S3Server

pytestmark = pytest.mark.timeout(240)

_TOLERANCE = 0.15  # seconds: 0.1 of the MP3, and a block of the PBX's codec
_LOUD = 1000  # of 32,767: the quietest of the PBX's melodies is much louder


def of_both(told: Told) -> dict[str, Told]:
    """The same from either source."""
    return {"xapi": told, "folder": told}


def broken(about: str, fault: str, reason: str) -> Take:
    """A call whose file is of no use."""
    return Take(about=about, calls=("incoming-direct",), faults=(fault,), wanted=of_both(failed(reason)))


MATRIX = {
    "ordinary calls": Take(
        about="one comes in, one goes out", calls=("incoming-direct", "outgoing-answered"), wanted=of_both(READY)
    ),
    "several files": Take(
        about="one talk in two files", calls=("incoming-direct",), faults=("split-recording",), wanted=of_both(IN_TWO)
    ),
    "transfer chain": Take(
        about="three extensions, one after the other", calls=("incoming-transfer-chain",), wanted=of_both(READY)
    ),
    "chain, several files": Take(
        about="two extensions, two files of each",
        calls=("incoming-blind-transfer",),
        faults=("split-recording",),
        wanted=of_both(IN_TWO),
    ),
    "late rows": Take(
        about="listed, in the folder: there, 3 s after the end",
        calls=("incoming-blind-transfer",),
        lateness=3.0,
        wanted=of_both(READY),
    ),
    "late files": Take(
        about="listed at once, and can be fetched, in the folder: has grown to its end, 1.5 s later",
        calls=("incoming-direct",),
        faults=("late-recordings",),
        lateness=1.5,
        wanted=of_both(READY),
    ),
    "missing rows": Take(
        about="nothing was recorded", calls=("incoming-direct",), faults=("no-recording",), wanted=of_both(ABSENT)
    ),
    "missing files": Take(
        about="listed, and can never be fetched; in the folder: never grows to its end",
        calls=("incoming-direct",),
        faults=("late-recordings",),
        lateness=3600.0,
        wanted={"xapi": failed("file_not_found"), "folder": failed("truncated")},
    ),
    "cut-off files": broken("half of the sound", "truncated-recording", "truncated"),
    "files that are none": broken("a page about an error", "not-wav-recording", "not_wav"),
    "empty files": broken("0 bytes", "empty-recording", "empty"),
}
KILLED = Take(
    about="what the recorder is at work on in each moment",
    calls=("incoming-direct", "outgoing-answered"),
    wanted=of_both(READY),
)
SETUPS = {
    f"from the {source} to a {storage}": Setup(chosen, kept)
    for source, chosen in (("REST interface", "xapi"), ("PBX's folder", "folder"))
    for storage, kept in (("bucket", "s3"), ("folder", "folder"))
}


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory, s3_server: S3Server) -> dict[str, Session]:
    """All setups at the same time: most of it is waiting."""

    async def all_of_them() -> list[Session]:
        runs = []
        async with asyncio.TaskGroup() as group:
            for place, setup in enumerate(SETUPS.values()):
                studio = Studio(setup, tmp_path_factory.mktemp(f"setup{place}"), s3_server)
                takes = {name.translate(_NAMES): take for name, take in MATRIX.items()}
                runs.append(group.create_task(studio.session(takes, KILLED)))
        return [run.result() for run in runs]

    return dict(zip(SETUPS, asyncio.run(all_of_them()), strict=True))


_NAMES = str.maketrans({" ": "-", ",": None})


@pytest.mark.parametrize("row", [*MATRIX, STRUCK])
@pytest.mark.parametrize("setup", SETUPS)
def test_each_recording_is_told_once_to_each_endpoint_and_plays(
    setup: str, row: str, sessions: dict[str, Session]
) -> None:
    session, source = sessions[setup], SETUPS[setup].source
    recorded = session.takes[row.translate(_NAMES)]
    wanted = recorded.take.wanted[source]
    for play in recorded.plays:
        lengths = lengths_of(play, files=max(wanted.files, 1))
        for endpoint, form in ENDPOINTS.items():
            told = [one for one in session.of(endpoint, recorded.name) if number_of(one) == play.callid]
            # The newest link comes first.
            links = list(range(len(lengths), 0, -1)) if wanted.is_told(form) else []
            assert [link_of(one) for one in told] == links, endpoint
            for webhook in told:
                _check(webhook, wanted, lengths[link_of(webhook) - 1], session)


@pytest.mark.parametrize("setup", SETUPS)
def test_the_recorder_was_killed_in_each_moment(setup: str, sessions: dict[str, Session]) -> None:
    assert sessions[setup].struck == list(Moment)


@pytest.mark.parametrize("setup", SETUPS)
def test_nothing_else_was_told_and_nothing_went_wrong(setup: str, sessions: dict[str, Session]) -> None:
    session = sessions[setup]
    for told in session.told.values():
        assert [one for one, times in Counter(webhook.id for webhook in told).items() if times > 1] == []
        known = {play.callid for recorded in session.takes.values() for play in recorded.plays}
        assert {number_of(webhook) for webhook in told} <= known
    assert [one for one in session.log if one["level"] in ("error", "critical") or "traceback" in one] == []


@pytest.mark.parametrize("setup", SETUPS)
def test_the_storage_holds_what_was_announced_and_nothing_else(setup: str, sessions: dict[str, Session]) -> None:
    session = sessions[setup]
    announced = dict(one for webhook in session.told["archive"] for one in _files(webhook))
    assert announced
    assert {name: digest for name, digest in session.stored.items() if name.endswith(".mp3")} == announced
    assert session.stored.keys() - announced.keys() == {f"{name}.json" for name in announced}
    assert dict(session.rows["files"]) == announced
    assert session.left_over == []


@pytest.mark.parametrize("setup", SETUPS)
def test_nothing_is_owed_any_more(setup: str, sessions: dict[str, Session]) -> None:
    assert {name: rows for name, rows in sessions[setup].rows.items() if name != "files" and rows} == {}


def _files(webhook: Webhook) -> list[tuple[str, str]]:
    """Names in the storage and SHA-256 of what is announced in the format `standard`."""
    body: dict[str, Any] = webhook.json["data"]  # type: ignore[assignment]  # the format is known
    files = body["recording"]["files"]
    return [(f"{body['pbx']}/{one['url'].partition('?')[0].rpartition('/')[2]}", one["sha256"]) for one in files]


def _check(webhook: Webhook, wanted: Told, lengths: list[float], session: Session) -> None:
    body: dict[str, Any] = webhook.json
    if "type" in body:
        told = body["data"]["recording"]
        assert (body["type"], told["reason"]) == (f"recording.{wanted.kind}", wanted.reason)
    links = addresses(webhook)
    assert len(links) == wanted.files
    if not links:
        return
    sounds = [session.sounds[link] for link in links]
    heard = [len(sound) / 2 / RATE for sound in sounds]
    assert all(abs(one - real) < _TOLERANCE for one, real in zip(heard, lengths, strict=True)), (heard, lengths)
    assert all(max(array("h", sound)) > _LOUD for sound in sounds)

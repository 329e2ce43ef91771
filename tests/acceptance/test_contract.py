"""Every documented scenario comes out of the running product, in every order of frames, and every link plays."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from mutagen.mp3 import MP3

from tests.acceptance.contract import scenarios
from tests.acceptance.rehearsal import Act, Performance, rehearse

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLAIN = [Act(family, name) for family in ("post", "get") for name in scenarios(family)]
_VARIANTS = [
    *(Act("post", "incoming-blind-transfer", f"blind:{order}") for order in ("leaves-on-answer", "leaves-first")),
    *(
        Act("post", "incoming-attended-transfer", f"attended:{order}")
        for order in ("new-id", "join-first", "survivor-is-consultation")
    ),
    Act("post", "makecall-answered", "makecall:name-first"),
    Act("post", "makecall-missed", "makecall:name-first"),
]
_FAULTS = [
    Act("post", "incoming-answered", faults=("duplicate-upserts",)),
    Act("post", "incoming-answered", faults=("attached-participant",)),
    Act("post", "incoming-ring-group-ring-all", faults=("phantom-legs",)),
    Act("post", "incoming-blind-transfer", "blind:leaves-first", faults=("no-referred-by",)),
    Act("post", "incoming-answered", faults=("late-recordings",)),
    Act("get", "incoming-answered", faults=("party-did",)),
]
_WITHOUT_LOG = [Act("post", name, faults=("no-call-log",)) for name in scenarios("post")]
_PADDING = 0.125  # seconds; what an MP3 may be longer: the encoder's delay, up to the end of a frame
ACTS = [*_PLAIN, *_VARIANTS, *_FAULTS, *_WITHOUT_LOG]


@pytest.fixture(scope="module", params=["embedded", "split", "postgres"])
def performances(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Performance]:
    """All acts, played once in one process, once in four, and once in four on PostgreSQL."""
    folder = tmp_path_factory.mktemp(request.param)
    is_postgres = request.param == "postgres"
    database = request.getfixturevalue("cluster").url() if is_postgres else "sqlite:"
    split = request.param != "embedded"
    return asyncio.run(rehearse(ACTS, folder, split=split, database=database, inspect=_listen))


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.name)
@pytest.mark.timeout(240)
def test_webhooks_are_the_documented_ones(act: Act, performances: Mapping[str, Performance]) -> None:
    performance = performances[act.name]
    assert performance.differences() == []
    assert len(performance.webhooks) == len(performance.firsts()), "a webhook was repeated without need"


async def _listen(performance: Performance) -> None:
    """Every link plays: a range is a part, the whole is as long as the talk; without its signature it is refused."""
    talks = sorted(performance.talks)
    lengths = []
    async with aiohttp.ClientSession() as http:
        for link in performance.links():
            async with http.get(link, headers={"Range": "bytes=0-99"}) as part:
                assert (part.status, len(await part.read())) == (206, 100), link
            async with http.get(link) as whole:
                sound = await whole.read()
                assert (whole.status, whole.content_length) == (200, len(sound)), link
            async with http.get(link.partition("?")[0]) as unsigned:
                assert unsigned.status in {403, 429}, link  # after some of them, whoever asks is held back
            lengths.append(_length(sound))
    assert len(lengths) == len(talks)
    too_long = [one - other for one, other in zip(sorted(lengths), talks, strict=True) if abs(one - other) > _PADDING]
    assert not too_long, (lengths, talks)


def _length(sound: bytes) -> float:
    """Seconds, as a player sees them."""
    mp3: Any = MP3(io.BytesIO(sound))  # type: ignore[no-untyped-call]  # mutagen has no types
    return float(mp3.info.length)

"""Recordings through the running product, which loses its recorder meanwhile: each is told once, and plays.

From the PBX's REST interface into an encrypted bucket, and from its folder into a folder.
"""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from mutagen.mp3 import MP3

from simulator import Simulator, SimulatorOptions
from tests.acceptance.product import Product
from tests.acceptance.rehearsal import talks_of
from tests.acceptance.scene import pbx_and_endpoint
from tests.deadline import eventually
from tests.receiver import WebhookReceiver

if TYPE_CHECKING:
    from pathlib import Path

    from tests.receiver import Webhook
    from tests.s3_server import S3Server

PATIENCE = 90.0
SCENARIOS = ("incoming-blind-transfer", "incoming-attended-transfer", "incoming-direct", "outgoing-answered")
CASES = {
    "rest to an encrypted bucket": ("xapi", "s3", "split-recording"),
    "folder to a folder": ("folder", "folder", "late-recordings"),
}


def environment(case: str, folder: Path, s3_server: S3Server) -> dict[str, str]:
    source, place, _ = CASES[case]
    environ: dict[str, str] = {}
    if source == "folder":
        environ |= {"SWITCHHOOK_RECORDER__SOURCE": "folder", "SWITCHHOOK_RECORDER__FOLDER": str(folder / "pbx")}
    if place == "s3":
        bucket = f"accepted-{os.urandom(6).hex()}"
        s3_server.bucket(bucket)
        (folder / "key").write_text(os.urandom(32).hex())
        environ |= {
            "SWITCHHOOK_STORAGE__URL": f"s3://{bucket}/here",
            "SWITCHHOOK_STORAGE__ENDPOINT": s3_server.url,
            "SWITCHHOOK_STORAGE__ACCESS_KEY": "test",
            "SWITCHHOOK_STORAGE__SECRET_KEY": "test",
            "SWITCHHOOK_STORAGE__ENCRYPTION_KEYS": f'{{ "2026" = "{folder / "key"}" }}',
        }
    return environ


@pytest.mark.parametrize("case", CASES)
@pytest.mark.timeout(240)
async def test_each_recording_is_told_once_and_plays(case: str, tmp_path: Path, s3_server: S3Server) -> None:
    (tmp_path / "pbx").mkdir()
    options = SimulatorOptions(
        speed=4, recordings_dir=tmp_path / "pbx", timezone="Europe/Prague", faults=(CASES[case][2],)
    )
    async with Simulator(options) as pbx, WebhookReceiver() as receiver:
        tables = pbx_and_endpoint("main", pbx=pbx.url, endpoint=receiver.url)
        environ = environment(case, tmp_path, s3_server)
        async with Product(tmp_path, tables, split=True, environ=environ) as product:
            plays = [pbx.play(name) for name in SCENARIOS]
            for play in plays:
                await play
            for _ in range(2):
                await product.kill("recorder")
                await product.start("recorder")
            talks = [talk for play in plays for talk in talks_of(play)]
            await eventually(lambda: len(recordings(receiver)) >= len(talks), within=PATIENCE)
            lengths = await listened(recordings(receiver))
            assert await product.problems("recorder") == {}
    told = recordings(receiver)
    assert len({webhook.id for webhook in told}) == len(told) == len(talks)
    # A file has at least a second, so a recording in two parts has two.
    wanted = sorted(max(talk, 2.0) if CASES[case][2] == "split-recording" else talk for talk in talks)
    assert all(abs(ours - real) < 0.3 for ours, real in zip(sorted(lengths), wanted, strict=True)), (lengths, wanted)


def recordings(receiver: WebhookReceiver) -> list[Webhook]:
    return [webhook for webhook in receiver.webhooks if webhook.json["Event"] == "recording"]


async def listened(webhooks: list[Webhook]) -> list[float]:
    """For each webhook the seconds of all its files together, as a player sees them."""
    lengths = []
    async with aiohttp.ClientSession() as http:
        for webhook in webhooks:
            total = 0.0
            addresses: Any = webhook.json["FileUrls"]
            for address in addresses:
                async with http.get(address) as response:
                    assert response.status == 200, address
                    sound: Any = MP3(io.BytesIO(await response.read()))  # type: ignore[no-untyped-call]  # mutagen has no types
                    total += float(sound.info.length)
            lengths.append(total)
    return lengths

"""What webhooks tell of recordings, in either format, and how what they announce sounds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp

from services.recorder.transcoder import find_ffmpeg
from tests.acceptance.contract import call_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.receiver import Webhook

RATE = 8000
"""Samples a second."""


def number_of(webhook: Webhook) -> int:
    """The PBX's number of the call that a webhook tells of."""
    return int(call_of(webhook).rpartition("_")[2])


def link_of(webhook: Webhook) -> int:
    """The number of its link."""
    body: dict[str, Any] = webhook.json
    return int(body["Id"].rpartition("-")[2]) if "Id" in body else int(body["data"]["call"]["link"])


def addresses(webhook: Webhook) -> list[str]:
    """The links of a webhook, in order."""
    body: dict[str, Any] = webhook.json
    if "FileUrls" in body:
        return list(body["FileUrls"])
    return [one["url"] for one in body["data"]["recording"]["files"]]


async def heard(webhooks: Sequence[Webhook]) -> dict[str, bytes]:
    """What each announced address gives, as samples (16 bits, one channel, `RATE`); nothing where ffmpeg complains."""
    sounds: dict[str, bytes] = {}
    decoded: dict[bytes, bytes] = {}
    async with aiohttp.ClientSession() as http:
        for address in (one for webhook in webhooks for one in addresses(webhook)):
            async with http.get(address) as response:
                assert response.status == 200, address
                content = await response.read()
            if content not in decoded:
                decoded[content] = await _decoded(content)
            sounds[address] = decoded[content]
    return sounds


async def _decoded(content: bytes) -> bytes:
    quiet = ("-v", "error", "-f", "mp3", "-i", "pipe:0", "-f", "s16le", "-ac", "1", "-ar", str(RATE), "pipe:1")
    process = await asyncio.create_subprocess_exec(
        *(find_ffmpeg(None), *quiet),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    samples, complaints = await process.communicate(content)
    return b"" if process.returncode or complaints else samples

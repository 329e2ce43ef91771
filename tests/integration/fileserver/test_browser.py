"""The player page in a real Chromium: it shows, draws and plays, and nothing on it is refused by its own policy."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from typing import TYPE_CHECKING

import imageio_ffmpeg
import pytest
from playwright.async_api import Browser, Page, async_playwright

from tests.integration.fileserver.conftest import PATH, Library

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

WAVEFORM = bytes(range(20, 220))
# The place of the bar that is drawn highest.
_TALLEST = """() => {
  const bars = document.getElementById("peaks").getAttribute("d").split("z").filter(Boolean);
  const heights = bars.map((bar) => Number(bar.split("V")[1].split("H")[0]) - Number(bar.split(" ")[1].split("H")[0]));
  return heights.indexOf(Math.max(...heights));
}"""

# A root user has no sandbox; a container has little shared memory.
_FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--autoplay-policy=no-user-gesture-required"]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        yield started
        await started.close()


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Three seconds that can be heard, as an MP3."""
    path: Path = tmp_path_factory.mktemp("speech") / "speech.mp3"
    tone = ["-f", "lavfi", "-i", "sine=frequency=440:duration=3", "-ac", "1", "-b:a", "32k"]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *tone, path], check=True)
    return path.read_bytes()


async def test_the_player_shows_draws_and_plays(library: Library, browser: Browser, speech: bytes) -> None:
    await library.put(PATH, speech, waveform=WAVEFORM)
    page = await browser.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    async with library.serving() as port:
        await page.goto(f"http://127.0.0.1:{port}{library.link()}")
        assert await page.title() == "Recording 260514140000_46-1-1"
        assert "603123456" in await page.inner_text("dl")
        await page.wait_for_function("document.getElementById('audio').readyState > 0")
        assert await page.evaluate(_TALLEST) == len(WAVEFORM) - 1
        length = await page.evaluate("document.getElementById('audio').duration")
        assert length == pytest.approx(3.0, abs=0.15)
        await page.evaluate("document.getElementById('audio').play()")
        await _until_at(page, lambda at: at > 0.3)
        await page.evaluate("document.getElementById('audio').pause()")
        assert 80 < await _played(page) < 900
        await page.click("#waveform", position={"x": 2, "y": 40})
        await _until_at(page, lambda at: at < 0.3)
        async with page.expect_download() as downloading:
            await page.click("#download")
        download = await downloading.value
        assert download.suggested_filename == "260514140000_46-1-1.mp3"
        await page.close()
    # An icon is asked for by the browser itself.
    assert [one for one in complaints if "404" not in one] == []


@pytest.mark.parametrize("waveform", [WAVEFORM, b""])
async def test_the_waveform_is_seen_without_any_script(library: Library, browser: Browser, waveform: bytes) -> None:
    """A recording of an older version has none: there is a bar."""
    await library.put(waveform=waveform)
    context = await browser.new_context(java_script_enabled=False, viewport={"width": 700, "height": 500})
    page = await context.new_page()
    async with library.serving() as port:
        await page.goto(f"http://127.0.0.1:{port}{library.link()}")
        picture = await page.locator("#waveform").screenshot()
        await context.close()
    inked = _inked_rows(picture)
    assert (len(inked) > 60) if waveform else (1 <= len(inked) <= 6)


async def test_a_link_that_does_not_work_is_explained(library: Library, browser: Browser) -> None:
    page = await browser.new_page()
    async with library.serving() as port:
        response = await page.goto(f"http://127.0.0.1:{port}{PATH}")
        heading = await page.inner_text("h1")
        await page.close()
    assert response is not None
    assert response.status == 403
    assert heading == "This link is not complete"


async def _until_at(page: Page, is_there: Callable[[float], bool]) -> None:
    """Waits for the player's place in the recording; asked from outside, for the page itself may not evaluate text."""
    async with asyncio.timeout(30):
        while not is_there(await page.evaluate("document.getElementById('audio').currentTime")):  # noqa: ASYNC110 - in another process
            await asyncio.sleep(0.05)


async def _played(page: Page) -> float:
    """How far the waveform shows that it was played, of 1,000."""
    return float(await page.get_attribute("#progress", "width") or 0)


def _inked_rows(picture: bytes) -> list[int]:
    """The rows of a PNG that are not of one colour."""
    raw = ["-v", "error", "-f", "png_pipe", "-i", "pipe:0", "-f", "rawvideo", "-pix_fmt", "gray", "pipe:1"]
    ran = subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), *raw], input=picture, capture_output=True, check=True)
    width = int.from_bytes(picture[16:20])
    rows = [ran.stdout[start : start + width] for start in range(0, len(ran.stdout), width)]
    paper = rows[0][0]
    return [place for place, row in enumerate(rows) if any(abs(one - paper) > 40 for one in row)]

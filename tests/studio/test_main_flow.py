"""The way that most people go, with the real server and the embedded model."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import av
import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

_MAKING = 120_000  # milliseconds; a slow machine loads the model first

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_create_watch_extend_loop_storyboard_download_verify(
    server: str, page: "Page", tmp_path: Path
) -> None:
    page.goto(server)
    _create(page)
    first = _watched(page)
    page.get_by_role("button", name="Extend", exact=True).click()
    page.get_by_label("Prompt (may be left out)").fill("a green cone slides in from the left")
    page.get_by_role("slider", name="Length").fill("1")
    _go_on(page, page.get_by_role("button", name="Make it"))
    extended = _watched(page)
    assert _seconds(page) == pytest.approx(2.0, abs=0.2)
    page.get_by_role("button", name="Loop", exact=True).click()
    _go_on(page, page.get_by_role("button", name="Make it"))
    looped = _watched(page)
    assert len({first, extended, looped}) == 3
    assert page.get_by_role("heading", name="Made from").is_visible()
    _storyboard(page)
    file = _download(page, tmp_path)
    with av.open(str(file)) as container:
        frames = sum(1 for _ in container.decode(video=0))
    assert frames == 16 * (1 + 1 + 1 + 0.5 + 0.5)  # created, extended, looped, a prompt, and on from it
    _verify(page, file)


def test_live_video_goes_on_while_one_types(server: str, page: "Page") -> None:
    page.goto(f"{server}/#/live")
    page.get_by_role("textbox", name="What is there to begin with?").fill("a red ball falls")
    page.keyboard.press("Enter")
    shown = "n => Number(document.querySelector('.live canvas').dataset.frames) >= n"
    page.wait_for_function(shown, arg=8, timeout=_MAKING)
    page.get_by_role("textbox", name="What happens next?").fill("a green cone slides in from the left")
    page.keyboard.press("Enter")
    page.wait_for_function(shown, arg=24, timeout=_MAKING)
    pixels = "c => new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size"
    assert page.locator(".live canvas").evaluate(pixels) > 16
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("The session is over.").wait_for()
    assert page.get_by_role("alert").count() == 0


def _create(page: "Page") -> None:
    """Write a prompt, choose options, send it off, and look at it."""
    page.get_by_role("textbox", name="Describe your video").fill("a red ball falls next to a blue cube")
    page.get_by_role("button", name="Size, length, count and seed").click()
    page.get_by_role("radio", name="128×128").check()
    page.get_by_role("slider", name="Length").fill("1")
    page.get_by_role("spinbutton", name="Seed").fill("7")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Create").click()
    page.locator(".card a").first.click()


def _go_on(page: "Page", way: "Locator") -> None:
    """Click on what leads to the next video, and be there."""
    before = page.url
    way.click(timeout=_MAKING)
    page.wait_for_url(lambda url: url != before)


def _watched(page: "Page") -> str:
    """Wait for a frame while it is made and for the video; its address."""
    seen = page.locator("[data-testid=preview] img, .details .stage-frame > video")
    seen.first.wait_for(timeout=_MAKING)
    page.locator(".details .stage-frame > video").wait_for(timeout=_MAKING)
    _is_playable(page.locator(".details .stage-frame > video"))
    return page.url


def _is_playable(video: "Locator") -> None:
    video.evaluate(
        """video => new Promise((resolve, reject) => {
            video.onerror = () => reject(new Error("the browser cannot play it"));
            if (video.readyState >= 2) resolve(); else video.onloadeddata = resolve;
        })"""
    )


def _seconds(page: "Page") -> float:
    return float(page.locator(".details video").evaluate("video => video.duration"))


def _storyboard(page: "Page") -> None:
    """The loop, a gap, and a prompt that goes on; made, and opened."""
    page.get_by_role("button", name="To timeline").click()
    page.get_by_role("link", name="Open timeline").click()
    page.get_by_role("button", name="Add prompt").click()
    page.get_by_label("Prompt", exact=True).fill("the red ball rolls in from the left")
    page.get_by_label("Length").fill("0.5")
    page.get_by_label("Length").press("Enter")
    page.get_by_role("button", name="Go on after the end").click()
    page.get_by_label("Length").fill("0.5")
    page.get_by_label("Length").press("Enter")
    page.get_by_role("button", name="Make video").click()
    _go_on(page, page.get_by_role("link", name="Watch"))
    _watched(page)


def _download(page: "Page", folder: Path) -> Path:
    with page.expect_download() as download:
        page.get_by_role("button", name="Download", exact=True).click()
    file = folder / download.value.suggested_filename
    download.value.save_as(file)
    assert file.suffix == ".mp4"
    return file


def _verify(page: "Page", file: Path) -> None:
    """The file is ours as it was downloaded, and another no longer once it is changed."""
    card = page.locator(".credentials [data-verdict]")
    card.wait_for()
    said = card.get_attribute("data-verdict")
    page.get_by_role("button", name="Close").click()
    page.get_by_role("link", name="Verify").click()
    assert said == _verdict(page, file) == "ours and intact"
    changed = file.with_name("changed.mp4")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    changed.write_bytes(content)
    assert _verdict(page, changed) != "ours and intact"


def _verdict(page: "Page", file: Path) -> str | None:
    with page.expect_file_chooser() as chooser:
        page.locator(".verify").get_by_role("button").first.click()
    with page.expect_response(re.compile("/v1/verify"), timeout=60_000):
        chooser.value.set_files(file)
    verdict = page.locator(".verify [data-verdict]")
    verdict.wait_for()
    return verdict.get_attribute("data-verdict")

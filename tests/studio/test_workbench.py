"""What the studio asks the server for, and how it shows what the server has: no model is needed for that."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tenku.media import Video, read_picture, write_video

if TYPE_CHECKING:
    from playwright.sync_api import Page

PROMPT = "a red ball falls"
_NAMELESS = re.compile(r'^\s*- (?:button|link|textbox|slider|spinbutton|combobox|radio)\b(?! ").*', re.M)
Serving = Callable[..., AbstractContextManager[str]]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds in which every frame has its own shade."""
    shades = np.linspace(20, 230, 32, dtype=np.uint8)
    frames = np.broadcast_to(shades[:, None, None, None], (32, 96, 160, 3)).copy()
    path = tmp_path_factory.mktemp("clips") / "shades.mp4"
    write_video(path, Video(frames, fps=16))
    return path


@pytest.fixture
def uploaded(idle_server: str, page: "Page", clip: Path) -> Iterator[str]:
    """The id of the clip in the library, which is open on the page."""
    page.goto(idle_server)
    _drop(page, clip)
    page.locator(".card.completed").first.wait_for()
    identifier = page.locator(".card.completed").first.get_attribute("data-id")
    assert identifier is not None
    yield identifier
    page.request.delete(f"{idle_server}/v1/videos/{identifier}")


def test_prompts_become_jobs_that_can_be_cancelled_and_survive_a_reload(
    idle_server: str, page: "Page"
) -> None:
    page.goto(idle_server)
    page.get_by_role("button", name="Size, length, count and seed").click()
    page.get_by_role("radio", name="160×96").check()
    page.get_by_role("group", name="Videos").get_by_role("radio", name="2", exact=True).check()
    page.get_by_role("spinbutton", name="Seed").fill("41")
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type(PROMPT)
    page.keyboard.press("Enter")
    page.locator(".card.queued").nth(1).wait_for()
    jobs = _listed(page, idle_server)
    assert [job["seed"] for job in jobs] == [42, 41]
    assert {(job["prompt"], job["size"], job["seconds"]) for job in jobs} == {(PROMPT, "160x96", "2")}
    page.reload()
    page.locator(".card.queued").nth(1).wait_for()
    for left in (1, 0):
        page.get_by_role("button", name=f"Cancel: {PROMPT}").first.click()
        page.wait_for_function("n => document.querySelectorAll('.card.queued').length === n", arg=left)
    page.get_by_role("button", name="Discard").first.click()
    page.get_by_role("button", name="Discard").first.click()
    page.get_by_role("heading", name="Nothing here yet").wait_for()


def test_what_happens_elsewhere_is_seen_at_once(idle_server: str, page: "Page") -> None:
    page.goto(idle_server)
    page.get_by_role("heading", name="Nothing here yet").wait_for()
    job = _create(page, idle_server, PROMPT)
    page.locator(f".card.queued[data-id={job['id']}]").wait_for()
    page.request.delete(f"{idle_server}/v1/videos/{job['id']}")
    page.get_by_role("heading", name="Nothing here yet").wait_for()


def test_the_gallery_survives_a_restart_while_it_is_open(
    serving: Serving, tmp_path: Path, page: "Page"
) -> None:
    with serving(tmp_path, workers=0) as address:
        page.goto(address)
        _create(page, address, PROMPT)
        page.locator(".card.queued").wait_for()
    page.get_by_text("The server does not answer").wait_for()
    with serving(tmp_path, workers=0, port=int(address.rpartition(":")[2])):
        page.get_by_text("The server does not answer").wait_for(state="hidden")
        _create(page, address, "a blue cone spins")
        page.locator(".card.queued").nth(1).wait_for()


def test_a_refusal_is_shown_as_the_sentence_that_it_is(
    idle_server: str, page: "Page", tmp_path: Path
) -> None:
    page.goto(idle_server)
    text = tmp_path / "notes.mp4"
    text.write_text("no video at all")
    _drop(page, text)
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert re.search(r"[A-Z'‘\"].{20,}", alert.inner_text())
    assert _listed(page, idle_server) == []


def test_the_player_goes_frame_by_frame(page: "Page", uploaded: str) -> None:
    page.locator(".card.completed a").first.click()
    page.locator(".details video").wait_for()
    page.keyboard.press("Home")
    position = page.get_by_role("slider", name="Position")
    shades = [_shade(page)]
    for key, frame in ((".", 2), ("ArrowRight", 3), (",", 2), ("ArrowLeft", 1), ("End", 32)):
        page.keyboard.press(key)
        assert position.get_attribute("aria-valuetext") == f"frame {frame} of 32"
        shades.append(_shade(page))
    first, second, third, second_again, first_again, last = shades
    assert first < second < third < last
    assert (first_again, second_again) == (first, second)
    page.keyboard.press("Home")
    page.evaluate(  # as fast as a key that is held down
        """() => {
            for (let presses = 0; presses < 20; presses += 1)
                dispatchEvent(new KeyboardEvent("keydown", { key: "." }));
        }"""
    )
    page.wait_for_function(
        "() => document.querySelector('.scrubber').getAttribute('aria-valuetext') === 'frame 21 of 32'"
    )
    page.keyboard.press(" ")
    page.wait_for_function("() => !document.querySelector('.details video').paused")
    page.keyboard.press("Escape")
    page.locator(".details").wait_for(state="detached")


def test_a_mask_is_painted_with_keys_and_pointer(
    page: "Page", uploaded: str, idle_server: str, idle_home: Path
) -> None:
    page.locator(".card.completed a").first.click()
    page.locator(".details video").wait_for()
    page.keyboard.press("m")
    make = page.get_by_role("button", name="Make it")
    page.get_by_label("Prompt", exact=True).fill("a blue cube")
    assert make.is_disabled()
    canvas = page.get_by_role("application")
    canvas.focus()
    page.keyboard.press(" ")
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 10, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + 10, steps=4)
    page.mouse.up()
    with page.expect_response("**/v1/videos/edits"):
        make.click()
    (mask,) = idle_home.rglob("mask.png")
    white = read_picture(mask).mean(-1)
    assert white.shape == (96, 160)
    assert white[48, 80] == 255
    assert white[4, 4] == 255
    assert white[90, 150] == 0
    assert _listed(page, idle_server)[0]["prompt"] == "a blue cube"
    _delete_newest(page)


@pytest.mark.parametrize(
    ("key", "kind"), [("e", "extension"), ("l", "loop"), ("r", "remix"), ("f", "fill"), ("b", "blend")]
)
def test_each_tool_asks_for_what_it_says(
    page: "Page", uploaded: str, clip: Path, idle_server: str, key: str, kind: str
) -> None:
    parents = [uploaded]
    if kind == "blend":
        _drop(page, clip)
        page.locator(".card.completed").nth(1).wait_for()
        parents += [video["id"] for video in _listed(page, idle_server) if video["id"] != uploaded]
    page.locator(f".card[data-id={uploaded}] a").click()
    page.locator(".details video").wait_for()
    page.keyboard.press(key)
    if kind == "blend":
        page.get_by_role("group", name="Turns into").get_by_role("radio").check()
    page.get_by_role("textbox", name="Prompt").fill(PROMPT)
    page.get_by_role("button", name="Make it").click()
    page.locator(".details").get_by_text("Next").wait_for()
    job = _listed(page, idle_server)[0]
    assert (job["kind"], job["prompt"], job["parents"]) == (kind, PROMPT, parents)
    for identifier in (job["id"], *parents[1:]):
        page.request.delete(f"{idle_server}/v1/videos/{identifier}")


def test_a_timeline_is_laid_out_by_keyboard_alone(page: "Page", uploaded: str) -> None:
    page.keyboard.press("2")
    page.get_by_role("button", name=re.compile("Add to the timeline")).press("Enter")
    page.get_by_role("button", name="Add prompt").press("Enter")
    page.get_by_role("button", name=re.compile("^Prompt, 2 to 4 seconds")).focus()
    page.keyboard.press("Enter")
    page.keyboard.type(PROMPT)
    page.get_by_role("button", name=re.compile("^Prompt, 2 to 4 seconds")).focus()
    page.keyboard.press("j")  # a cut instead of going on
    for _ in range(2):
        page.keyboard.press("]")
    page.get_by_role("button", name=re.compile("Add to the timeline")).press("Enter")
    page.get_by_role("button", name=re.compile("^Clip, 4.5 to 6.5 seconds")).focus()
    for key in ("Shift+ArrowRight", "Shift+ArrowRight", "[", "[", "[", "[", "ArrowLeft", "Enter"):
        page.keyboard.press(key)
    page.keyboard.type("it rolls away")
    with page.expect_request("**/v1/videos/storyboards") as sent:
        page.get_by_role("button", name="Make video").press("Enter")
    video = {"id": uploaded}
    assert sent.value.post_data_json["scenes"] == [
        {"start": 0, "seconds": 2, "video": video},
        {"start": 2, "seconds": 2.5, "prompt": PROMPT, "transition": "cut"},
        {"start": 4.5, "seconds": 0.5, "prompt": "it rolls away", "transition": "continue"},
        {"start": 5, "seconds": 1, "video": video, "transition": "continue"},
    ]
    _delete_newest(page)


def test_a_clip_is_cut_and_its_beginning_left_out_by_keyboard(page: "Page", uploaded: str) -> None:
    page.keyboard.press("2")
    page.get_by_role("button", name=re.compile("Add to the timeline")).press("Enter")
    page.get_by_role("button", name=re.compile("^Clip, 0 to 2 seconds")).focus()
    page.keyboard.press("}")
    page.keyboard.press("}")
    for _ in range(12):
        page.keyboard.press(".")
    page.keyboard.press("s")
    with page.expect_request("**/v1/videos/storyboards") as sent:
        page.get_by_role("button", name="Make video").press("Enter")
    video = {"id": uploaded}
    assert sent.value.post_data_json["scenes"] == [
        {"start": 0, "seconds": 0.75, "video": video, "offset": 0.5},
        {"start": 0.75, "seconds": 0.75, "video": video, "offset": 1.25, "transition": "cut"},
    ]
    _delete_newest(page)


def test_clips_and_prompts_are_dragged_onto_the_timeline(page: "Page", uploaded: str) -> None:
    page.get_by_role("link", name="Timeline").click()
    track = page.locator(".track")
    page.locator(".tray button").first.drag_to(track)
    page.get_by_role("button", name=re.compile("^Clip, 0 to 2 seconds")).wait_for()
    page.get_by_role("button", name="Add prompt").drag_to(track, target_position={"x": 700, "y": 80})
    prompt = page.locator(".block.prompt")
    prompt.wait_for()
    before = prompt.bounding_box()
    assert before is not None
    page.mouse.move(before["x"] + 40, before["y"] + 40)
    page.mouse.down()
    page.mouse.move(before["x"] + 400, before["y"] + 40, steps=8)
    page.mouse.up()
    assert page.locator(".block.gap").count() == 1
    page.keyboard.press("Control+z")
    assert page.locator(".block.prompt").count() == 1


def test_a_server_with_keys_asks_for_one(
    serving: Serving, new_key: Callable[[Path], str], tmp_path: Path, page: "Page", clip: Path
) -> None:
    key = new_key(tmp_path)
    with serving(tmp_path, workers=0) as address:
        page.goto(address)
        page.get_by_label("API key").fill("wrong")
        page.get_by_role("button", name="Save").click()
        page.get_by_text("This server wants to know who you are").wait_for()
        page.get_by_label("API key").fill(key)
        page.get_by_role("button", name="Save").click()
        page.get_by_role("heading", name="Nothing here yet").wait_for()
        _drop(page, clip)
        page.locator(".card.completed a").first.click()  # with a key, pictures and videos are fetched first
        page.locator(".details video").wait_for()
        page.wait_for_function("() => document.querySelector('.details video').readyState >= 2")
        page.reload()
        page.locator(".details video").wait_for()


@pytest.mark.parametrize("width", [360, 768, 1280, 2200])
def test_nothing_sticks_out_sideways(idle_server: str, new_page: "Callable[..., Page]", width: int) -> None:
    page = new_page(viewport={"width": width, "height": 760})
    for place in ("", "#/timeline", "#/live", "#/verify"):
        page.goto(f"{idle_server}/{place}")
        page.locator("main").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, place
        assert page.locator(".composer").count() == 0 or _is_inside(page, ".composer", width)


def test_language_and_theme(idle_server: str, new_page: "Callable[..., Page]") -> None:
    page = new_page(locale="zh-CN", color_scheme="light", viewport={"width": 1280, "height": 800})
    page.goto(idle_server)
    page.get_by_role("textbox", name="描述你的视频").wait_for()
    assert page.evaluate("document.documentElement.lang") == "zh-Hans"
    light = _brightness(page)
    page.get_by_role("button", name="Switch to English").click()
    page.get_by_role("textbox", name="Describe your video").wait_for()
    page.get_by_role("button", name="Theme: as the system").click()
    assert _brightness(page) < light
    page.reload()
    page.get_by_role("button", name="Theme: dark").wait_for()


def test_everything_has_a_name(page: "Page", uploaded: str) -> None:
    """Buttons, links and fields are named for those who cannot see them."""
    for place in ("#/", "#/timeline", "#/live", "#/verify", f"#/video/{uploaded}"):
        page.evaluate("place => { location.hash = place }", place)
        page.wait_for_timeout(200)
        nameless = _NAMELESS.findall(page.locator("body").aria_snapshot())
        assert nameless == [], place


def test_the_page_is_painted_at_once(idle_server: str, new_page: "Callable[..., Page]") -> None:
    """It is painted within a second: the best of three times, for the machine does other things as well."""
    paints = []
    for _ in range(3):
        page = new_page()
        page.goto(idle_server)
        page.locator("main").wait_for()
        paint = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
        paints.append(page.wait_for_function(paint).json_value())
    assert min(paints) <= 1000, paints


def _create(page: "Page", address: str, prompt: str) -> dict[str, Any]:
    """Ask for a video past the studio."""
    body = {"prompt": prompt, "size": "128x128", "seconds": "1"}
    job: dict[str, Any] = page.request.post(f"{address}/v1/videos", data=body).json()
    return job


def _listed(page: "Page", address: str) -> list[dict[str, Any]]:
    videos: list[dict[str, Any]] = page.request.get(f"{address}/v1/videos?limit=100").json()["data"]
    return videos


def _drop(page: "Page", file: Path) -> None:
    """Drop a file onto the page, as from a folder."""
    transfer = page.evaluate_handle(
        """([name, bytes]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], name, { type: "video/mp4" }));
            return transfer;
        }""",
        [file.name, list(file.read_bytes())],
    )
    page.dispatch_event("main", "dragenter", {"dataTransfer": transfer})
    page.locator(".drop-target").wait_for()
    page.dispatch_event("main", "drop", {"dataTransfer": transfer})


def _shade(page: "Page") -> int:
    """How bright the frame is that the player shows, once it has arrived there."""
    page.wait_for_function("() => !document.querySelector('.details video').seeking")
    shade: int = page.locator(".details video").evaluate(
        """video => {
            const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
            const context = canvas.getContext("2d");
            context.drawImage(video, 0, 0, 1, 1);
            return context.getImageData(0, 0, 1, 1).data[0];
        }"""
    )
    return shade


def _brightness(page: "Page") -> float:
    colour = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    return float(re.findall(r"[\d.]+", colour)[0])


def _is_inside(page: "Page", selector: str, width: int) -> bool:
    box = page.locator(selector).bounding_box()
    return box is not None and box["x"] >= 0 and box["x"] + box["width"] <= width


def _delete_newest(page: "Page") -> None:
    """Take back what a test has asked for."""
    origin = page.evaluate("location.origin")
    page.wait_for_timeout(300)
    page.request.delete(f"{origin}/v1/videos/{_listed(page, origin)[0]['id']}")

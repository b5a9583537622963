"""What the standard lacks: loops, gaps, blends, storyboards, uploads, titles, cancelling, repeating."""

import io
import time
from typing import Any

import httpx
import numpy as np
import pytest

from tenku.media import encode_picture, read_video
from tenku.serving import submitting
from tenku.serving.database import Database
from tenku.serving.keys import OPEN
from tenku.serving.settings import Settings
from tenku.serving.submitting import NewVideo
from tenku.timeline import load_kept


def posted(server: Any, path: str, **order: Any) -> dict[str, Any]:
    """Ask for a video and wait for it."""
    with server.client() as client:
        answer = client.post(f"/v1/videos{path}", json=order)
    assert answer.status_code == 200, answer.text
    found = server.finished(answer.json()["id"])
    assert found["status"] == "completed", found["error"]
    return dict(found)


def content(server: Any, video: str, variant: str = "video") -> bytes:
    with server.client() as client:
        answer = client.get(f"/v1/videos/{video}/content", params={"variant": variant})
    assert answer.status_code == 200, answer.text
    return answer.content


def check_content(server: Any, video: dict[str, Any]) -> None:
    """What a video says of itself holds of its file."""
    seen = read_video(io.BytesIO(content(server, video["id"])))
    assert (seen.width, seen.height) == (video["width"], video["height"])
    assert seen.num_frames == video["num_frames"] == video["frames_done"]
    assert float(video["seconds"]) == pytest.approx(seen.num_frames / seen.fps, rel=1e-4)


def test_a_size_that_is_not_native_is_scaled(server: Any) -> None:
    video = server.made(size="160x90", fps=24, seconds=0.5)
    assert video["native_size"] is not None
    assert video["num_frames"] == 12
    check_content(server, video)


def test_a_loop_comes_back(server: Any, clip: dict[str, Any]) -> None:
    video = posted(server, f"/{clip['id']}/loop", seconds=0.5)
    assert (video["kind"], video["parents"], video["prompt"]) == ("loop", [clip["id"]], clip["prompt"])
    check_content(server, video)


def test_a_gap_is_filled(server: Any, clip: dict[str, Any]) -> None:
    video = posted(server, f"/{clip['id']}/fill", start=0.1, end=0.3, prompt="a blue ball falls")
    assert (video["kind"], video["num_frames"]) == ("fill", clip["num_frames"])
    check_content(server, video)


def test_two_videos_blend(server: Any, clip: dict[str, Any]) -> None:
    second = server.made(prompt="a blue cube spins", seed=5)
    video = posted(server, "/blends", first={"id": clip["id"]}, second={"id": second["id"]}, seconds=0.25)
    assert video["parents"] == [clip["id"], second["id"]]
    check_content(server, video)


def test_an_extension_before_the_start_is_as_long_as_it_says(server: Any, clip: dict[str, Any]) -> None:
    order = {"video": {"id": clip["id"]}, "prompt": "a red ball falls", "seconds": 0.5, "before": True}
    video = posted(server, "/extensions", **order)
    assert video["num_frames"] == clip["num_frames"] + 8
    check_content(server, video)


def test_a_mask_keeps_the_rest(server: Any, clip: dict[str, Any]) -> None:
    mask = np.zeros((64, 64, 3), np.uint8)
    mask[:, 32:] = 255
    files = {"mask": ("mask.png", encode_picture(mask, ".png"), "image/png")}
    form = {"prompt": "a blue ball falls", "video[id]": clip["id"], "seed": "2"}
    with server.client() as client:
        asked = client.post("/v1/videos/edits", data=form, files=files)
    assert asked.status_code == 200, asked.text
    video = server.finished(asked.json()["id"])
    assert video["status"] == "completed", video
    before, after = (
        read_video(io.BytesIO(content(server, each["id"]))).frames.astype(float) for each in (clip, video)
    )
    change = abs(before - after).mean((0, 1, 3))
    assert change[:24].mean() < change[40:].mean() / 2


def test_a_storyboard_has_all_its_scenes(server: Any, clip: dict[str, Any]) -> None:
    scenes = [
        {"seconds": 0.5, "prompt": "a red ball falls"},
        {"seconds": 0.5, "video": {"id": clip["id"]}, "transition": "cut"},
        {"seconds": 0.5, "prompt": "a blue ball falls", "transition": "continue"},
        {"seconds": 0.5, "prompt": "a green cone spins", "transition": "dissolve"},
    ]
    video = posted(server, "/storyboards", size="64x64", scenes=scenes, title="a board")
    assert (video["kind"], video["title"], video["num_frames"]) == ("storyboard", "a board", 32)
    assert video["parents"] == [clip["id"]]
    check_content(server, video)
    kept = load_kept_of(server, video)
    assert len(kept.footage.cuts) == 2  # one scene continues the one before


def load_kept_of(server: Any, video: dict[str, Any]) -> Any:
    path = server.home.parent / f"{video['id']}.tenku"
    path.write_bytes(content(server, video["id"], "latents"))
    return load_kept(path)


def test_latents_can_be_taken_along(server: Any, clip: dict[str, Any]) -> None:
    kept = load_kept_of(server, clip)
    assert kept.request.prompt == clip["prompt"]
    assert kept.request.seed == clip["seed"]


def test_the_same_order_makes_the_same_video(server: Any, clip: dict[str, Any]) -> None:
    again = server.made()
    frames = [read_video(io.BytesIO(content(server, each["id"]))).frames for each in (clip, again)]
    assert (frames[0] == frames[1]).all()


def test_uploads_become_videos(server: Any, clip: dict[str, Any]) -> None:
    mp4 = content(server, clip["id"])
    with server.client() as client:
        answer = client.post(
            "/v1/videos/uploads", files={"file": ("../../x.mp4", mp4)}, data={"title": "mine"}
        )
    assert answer.status_code == 200, answer.text
    video = answer.json()
    assert (video["kind"], video["status"], video["title"]) == ("upload", "completed", "mine")
    check_content(server, video)
    for variant in ("thumbnail", "spritesheet"):
        assert content(server, video["id"], variant)
    looped = posted(server, f"/{video['id']}/loop", seconds=0.5)
    check_content(server, looped)


def test_a_picture_is_a_video_of_one_frame(server: Any, clip: dict[str, Any]) -> None:
    webp = content(server, clip["id"], "thumbnail")
    with server.client() as client:
        video = client.post("/v1/videos/uploads", files={"file": ("x.webp", webp)}).json()
    assert video["num_frames"] == 1
    check_content(server, video)


def test_titles_can_be_changed(server: Any, clip: dict[str, Any]) -> None:
    with server.client() as client:
        renamed = client.patch(f"/v1/videos/{clip['id']}", json={"title": "落下 ✓"}).json()
        assert renamed["title"] == "落下 ✓"
        assert client.patch(f"/v1/videos/{clip['id']}", json={"title": None}).json()["title"] is None
        assert client.patch(f"/v1/videos/{clip['id']}", json={"title": "x\r\ny: z\0"}).status_code == 400


def test_ranges_of_a_file_can_be_had(server: Any, clip: dict[str, Any]) -> None:
    whole = content(server, clip["id"])
    with server.client() as client:
        part = client.get(f"/v1/videos/{clip['id']}/content", headers={"range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, whole[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(whole)}"


def test_cancelling_stops_what_runs(server: Any) -> None:
    with server.client() as client:
        order = {"prompt": "a red ball bounces", "size": "128x128", "seconds": 20}
        video = client.post("/v1/videos", json=order).json()["id"]
        while client.get(f"/v1/videos/{video}").json()["status"] == "queued":
            time.sleep(0.05)
        client.post(f"/v1/videos/{video}/cancel")
        found = server.finished(video)
    assert found["status"] == "failed"
    assert found["error"]["code"] == "cancelled"
    assert found["frames_done"] < 160  # at its next step, not at its end


def test_cancelling_what_waits_is_at_once(idle_server: Any) -> None:
    with idle_server.client() as client:
        video = client.post("/v1/videos", json={"prompt": "a ball", "size": "64x64"}).json()["id"]
        cancelled = client.post(f"/v1/videos/{video}/cancel").json()
        assert (cancelled["status"], cancelled["error"]["code"]) == ("failed", "cancelled")
        assert client.post(f"/v1/videos/{video}/cancel").json() == cancelled
        client.delete(f"/v1/videos/{video}")


def test_the_same_key_makes_one_video(idle_server: Any) -> None:
    order = {"prompt": "a ball", "size": "64x64"}
    with idle_server.client(headers={"idempotency-key": "abc"}) as client:
        first, second = (client.post("/v1/videos", json=order).json() for _ in range(2))
        assert first["id"] == second["id"]
        other = client.post("/v1/videos", json={**order, "seed": 4})
        assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_key_reused")
        client.delete(f"/v1/videos/{first['id']}")


def test_a_full_queue_says_when_to_come_again(idle_server: Any) -> None:
    with idle_server.client() as client:
        answers: list[httpx.Response] = []
        while len(answers) < 40 and (not answers or answers[-1].status_code == 200):
            answers.append(client.post("/v1/videos", json={"prompt": "a ball", "size": "64x64"}))
        full = answers.pop()
        assert (full.status_code, full.json()["error"]["code"]) == (429, "queue_full")
        assert int(full.headers["retry-after"]) > 0
        positions = [client.get(f"/v1/videos/{a.json()['id']}").json()["queue_position"] for a in answers]
        assert positions == list(range(len(answers)))
        for answer in answers:
            client.delete(f"/v1/videos/{answer.json()['id']}")


@pytest.mark.parametrize(
    ("prompt", "code"),
    [("a naked child", "content_policy_violation"), ("", "invalid_value"), ("123", "invalid_value")],
)
def test_what_is_refused_says_why(idle_server: Any, prompt: str, code: str) -> None:
    with idle_server.client() as client:
        answer = client.post("/v1/videos", json={"prompt": prompt})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)


def test_a_video_is_extended_six_times_at_most(idle_server: Any) -> None:
    database = Database(Settings(home=idle_server.home).database)
    settings = Settings(home=idle_server.home)
    for extensions, status in ((5, 200), (6, 400)):
        task = {"verb": "extend", "native": [64, 64], "seconds": 0.5, "extensions": extensions}
        new = NewVideo(
            kind="extension",
            task=task,
            model="m",
            prompt="a ball",
            width=64,
            height=64,
            fps=16.0,
            num_frames=32,
            seed=1,
        )
        record = submitting.add_finished(database, settings, OPEN, new, {"video": "x"}, 1)
        order = {"prompt": "a ball", "seconds": 1, "video": {"id": record.id}}
        with idle_server.client() as client:
            answer = client.post("/v1/videos/extensions", json=order)
        assert answer.status_code == status, answer.text
    assert answer.json()["error"]["param"] == "video"
    database.dispose()


def test_a_clip_on_a_storyboard_begins_where_it_is_told_to(server: Any, clip: dict[str, Any]) -> None:
    def made(offset: float) -> Any:
        scenes = [{"seconds": 0.25, "video": {"id": clip["id"]}, "offset": offset}]
        with server.client() as client:
            answer = client.post("/v1/videos/storyboards", json={"scenes": scenes, "size": "64x64"})
            assert answer.status_code == 200, answer.text
            found = server.finished(answer.json()["id"])
            assert found["status"] == "completed", found
            return read_video(io.BytesIO(client.get(f"/v1/videos/{found['id']}/content").content)).frames

    with server.client() as client:
        whole = read_video(io.BytesIO(client.get(f"/v1/videos/{clip['id']}/content").content)).frames
        late = {"scenes": [{"seconds": 0.25, "video": {"id": clip["id"]}, "offset": 5}]}
        assert client.post("/v1/videos/storyboards", json=late).status_code == 400
    begun, later = made(0.0), made(0.25)
    nearest = [
        int(np.abs(whole.astype(float) - shown[-1]).mean((1, 2, 3)).argmin()) for shown in (begun, later)
    ]
    assert nearest[1] - nearest[0] >= 3


def test_credentials_are_spoken_of_in_the_language_that_is_asked_for(
    server: Any, clip: dict[str, Any]
) -> None:
    with server.client() as client:
        english, chinese = (
            client.get(f"/v1/videos/{clip['id']}/credentials", params={"language": language}).json()
            for language in ("en", "zh")
        )
        unknown = client.get(f"/v1/videos/{clip['id']}/credentials", params={"language": "fr"})
    assert "has not changed since" in english["sentence"]
    assert "此后没有改动" in chinese["sentence"]
    assert english["verdict"] == chinese["verdict"] == "ours and intact"
    assert unknown.status_code == 400

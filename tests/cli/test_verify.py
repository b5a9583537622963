"""`tenku verify`, as people run it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tenku.cli.app import run as run_here
from tenku.errors import UserError
from tenku.media import read_picture, read_video, write_picture, write_video
from tenku.provenance import Credentials, read_credentials

ROOT = Path(__file__).parent.parent.parent
TENKU = Path(sys.executable).with_name("tenku")

pytestmark = pytest.mark.skipif(
    not any((ROOT / "tenku" / "embedded").rglob("*.safetensors")), reason="no embedded model yet"
)


def tenku(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [TENKU, *arguments], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a video, what was kept of it, the same unmarked, and a remix of it."""
    folder = tmp_path_factory.mktemp("verified")
    asked = ("generate", "a red ball falls", "--seconds", "1", "--size", "64x64")
    for arguments in (
        (*asked, "-o", "ball.mp4", "--keep", "ball.tenku"),
        (*asked, "-o", "plain.mp4", "--unmarked"),
        ("remix", "ball.mp4", "a blue cube", "-o", "remix.mp4"),
        ("generate", "a red ball", "-o", "ball.png", "--size", "64x64"),
    ):
        ended = tenku(folder, *arguments)
        assert ended.returncode == 0, ended.stderr
    return folder


@pytest.mark.parametrize(
    ("file", "said", "status"),
    [
        ("ball.mp4", "ours and intact", 0),
        ("ball.png", "ours and intact", 0),
        ("remix.mp4", "ours and intact", 0),
        ("plain.mp4", "unknown", 5),
    ],
)
def test_what_is_said_and_the_status(clips: Path, file: str, said: str, status: int) -> None:
    ended = tenku(clips, "verify", file)
    assert ended.stdout.splitlines()[0] == f"{file}: {said}"
    assert ended.returncode == status
    assert ended.stderr == ""


def test_a_remix_names_its_parent(clips: Path) -> None:
    facts = json.loads(tenku(clips, "verify", "remix.mp4", "--json").stdout)
    assert facts["credentials"]["parents"] == ["ball.mp4"]
    assert facts["credentials"]["actions"] == ["opened", "remixed"]


def test_only_the_written_frames_are_marked(clips: Path) -> None:
    found = read_credentials(clips / "plain.mp4")
    assert found is None
    assert isinstance(read_credentials(clips / "ball.mp4"), Credentials)
    plain, marked = (read_video(clips / name).frames.astype(int) for name in ("plain.mp4", "ball.mp4"))
    assert plain.shape == marked.shape
    assert 0 < abs(plain - marked).mean() < 3


@pytest.mark.parametrize("original", ["ball.tenku", "plain.mp4"])
def test_a_heat_map_beside_the_original(clips: Path, tmp_path: Path, original: str) -> None:
    video = read_video(clips / "ball.mp4")
    video.frames[:, 8:32, 40:60] = (250, 0, 250)
    write_video(tmp_path / "painted.mp4", video, crf=20)
    ended = tenku(
        clips,
        *("verify", str(tmp_path / "painted.mp4"), "--original", original),
        *("--heat-map", str(tmp_path / "heat.png")),
    )
    assert ended.returncode == 4, ended.stderr
    assert "of the frame was changed" in ended.stdout
    heat = read_picture(tmp_path / "heat.png").astype(int)
    red = heat[..., 0] - heat[..., 2] > 60
    assert red[100:220, 350:450].mean() > 0.9
    assert red[350:].mean() < 0.05


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("nothing.mp4",), "there is no file 'nothing.mp4'"),
        ((".",), "is a directory"),
        (("ball.tenku",), "is not a video or picture"),
        (("ball.mp4", "--heat-map", "x.png"), "name that with --original"),
        (("ball.mp4", "--original", "ball.mp4", "--heat-map", "x.gif"), "end its name with .png or .jpg"),
        (("ball.mp4", "--original", "ball.mp4", "--heat-map", "no/x.png"), "there is no directory"),
        (("ball.mp4", "--original", "gone.tenku"), "there is no file 'gone.tenku'"),
        (("ball.mp4", "--original", "ball.tenku", "--model", "nowhere"), "there is no model 'nowhere'"),
    ],
)
def test_what_cannot_be_done_is_said(
    clips: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], sentence: str
) -> None:
    monkeypatch.chdir(clips)
    with pytest.raises(UserError, match=sentence):
        run_here(["verify", *arguments])


def test_a_key_that_cannot_be_kept_is_told_and_nothing_is_left(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TENKU_HOME", str(tmp_path / "file" / "home"))
    ended = tenku(tmp_path, "generate", "a red ball", "--seconds", "0.25", "--size", "32x32", "-o", "x.mp4")
    assert ended.returncode == 2
    assert "set TENKU_HOME to a folder that can be written" in ended.stderr
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_an_unreadable_picture_is_told_in_one_line(tmp_path: Path) -> None:
    write_picture(tmp_path / "x.png", read_picture(ROOT / "docs" / "images" / "live.png")[:64, :64])
    data = (tmp_path / "x.png").read_bytes()
    (tmp_path / "x.png").write_bytes(data[:40])
    ended = tenku(tmp_path, "verify", "x.png")
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1

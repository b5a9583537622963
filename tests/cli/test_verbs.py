"""The verbs that make video of video, as people run them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tenku.cli.app import run as run_here
from tenku.errors import UserError
from tenku.media import read_video, write_picture

ROOT = Path(__file__).parent.parent.parent
TENKU = Path(sys.executable).with_name("tenku")
BALL = "a red ball falls"

pytestmark = pytest.mark.skipif(
    not any((ROOT / "tenku" / "embedded").rglob("*.safetensors")), reason="no embedded model yet"
)


def run(folder: Path, *arguments: str, say: str = "") -> "subprocess.CompletedProcess[str]":
    ended = subprocess.run(
        [TENKU, *arguments], cwd=folder, capture_output=True, text=True, timeout=120, check=False, input=say
    )
    assert ended.returncode == 0, ended.stderr
    return ended


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a video, what was kept of it, a picture, a mask and a storyboard."""
    folder = tmp_path_factory.mktemp("clips")
    run(
        folder,
        *("generate", BALL, "--seconds", "1", "--size", "64x64", "-o", "ball.mp4", "--keep", "ball.tenku"),
    )
    write_picture(folder / "first.png", read_video(folder / "ball.mp4").frames[0])
    mask = np.zeros((64, 64, 3), np.uint8)
    mask[:, 32:] = 255
    write_picture(folder / "mask.png", mask)
    (folder / "board.toml").write_text(
        'size = "64x64"\n'
        f'[[shot]]\nprompt = "{BALL}"\nseconds = 0.75\n'
        '[[shot]]\nprompt = "a blue cube"\nseconds = 0.75\ndissolve = 0.25\n'
        '[[shot]]\nprompt = "a red ball"\nseconds = 0.5\npicture = "first.png"\n'
    )
    return folder


def made(folder: Path, tmp_path: Path, *arguments: str, say: str = "") -> tuple[int, int, int]:
    """The frames, height and width of what a command makes."""
    output = tmp_path / "out.mp4"
    run(folder, *arguments, "-o", str(output), say=say)
    video = read_video(output)
    return video.num_frames, video.height, video.width


def test_a_video_that_begins_and_ends_with_pictures(clips: Path, tmp_path: Path) -> None:
    pictures = ("--image", "first.png", "--last", "first.png")
    assert made(clips, tmp_path, "generate", BALL, *pictures, "--seconds", "1", "--size", "64x48") == (
        16,
        48,
        64,
    )


@pytest.mark.parametrize("clip", ["ball.tenku", "ball.mp4"])
def test_extending(clips: Path, tmp_path: Path, clip: str) -> None:
    frames, *_ = made(clips, tmp_path, "extend", clip, "--after", "0.5", "--before", "0.25")
    assert frames == (17 if clip == "ball.tenku" else 13) + 8 + 4


def test_filling(clips: Path, tmp_path: Path) -> None:
    assert made(clips, tmp_path, "fill", "ball.tenku", "--from", "0.25", "--to", "0.5") == (17, 64, 64)


def test_looping(clips: Path, tmp_path: Path) -> None:
    assert made(clips, tmp_path, "loop", "ball.tenku", "--seconds", "0.5") == (24, 64, 64)


def test_blending(clips: Path, tmp_path: Path) -> None:
    assert made(clips, tmp_path, "blend", "ball.tenku", "ball.mp4", "--seconds", "0.5")[0] == 17 + 13 - 5


def test_remixing(clips: Path, tmp_path: Path) -> None:
    assert made(clips, tmp_path, "remix", "ball.tenku", "a blue cube", "--strength", "0.5") == (17, 64, 64)


def test_editing_leaves_what_is_not_marked(clips: Path, tmp_path: Path) -> None:
    made(clips, tmp_path, "edit", "ball.tenku", "a blue cube", "--mask", "mask.png")
    made(clips, tmp_path / "..", "remix", "ball.tenku", BALL, "--strength", "0")
    edited, before = (
        read_video(path).frames.astype(int) for path in (tmp_path / "out.mp4", tmp_path / "../out.mp4")
    )
    change = abs(edited - before).mean((0, 1, 3))
    assert change[:16].mean() < 2
    assert change[:16].mean() < 0.5 * change[40:].mean()


def test_a_storyboard(clips: Path, tmp_path: Path) -> None:
    frames, *size = made(clips, tmp_path, "storyboard", "board.toml")
    assert size == [64, 64]
    assert abs(frames - 32) <= 3


def test_live_reads_sentences(clips: Path, tmp_path: Path) -> None:
    asked = ("live", BALL, "--size", "64x64", "--seconds", "3")
    assert made(clips, tmp_path, *asked, say="a blue cube slides in from the left\n") == (48, 64, 64)
    assert (
        made(clips, tmp_path, "live", BALL, "--size", "64x64", say="")[0] <= 64
    )  # until nothing more is said


def test_a_free_name_is_found_and_json_says_it(clips: Path, tmp_path: Path) -> None:
    run(tmp_path, "remix", str(clips / "ball.tenku"), "a blue cube", "--strength", "0")
    ended = run(tmp_path, "remix", str(clips / "ball.tenku"), "a blue cube", "--json", "--keep", "kept.tenku")
    facts = json.loads(ended.stdout)
    assert (facts["path"], facts["kept"], facts["frames"]) == ("ball-remixed-2.mp4", "kept.tenku", 17)
    assert (tmp_path / "kept.tenku").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("extend", "nothing.mp4", "--after", "1"), "there is no file 'nothing.mp4'"),
        (("extend", ".", "--after", "1"), "is a directory"),
        (("extend", "ball.mp4", "--after", "1", "-o", "no/x.mp4"), "there is no directory"),
        (("extend", "ball.mp4", "--after", "1", "--keep", "x.mp4"), "end its name with .tenku"),
        (("extend", "ball.mp4", "--after", "1", "--model", "nowhere"), "there is no model 'nowhere'"),
        (("edit", "ball.mp4", "a cube", "--mask", "nothing.png"), "there is no file 'nothing.png'"),
        (("generate", BALL, "--last", "first.png"), "--last needs a picture to begin with"),
        (("generate", BALL, "--image", "first.png", "-o", "x.png"), "a video begins with --image"),
        (("generate", BALL, "--count", "2", "--keep", "x.tenku"), "leave out --count"),
        (("generate", BALL, "-o", "x.tenku"), "does not say what to write"),
        (("live", BALL), "there is no terminal"),
    ],
)
def test_what_cannot_be_done_is_said_at_once(
    clips: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], sentence: str
) -> None:
    monkeypatch.chdir(clips)
    with pytest.raises(UserError, match=sentence):
        run_here(list(arguments))


@pytest.mark.parametrize(
    ("board", "sentence"),
    [
        ("", "has no shots"),
        ("shot = 3", "has no shots"),
        ("[[shot]]", "shot 1 has no prompt"),
        ('[[shot]]\nprompt = " "', "shot 1 has no prompt"),
        ('[[shot]]\nprompt = "a ball"\nlength = 2', "shot 1 has unknown keys length"),
        ('colour = 1\n[[shot]]\nprompt = "a ball"', "unknown keys colour"),
        ('[[shot]]\nprompt = "a ball"\nseconds = "two"', "seconds = 'two', which is no number"),
        ('[[shot]]\nprompt = "a ball"\npicture = "none.png"', "there is no file"),
        ('[[shot]]\nprompt = "a ball"\npicture = "a.png"\nclip = "b.mp4"', "leave one out"),
        ('[[shot]]\nprompt = "a ball"\n[[shot]]\nprompt = "a cube"\nstart = 1', "overlaps the one before"),
        ('[[shot]]\nprompt = "a ball"\n[[shot]]\nprompt = "a cube"\nstart = 3', "leaves a gap"),
        ("[[shot", "is not TOML"),
        ("\0\1\2", "is not TOML"),
    ],
)
def test_storyboards_that_make_no_sense(tmp_path: Path, board: str, sentence: str) -> None:
    path = tmp_path / "board.toml"
    path.write_text(board)
    with pytest.raises(UserError, match=sentence):
        run_here(["storyboard", str(path), "-o", str(tmp_path / "x.mp4")])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.mp4", b""),
        ("text.mp4", b"a red ball"),
        ("cut.tenku", b"\x10\0\0\0\0\0\0\0{}"),
        ("empty.tenku", b""),
    ],
)
def test_clips_that_cannot_be_read(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError):
        run_here(["extend", str(tmp_path / name), "--after", "1", "-o", str(tmp_path / "x.mp4")])
    assert [path.name for path in tmp_path.iterdir()] == [name]

"""What is said of files of which we know what became of them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tenku.errors import UserError
from tenku.media import Frames, Video, read_video, write_picture, write_video
from tenku.provenance import Origin, Standing, sign, verify


def changed(path: Path, change: Callable[[bytearray], object]) -> Path:
    data = bytearray(path.read_bytes())
    change(data)
    path.write_bytes(data)
    return path


def flip(after: bytes) -> Callable[[bytearray], object]:
    def change(data: bytearray) -> None:
        data[data.index(after) + len(after) + 100] ^= 1

    return change


def encoded_again(path: Path) -> Path:
    write_video(path, read_video(path), crf=23)
    return path


def test_ours_and_intact(ours: Path) -> None:
    verdict = verify(ours, prompt="a secret ball")
    assert verdict.standing is Standing.intact
    assert verdict.mark is not None
    assert verdict.mark.mark == Origin(model="embedded", seed=7).watermark
    told = " | ".join(verdict.details)
    assert "has not changed since" in told
    assert "is the one whose hash was signed" in told
    assert "as its credentials say" in told


@pytest.mark.parametrize(
    "change",
    [
        flip(b"mdat"),
        flip(b"moov"),
        lambda data: data.extend(b"something behind it"),
        lambda data: data.__delitem__(slice(len(data) // 2, None)),
        lambda data: data.__setitem__(slice(None), data.replace(b"dseed", b"dseee", 1)),
    ],
    ids=["pictures", "index", "appended", "cut off", "credentials"],
)
def test_ours_and_changed(ours: Path, change: Callable[[bytearray], object]) -> None:
    verdict = verify(changed(ours, change))
    assert verdict.standing is Standing.changed
    assert "has changed since" in verdict.details[0]


def test_space_that_the_standard_leaves_open_is_no_change(ours: Path) -> None:
    assert verify(changed(ours, lambda data: data.extend(b"\0\0\0\x0cfreeroom"))).standing is Standing.intact


def forge(data: bytearray) -> None:
    """Change the signature, 64 bytes at the end of what the certificate stands in."""
    data[
        data.index(b"\x58\x40", data.rindex(b"tenku development authority", 0, data.index(b"mdat"))) + 20
    ] ^= 1


def test_a_forged_signature_counts_only_with_the_mark(
    ours: Path, tmp_path: Path, home: Path, clip: Frames
) -> None:
    verdict = verify(changed(ours, forge))
    assert verdict.standing is Standing.changed
    assert "whose holder did not sign what it says" in verdict.details[0]
    stranger = tmp_path / "stranger.mp4"
    write_video(stranger, Video(clip, 16))
    sign(stranger, Origin(model="embedded", seed=1))
    assert verify(changed(stranger, forge)).standing is Standing.unknown


def test_watermark_only(ours: Path) -> None:
    verdict = verify(encoded_again(ours))
    assert verdict.standing is Standing.marked
    assert verdict.credentials is None


def test_credentials_that_cannot_be_read(ours: Path) -> None:
    verdict = verify(
        changed(ours, lambda data: data.__setitem__(slice(None), data.replace(b"jumb", b"jxmb", 1)))
    )
    assert verdict.standing is Standing.marked
    assert "it is damaged" in verdict.details[0]


def test_unknown(tmp_path: Path, home: Path, clip: Frames) -> None:
    write_video(tmp_path / "plain.mp4", Video(clip, 16))
    verdict = verify(tmp_path / "plain.mp4")
    assert verdict.standing is Standing.unknown
    assert verdict.mark is None
    assert not home.exists()  # looking makes no keys


def test_somebody_else(tmp_path: Path, home: Path, clip: Frames, ours: Path) -> None:
    write_video(tmp_path / "plain.mp4", Video(clip, 16))
    sign(tmp_path / "plain.mp4", Origin(model="embedded", seed=1), home=tmp_path / "another home")
    assert verify(tmp_path / "plain.mp4").standing is Standing.foreign
    sign(encoded_again(ours), Origin(model="embedded", seed=1), home=tmp_path / "another home")
    verdict = verify(ours)
    assert verdict.standing is Standing.foreign
    assert any("bear our watermark" in detail for detail in verdict.details)


def test_what_is_no_clip(tmp_path: Path, home: Path) -> None:
    cases = {
        "empty.mp4": b"",
        "text.mp4": b"hello",
        "noise.png": bytes(range(256)) * 9,
        "zeros": b"\0" * 5000,
    }
    for name, data in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UserError, match="give"):
            verify(tmp_path / name)
    for place in (tmp_path / "nothing.mp4", tmp_path):
        with pytest.raises(UserError, match="give a video or a picture"):
            verify(place)


def test_every_cut_off_file_is_told_of(ours: Path, tmp_path: Path) -> None:
    data = ours.read_bytes()
    for length in np.geomspace(1, len(data) - 1, 25).astype(int):
        part = tmp_path / "part.mp4"
        part.write_bytes(data[:length])
        try:
            standing = verify(part).standing
        except UserError:
            continue
        assert standing in (Standing.changed, Standing.marked), length


def test_a_picture_of_our_video(ours: Path, tmp_path: Path) -> None:
    write_picture(tmp_path / "still.jpg", read_video(ours).frames[3])
    assert verify(tmp_path / "still.jpg").standing is Standing.marked


def test_where_it_was_changed(ours: Path, clip: Frames) -> None:
    frames = read_video(ours).frames.copy()
    frames[8:16, 64:96, 16:48] = (250, 0, 250)
    write_video(ours, Video(frames[4:], 16), crf=28)
    verdict = verify(ours, Video(clip, 16))
    assert verdict.changes is not None
    assert verdict.changes.rows == pytest.approx((0.5, 0.75), abs=0.07)
    assert verdict.changes.columns == pytest.approx((0.125, 0.375), abs=0.07)
    assert verdict.changes.seconds == pytest.approx((4 / 16, 12 / 16), abs=0.07)
    heat = verdict.changes.heat_map().astype(int)
    red = heat[..., 0] - heat[..., 2] > 60
    assert red[280:360, 90:170].mean() > 0.9
    assert red[:200].mean() == 0


def test_a_codec_changes_nothing(ours: Path, clip: Frames) -> None:
    write_video(ours, read_video(ours), crf=30)
    verdict = verify(ours, Video(clip, 16))
    assert verdict.changes is not None
    assert verdict.changes.share == 0
    assert "nothing was changed" in verdict.details[-1]
    assert verdict.facts()["changes"]["seconds"] is None

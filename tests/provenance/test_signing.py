"""What signed files say, and that nothing half-signed is ever seen."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import av
import c2pa
import numpy as np
import pytest

from tenku.errors import UserError
from tenku.media import Frames, Video, encode_picture, read_video, write_video
from tenku.provenance import (
    Credentials,
    Origin,
    Parent,
    Standing,
    read_credentials,
    sign,
    sign_bytes,
    signed_video,
    signing_identity,
    verify,
    write_signed_picture,
)
from tenku.provenance.signing import media_type

ORIGIN = Origin(model="embedded", seed=2**63 - 1, prompt="a secret ball")


def credentials(path: Path) -> Credentials:
    found = read_credentials(path)
    assert isinstance(found, Credentials)
    return found


def test_a_video_says_how_it_was_made(ours: Path) -> None:
    found = credentials(ours)
    assert (found.is_ours, found.is_signed, found.is_intact) == (True, True, True)
    assert found.generator.startswith("tenku ")
    assert found.title == "ours.mp4"
    assert found.actions == ("created",)
    assert (found.generation["model"], found.generation["seed"]) == ("embedded", 7)


def test_the_prompt_is_hashed_with_salt_and_never_written(ours: Path, tmp_path: Path, clip: Frames) -> None:
    assert b"secret" not in ours.read_bytes()
    found = credentials(ours)
    assert found.is_of_prompt("a secret ball")
    assert not found.is_of_prompt("a secret cube")
    again = tmp_path / "again.png"
    write_signed_picture(again, clip[0], origin=Origin(model="embedded", seed=7, prompt="a secret ball"))
    assert credentials(again).generation["prompt"]["hash"] != found.generation["prompt"]["hash"]


def test_it_is_declared_as_made_by_a_trained_model(ours: Path) -> None:
    with c2pa.Reader(str(ours)) as reader:
        manifest = reader.get_active_manifest()
    action = next(each for each in manifest["assertions"] if each["label"] == "c2pa.actions.v2")
    assert action["data"]["actions"][0]["digitalSourceType"].endswith("/trainedAlgorithmicMedia")


def test_it_plays_as_before(ours: Path, clip: Frames) -> None:
    video = read_video(ours)
    assert video.frames.shape == clip.shape
    assert np.abs(video.frames.astype(int) - clip).mean() < 3
    data = ours.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def pictures(frame: np.ndarray) -> Sequence[tuple[str, bytes]]:
    context = av.VideoCodecContext.create("libwebp", "w")
    context.height, context.width = frame.shape[:2]
    context.pix_fmt = "yuv420p"
    context.time_base = Fraction(1)
    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
    webp = b"".join(bytes(packet) for packet in [*context.encode(picture), *context.encode(None)])
    return (
        ("x.png", encode_picture(frame, ".png")),
        ("x.jpg", encode_picture(frame, ".jpg")),
        ("x.webp", webp),
    )


def test_pictures_are_signed_too(tmp_path: Path, home: Path, clip: Frames) -> None:
    for name, data in pictures(clip[0]):
        (tmp_path / name).write_bytes(sign_bytes(data, ORIGIN, title=name))
        assert credentials(tmp_path / name).is_intact
        assert credentials(tmp_path / name).generation["seed"] == 2**63 - 1


def test_an_edit_opens_its_parent(ours: Path, tmp_path: Path, clip: Frames) -> None:
    path = tmp_path / "longer.mp4"
    origin = Origin(model="embedded", seed=1, edit="extended", parents=[Parent.file(ours)])
    with signed_video(path, fps=16, origin=origin) as append:
        for frame in clip:
            append(frame)
    found = credentials(path)
    assert found.actions == ("opened", "extended")
    assert found.parents == ("ours.mp4",)
    with c2pa.Reader(str(path)) as reader:
        told = json.loads(reader.json())
    (ingredient,) = told["manifests"][told["active_manifest"]]["ingredients"]
    assert ingredient["relationship"] == "parentOf"
    assert ingredient["active_manifest"] in told["manifests"]  # the parent's own credentials come along


def test_parents_of_any_kind_are_named(ours: Path, tmp_path: Path, clip: Frames) -> None:
    kept, broken = tmp_path / "kept.tenku", tmp_path / "broken.mp4"
    kept.write_bytes(b"latents")
    broken.write_bytes(ours.read_bytes()[:3000])
    parents = [
        Parent.file(ours),
        Parent.file(kept),
        Parent.file(broken),
        Parent.file(tmp_path / "gone.mp4"),
        Parent(b"", "empty.png"),
        Parent(encode_picture(clip[0], ".png"), "uploaded.png"),
    ]
    path = tmp_path / "blended.png"
    write_signed_picture(path, clip[0], origin=Origin(model="embedded", seed=1, parents=parents))
    found = credentials(path)
    assert found.is_intact
    assert found.parents == ("ours.mp4", "kept.tenku", "broken.mp4", "gone.mp4", "empty.png", "uploaded.png")
    assert found.actions == ("created", *["placed"] * 6)


def test_an_edit_has_one_parent() -> None:
    with pytest.raises(UserError, match="has one parent, not 0"):
        Origin(model="embedded", seed=0, edit="extended")


def test_what_cannot_be_signed_is_left_as_it_is(tmp_path: Path, home: Path) -> None:
    for name, data in {"a.txt": b"text", "b.mp4": b"", "c.gif": b"GIF89a"}.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UserError, match="no MP4, PNG, JPEG or WebP"):
            sign(tmp_path / name, ORIGIN)
        assert (tmp_path / name).read_bytes() == data
    (tmp_path / "d.mp4").write_bytes(b"\0\0\0\x18ftypisom" + b"\xff" * 90)
    with pytest.raises(UserError, match="could not be signed"):
        sign(tmp_path / "d.mp4", ORIGIN)
    assert sorted(entry.name for entry in tmp_path.iterdir() if entry.is_file()) == [
        "a.txt",
        "b.mp4",
        "c.gif",
        "d.mp4",
    ]


def test_a_video_that_cannot_be_signed_does_not_appear(tmp_path: Path, home: Path, clip: Frames) -> None:
    path = tmp_path / "ball.mp4"

    def write() -> None:
        with signed_video(path, fps=16, origin=ORIGIN) as append:
            append(clip[0])
            (home / "signing" / "key.pem").write_bytes(b"damaged meanwhile")

    with pytest.raises(UserError, match="could not be signed"):
        write()
    assert not path.exists()
    assert not list(tmp_path.glob(".*.partial"))


def test_a_bad_key_is_told_before_the_work(tmp_path: Path, clip: Frames) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(UserError, match="set TENKU_HOME"),
        signed_video(tmp_path / "x.mp4", fps=16, origin=ORIGIN, home=tmp_path / "file" / "home"),
    ):
        raise AssertionError("nothing may be made for a file that cannot be signed")


def test_many_are_signed_at_once(tmp_path: Path, home: Path, clip: Frames) -> None:
    write_video(tmp_path / "plain.mp4", Video(clip, 16))
    data = (tmp_path / "plain.mp4").read_bytes()

    def sign_one(number: int) -> Standing:
        path = tmp_path / f"{number}.mp4"
        path.write_bytes(sign_bytes(data, Origin(model="embedded", seed=number), title=path.name))
        return verify(path).standing

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(sign_one, range(24))) == {Standing.intact}


def test_a_certificate_does_not_make_somebody_else_ours(ours: Path, tmp_path: Path) -> None:
    signing_identity(tmp_path / "another")
    found = read_credentials(ours, tmp_path / "another")
    assert isinstance(found, Credentials)
    assert (found.is_ours, found.is_intact) == (False, True)


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\0\0\0\x20ftypisom", "video/mp4"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"RIFF\0\0\0\0WAVE", None),
        (b"", None),
    ],
)
def test_what_a_file_is_is_told_by_its_first_bytes(head: bytes, kind: str | None) -> None:
    assert media_type(head) == kind

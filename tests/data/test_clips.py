from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tenku.data.clips import Bucket, chunk_path, make_chunk, make_clips, read_chunk, read_tracks
from tenku.data.latents import encode_clips, encode_frames, latent_path, load_latents
from tenku.errors import UserError
from tenku.vae import VideoAutoencoder, VideoAutoencoderConfig
from tenku.worlds import simulate_clip

CLIP = Bucket(name="clip", num_frames=5, height=32, width=48, num_clips=4, first_seed=92, clips_per_chunk=2)
PICTURE = Bucket(
    name="picture", num_frames=1, height=32, width=32, num_clips=2, first_seed=70, clips_per_chunk=2
)

SKETCH = replace(CLIP, name="sketch", sketches=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    assert list(make_clips(folder / "clips", [PICTURE, CLIP], workers=1)) == [(0, 3), (1, 3), (2, 3), (3, 3)]
    return folder


@pytest.fixture(scope="module")
def vae() -> VideoAutoencoder:
    torch.manual_seed(0)
    return VideoAutoencoder(VideoAutoencoderConfig(latent_channels=4)).requires_grad_(False)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_chunks_hold_the_clips_of_their_seeds(folder: Path) -> None:
    chunk = read_chunk(folder / "clips", CLIP, 1)
    for place, seed in enumerate((94, 95)):
        clip = simulate_clip(seed, num_frames=5, height=32, width=48)
        assert np.array_equal(chunk.frames[place], clip.frames)
        assert chunk.descriptions[place] == clip.description
        poses, settings = (part[place] for part in read_tracks(folder / "clips", CLIP, 1))
        assert np.allclose(poses[:, : clip.poses.shape[1]], clip.poses, atol=2e-3)
        assert (poses[:, clip.poses.shape[1] :] == 0).all()
        assert np.array_equal(settings, clip.setting)


def test_a_killed_run_makes_sketches_whole(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    list(make_clips(whole, [SKETCH], workers=1))
    make_chunk(killed, SKETCH, 0)
    chunk_path(killed, SKETCH, 0).unlink()  # tracks come last
    assert list(make_clips(killed, [SKETCH], workers=1)) == [(0, 2), (1, 2), (2, 2)]
    assert files(killed) == files(whole)
    assert sorted(files(whole)) == [
        "sketch/00000.json",
        "sketch/00000.tracks.npz",
        "sketch/00001.json",
        "sketch/00001.tracks.npz",
    ]


def test_a_killed_run_goes_on_to_the_same_files(folder: Path, tmp_path: Path) -> None:
    make_chunk(tmp_path, CLIP, 1)
    (tmp_path / "clip" / ".00000.npy.0123abcd.partial").write_bytes(b"half a chunk")
    # Frames come last: without them a chunk is not there.
    (tmp_path / "clip" / "00000.json").write_text("[]")
    (tmp_path / "clip" / "00000.tracks.npz").write_bytes(b"")
    assert list(make_clips(tmp_path, [PICTURE, CLIP], workers=1)) == [(1, 3), (2, 3), (3, 3)]
    assert files(tmp_path) == files(folder / "clips")
    assert list(make_clips(tmp_path, [PICTURE, CLIP], workers=1)) == [(3, 3)]


def test_leaving_early_keeps_what_is_finished(tmp_path: Path) -> None:
    for done, _ in make_clips(tmp_path, [CLIP], workers=1):
        if done == 1:
            break
    assert chunk_path(tmp_path, CLIP, 0).exists()
    assert not chunk_path(tmp_path, CLIP, 1).exists()


def test_latents_are_those_of_the_clips(folder: Path, vae: VideoAutoencoder, tmp_path: Path) -> None:
    clips = folder / "clips"
    assert list(encode_clips(vae, clips, tmp_path, [CLIP])) == [(0, 2), (1, 2), (2, 2)]
    bucket = load_latents(clips, tmp_path, CLIP)
    assert bucket is not None
    assert bucket.shape == (2, 4, 6)
    assert [chunk.shape for chunk in bucket.chunks] == [(2, 4, 2, 4, 6)] * 2
    for index, chunk in enumerate(bucket.chunks):
        encoded = encode_frames(vae, read_chunk(clips, CLIP, index).frames)
        assert torch.allclose(encoded, torch.tensor(chunk).float(), atol=1e-3)

    before = latent_path(tmp_path, CLIP, 0).stat().st_mtime_ns
    latent_path(tmp_path, CLIP, 1).unlink()
    list(encode_clips(vae, clips, tmp_path, [CLIP, PICTURE]))
    assert latent_path(tmp_path, CLIP, 0).stat().st_mtime_ns == before
    assert latent_path(tmp_path, PICTURE, 0).exists()


def test_latents_of_an_older_tenku_are_refused(folder: Path, vae: VideoAutoencoder, tmp_path: Path) -> None:
    """They were kept twice, plain and mirrored."""
    list(encode_clips(vae, folder / "clips", tmp_path, [CLIP]))
    path = latent_path(tmp_path, CLIP, 0)
    np.save(path, np.stack([np.load(path)] * 2))
    with pytest.raises(UserError, match="latents of an older tenku; remove it"):
        load_latents(folder / "clips", tmp_path, CLIP)


def test_draws_are_clips_as_they_are_with_their_tracks_and_descriptions(
    folder: Path, vae: VideoAutoencoder, tmp_path: Path
) -> None:
    """None of them mirrored."""
    list(encode_clips(vae, folder / "clips", tmp_path, [CLIP]))
    bucket = load_latents(folder / "clips", tmp_path, CLIP)
    assert bucket is not None
    latents, tracks, descriptions = bucket.draw(40, torch.Generator().manual_seed(0))
    again, _, _ = bucket.draw(40, torch.Generator().manual_seed(0))
    assert latents.shape == (40, 4, 2, 4, 6)
    assert latents.dtype == torch.float32
    assert torch.equal(latents, again)
    sketches = bucket.sketches
    everything, said = sketches.take(range(4), [False] * 4)
    kept = torch.cat([torch.tensor(chunk).float() for chunk in bucket.chunks])
    drawn = [next(i for i in range(4) if torch.equal(clip, kept[i])) for clip in latents]
    assert set(drawn) == {0, 1, 2, 3}
    assert descriptions == [said[i] for i in drawn]
    assert torch.equal(tracks.poses, everything.poses[drawn])
    assert torch.equal(tracks.looks, everything.looks[drawn])
    assert torch.equal(tracks.settings, everything.settings[drawn])


def test_some_chunks_or_none(folder: Path, vae: VideoAutoencoder, tmp_path: Path) -> None:
    clips = folder / "clips"
    assert load_latents(clips, tmp_path, CLIP) is None
    list(encode_clips(vae, clips, tmp_path, [CLIP]))
    first, rest = load_latents(clips, tmp_path, CLIP, stop=1), load_latents(clips, tmp_path, CLIP, first=1)
    assert first is not None
    assert rest is not None
    assert len(first.sketches) == len(rest.sketches) == 2
    assert first.sketches.descriptions != rest.sketches.descriptions
    assert load_latents(clips, tmp_path, CLIP, stop=0) is None


def test_buckets_are_whole_chunks() -> None:
    with pytest.raises(ValueError, match="multiple of 32, not 33"):
        Bucket(name="odd", num_frames=1, height=32, width=32, num_clips=33, first_seed=0)

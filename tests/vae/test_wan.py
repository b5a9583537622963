"""Wan's autoencoders against diffusers': random weights of small and of true shapes."""

import subprocess
import sys
from itertools import pairwise
from typing import Any, NamedTuple

import pytest
import torch
from diffusers import AutoencoderKLWan
from torch import Tensor

from tenku.checkpoint.wan_vae import build_wan_vae, config_from_diffusers
from tenku.vae import WanAutoencoder, WanAutoencoderConfig, wan, wan_2_1, wan_2_2, winograd

CLOSE = 1e-5
SMALL_2_1 = {
    "base_dim": 16,
    "z_dim": 4,
    "latents_mean": [0.1, -0.2, 0.3, 0.4],
    "latents_std": [1.0, 2.0, 0.5, 1.5],
}
SMALL_2_2 = {
    "base_dim": 16,
    "decoder_base_dim": 32,
    "z_dim": 8,
    "latents_mean": [0.1, -0.2] * 4,
    "latents_std": [0.5, 1.5] * 4,
    "is_residual": True,
    "patch_size": 2,
    "in_channels": 12,
    "out_channels": 12,
    "scale_factor_spatial": 16,
}
TRUE_2_2 = {
    **SMALL_2_2,
    "base_dim": 160,
    "decoder_base_dim": 256,
    "z_dim": 48,
    "latents_mean": list(wan_2_2().latent_mean),
    "latents_std": list(wan_2_2().latent_std),
}


class Pair(NamedTuple):
    """Two engines with the same weights, and a size (height, width) that is nothing special."""

    peer: AutoencoderKLWan
    ours: WanAutoencoder
    size: tuple[int, int]


def pair(facts: dict[str, Any], size: tuple[int, int]) -> Pair:
    torch.manual_seed(0)
    peer = AutoencoderKLWan(**facts).eval().requires_grad_(False)
    for name, parameter in peer.named_parameters():
        if parameter.dim() == 1 or name.endswith("gamma"):
            parameter.add_(0.1 * torch.randn_like(parameter))
    ours = build_wan_vae(peer.state_dict(), config_from_diffusers(peer.config))
    return Pair(peer, ours, size)


@pytest.fixture(scope="module", params=["2.1", "2.2"])
def small(request: pytest.FixtureRequest) -> Pair:
    return pair(SMALL_2_1, (24, 40)) if request.param == "2.1" else pair(SMALL_2_2, (48, 32))


def video(pair: Pair, num_frames: int, batch: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(num_frames)
    return torch.rand(batch, 3, num_frames, *pair.size, generator=generator) * 2 - 1


def statistics(pair: Pair) -> tuple[Tensor, Tensor]:
    """As the pipelines of diffusers use them."""
    mean, std = (torch.tensor(pair.peer.config[f"latents_{name}"]) for name in ("mean", "std"))
    return mean.view(1, -1, 1, 1, 1), std.view(1, -1, 1, 1, 1)


def peer_latents(pair: Pair, clip: Tensor) -> Tensor:
    mean, std = statistics(pair)
    return (pair.peer.encode(clip).latent_dist.mode() - mean) / std


def peer_frames(pair: Pair, latents: Tensor) -> Tensor:
    mean, std = statistics(pair)
    return pair.peer.decode(latents * std + mean).sample


def assert_close(found: Tensor, expected: Tensor) -> None:
    assert found.shape == expected.shape
    assert (found - expected).norm() <= CLOSE * expected.norm()
    assert (found - expected).abs().max() <= CLOSE * expected.abs().max()


@pytest.mark.parametrize("num_frames", [1, 5, 17, 81])
def test_encode_and_decode_are_those_of_diffusers(small: Pair, num_frames: int) -> None:
    clip = video(small, num_frames)
    latents = small.ours.encode(clip)
    assert_close(latents, peer_latents(small, clip))
    assert latents.shape[2] == small.ours.config.num_latent_frames(num_frames)
    frames = small.ours.decode(latents)
    assert frames.shape == clip.shape
    assert_close(frames, peer_frames(small, latents))


@pytest.mark.slow
@pytest.mark.parametrize("version", ["2.1", "2.2"])
def test_true_shapes(version: str) -> None:
    published = pair({}, (32, 48)) if version == "2.1" else pair(TRUE_2_2, (32, 48))
    assert published.ours.config == (wan_2_1() if version == "2.1" else wan_2_2())
    clip = video(published, 9)
    latents = published.ours.encode(clip)
    assert_close(latents, peer_latents(published, clip))
    assert_close(published.ours.decode(latents), peer_frames(published, latents))


def test_bands_of_rows_at_points(small: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """As large pictures are worked on: three rows at a time, and no size is too small for points."""
    monkeypatch.setattr(wan, "_BAND_BYTES", 1)
    monkeypatch.setattr(wan, "_FEWEST_ROWS", 3)
    monkeypatch.setattr(winograd, "_FEW", 0)
    clip = video(small, 17)
    latents = small.ours.encode(clip)
    assert_close(latents, peer_latents(small, clip))
    assert_close(small.ours.decode(latents), peer_frames(small, latents))


@pytest.mark.parametrize(
    "lengths",
    [[1], [5], [1, 4], [1, 4, 4, 8], [5, 8, 4], [1, 16, 12], [17, 16]],
    ids=lambda lengths: "+".join(map(str, lengths)),
)
def test_chunks_equal_the_whole(small: Pair, lengths: list[int]) -> None:
    clip = video(small, sum(lengths))
    latents = small.ours.encode(clip)
    encoded = torch.cat(list(small.ours.encode_chunks(clip.split(lengths, 2))), 2)
    assert_close(encoded, latents)
    frames = small.ours.decode(latents)
    latent_lengths = [lengths[0] // 4 + 1, *(length // 4 for length in lengths[1:])]
    decoded = list(small.ours.decode_chunks(latents.split(latent_lengths, 2)))
    assert [part.shape[2] for part in decoded] == lengths
    assert_close(torch.cat(decoded, 2), frames)


def test_the_future_changes_nothing_before_it(small: Pair) -> None:
    clip, changed = video(small, 17), video(small, 17)
    changed[:, :, 9:] *= -1  # the first frame of the latent frame 3
    latents, other = small.ours.encode(clip), small.ours.encode(changed)
    assert torch.allclose(latents[:, :, :3], other[:, :, :3], atol=1e-5)
    assert not torch.allclose(latents[:, :, 3], other[:, :, 3], atol=1e-3)


def test_clips_in_a_batch_do_not_see_each_other(small: Pair) -> None:
    clips = video(small, 5, batch=2)
    latents = small.ours.encode(clips)
    frames = small.ours.decode(latents)
    for index in range(2):
        assert torch.equal(small.ours.encode(clips[index : index + 1])[0], latents[index])
        assert torch.equal(small.ours.decode(latents[index : index + 1])[0], frames[index])


def test_statistics_are_those_of_the_configuration(small: Pair) -> None:
    latents = small.ours.encode(video(small, 5))
    mean, std = statistics(small)
    assert torch.allclose(small.ours.denormalise(latents), latents * std + mean)
    assert torch.allclose(small.ours.normalise(small.ours.denormalise(latents)), latents, atol=1e-6)


def test_autocast_changes_nothing(small: Pair) -> None:
    clip = video(small, 5)
    latents = small.ours.encode(clip)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(small.ours.encode(clip), latents)
        assert torch.equal(small.ours.decode(latents), small.ours.decode(latents))


def test_low_precision_is_as_exact_as_that_of_diffusers() -> None:
    low, exact = pair(SMALL_2_1, (48, 64)), pair(SMALL_2_1, (48, 64))
    latents = peer_latents(exact, video(exact, 5))
    expected = peer_frames(exact, latents)
    mean, std = statistics(low)
    theirs = low.peer.to(torch.bfloat16).decode((latents * std + mean).bfloat16()).sample
    found = low.ours.to(torch.bfloat16).decode(latents)
    assert found.dtype == torch.float32
    assert (found - expected).norm() < 1.2 * (theirs.float() - expected).norm()


def test_compression_follows_from_the_stages() -> None:
    assert (wan_2_1().temporal_compression, wan_2_1().spatial_compression) == (4, 8)
    assert (wan_2_2().temporal_compression, wan_2_2().spatial_compression) == (4, 16)
    assert [wan_2_2().num_frames(n) for n in (1, 2, 21)] == [1, 5, 81]


@pytest.mark.parametrize("num_frames", [0, 2, 4, 32])
def test_lengths_that_do_not_fit_are_named(num_frames: int) -> None:
    with pytest.raises(ValueError, match=f"not {num_frames}: repeat or drop frames"):
        wan_2_1().num_latent_frames(num_frames)


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [((5, 24, 36), "multiples of 8, not 24 and 36"), ((6, 24, 40), "1 \\+ 4·k frames, not 6")],
)
def test_chunks_that_do_not_fit_are_named(shape: tuple[int, int, int], sentence: str) -> None:
    vae = WanAutoencoder(WanAutoencoderConfig(latent_channels=4, encoder_width=8, decoder_width=8))
    with pytest.raises(ValueError, match=sentence):
        next(iter(vae.encode_chunks([torch.zeros(1, 3, *shape)])))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"latent_channels": 0}, "at least 1"),
        ({"patch_size": 0}, "at least 1"),
        ({"halves_time": (True,)}, "between each two stages"),
        ({"latent_mean": (0.0,)}, "one value a latent channel"),
    ],
)
def test_configurations_that_make_no_sense(wrong: dict[str, Any], sentence: str) -> None:
    shape: dict[str, Any] = {"latent_channels": 4, "encoder_width": 8, "decoder_width": 8}
    with pytest.raises(ValueError, match=sentence):
        WanAutoencoderConfig(**{**shape, **wrong})


PEAK = """
import resource, sys, torch
from tenku.vae import WanAutoencoder, WanAutoencoderConfig
torch.set_num_threads(1)
config = WanAutoencoderConfig(latent_channels=4, encoder_width=16, decoder_width=16)
vae = WanAutoencoder(config).requires_grad_(False)
peaks = []
for length in (5, 21):
    for frames in vae.decode_chunks(torch.zeros(1, 4, 1, 8, 8) for _ in range(length)):
        pass
    for latents in vae.encode_chunks(torch.zeros(1, 3, 4 if i else 1, 64, 64) for i in range(length)):
        pass
    vae.encode(vae.decode(torch.zeros(1, 4, length, 8, 8)))
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
print(*peaks)
"""


def test_memory_does_not_grow_with_length() -> None:
    """17 frames and 81: of the 64 more, pixels are 3.1 MB, and features of one layer 17 MB."""
    ended = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, text=True, check=True)
    unit = 1 if sys.platform == "darwin" else 1024
    peaks = [int(peak) * unit for peak in ended.stdout.split()]
    assert all(after - before < 12e6 for before, after in pairwise(peaks))

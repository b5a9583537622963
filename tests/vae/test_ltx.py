"""LTX-Video's autoencoders against diffusers': random weights of small and of true shapes."""

import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from tenku.checkpoint.ltx_vae import build_ltx_vae, config_from_diffusers
from tenku.evaluation.random_ltx import LTX_PUBLISHED, random_ltx_vae
from tenku.vae import DownShape, LtxAutoencoder, LtxAutoencoderConfig, UpShape, ltx, ltx_0_9

VERSIONS = {f"0.9{end}": f"ltx-video-2b-0.9{end}" for end in ("", ".1", ".5")}
CLOSE = 1e-5


class Pair(NamedTuple):
    """Two engines with the same weights; latents that ours decodes are given no noise."""

    peer: Any
    ours: LtxAutoencoder


def pair(facts: dict[str, Any]) -> Pair:
    torch.manual_seed(0)
    peer = random_ltx_vae(facts).requires_grad_(False)
    config = config_from_diffusers(peer.config)
    ours = build_ltx_vae(peer.state_dict(), replace(config, decode_noise_scale=0.0))
    return Pair(peer, ours)


def small_facts(version: str, **more: Any) -> dict[str, Any]:
    return {**LTX_PUBLISHED[VERSIONS[version]].small().vae, **more}


@pytest.fixture(scope="module", params=VERSIONS)
def small(request: pytest.FixtureRequest) -> Pair:
    return pair(small_facts(request.param))


def video(num_frames: int, batch: int = 1, size: tuple[int, int] = (64, 96)) -> Tensor:
    generator = torch.Generator().manual_seed(num_frames)
    return torch.rand(batch, 3, num_frames, *size, generator=generator) * 2 - 1


def statistics(pair: Pair) -> tuple[Tensor, Tensor]:
    """As the pipelines of diffusers use them."""
    mean, std = (each.view(1, -1, 1, 1, 1) for each in (pair.peer.latents_mean, pair.peer.latents_std))
    return mean, std / pair.peer.config.scaling_factor


def peer_latents(pair: Pair, clip: Tensor) -> Tensor:
    mean, std = statistics(pair)
    latents: Tensor = (pair.peer.encode(clip).latent_dist.mode() - mean) / std
    return latents


def peer_frames(pair: Pair, latents: Tensor) -> Tensor:
    """Its decoder draws its noise from the global generator, which is put where ours starts."""
    mean, std = statistics(pair)
    told = None
    if pair.ours.config.time_conditioned:
        told = torch.full((len(latents),), pair.ours.config.decode_timestep)
    with torch.random.fork_rng():
        torch.manual_seed(ltx.NOISE_SEED)
        frames: Tensor = pair.peer.decode(latents * std + mean, told).sample
    return frames.clamp(-1, 1)


def assert_close(found: Tensor, expected: Tensor) -> None:
    assert found.shape == expected.shape
    assert (found - expected).norm() <= CLOSE * expected.norm()
    assert (found - expected).abs().max() <= CLOSE * expected.abs().max()


@pytest.mark.parametrize("num_frames", [1, 9, 17])
def test_encode_and_decode_are_those_of_diffusers(small: Pair, num_frames: int) -> None:
    clip = video(num_frames)
    latents = small.ours.encode(clip)
    assert_close(latents, peer_latents(small, clip))
    assert latents.shape[2] == small.ours.config.num_latent_frames(num_frames)
    frames = small.ours.decode(latents)
    assert frames.shape == clip.shape
    assert frames.std() > 0.1
    assert_close(frames, peer_frames(small, latents))


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
def test_true_shapes(version: str) -> None:
    published = pair(dict(LTX_PUBLISHED[VERSIONS[version]].vae))
    clip = video(9, size=(32, 64))
    latents = published.ours.encode(clip)
    assert_close(latents, peer_latents(published, clip))
    assert_close(published.ours.decode(latents), peer_frames(published, latents))


@pytest.mark.parametrize("version", ["0.9", "0.9.1"])
def test_a_decoder_that_does_not_look_ahead(version: str) -> None:
    causal = pair(small_facts(version, decoder_causal=True))
    latents = causal.ours.encode(video(17))
    assert_close(causal.ours.decode(latents), peer_frames(causal, latents))
    parts = causal.ours.decode_chunks(latents.split(1, 2))
    assert [part.shape[2] for part in parts] == [1, 8, 8]


def test_a_scaling_factor() -> None:
    scaled = pair(small_facts("0.9", scaling_factor=0.5))
    clip = video(9)
    latents = scaled.ours.encode(clip)
    assert_close(latents, peer_latents(scaled, clip))
    assert_close(scaled.ours.decode(latents), peer_frames(scaled, latents))


@pytest.mark.parametrize(
    "lengths",
    [[1], [9], [1, 8], [1, 8, 16], [9, 16], [17, 8]],
    ids=lambda lengths: "+".join(map(str, lengths)),
)
def test_chunks_equal_the_whole(small: Pair, lengths: list[int]) -> None:
    clip = video(sum(lengths))
    latents = small.ours.encode(clip)
    encoded = torch.cat(list(small.ours.encode_chunks(clip.split(lengths, 2))), 2)
    assert_close(encoded, latents)
    latent_lengths = [lengths[0] // 8 + 1, *(length // 8 for length in lengths[1:])]
    decoded = list(small.ours.decode_chunks(latents.split(latent_lengths, 2)))
    assert_close(torch.cat(decoded, 2), small.ours.decode(latents))


def test_a_long_clip_comes_as_it_is_done(small: Pair) -> None:
    """One tensor a chunk, none of them more than was due, and what is left in small parts at the end."""
    channels = small.ours.config.latent_channels
    latents = torch.randn(1, channels, 30, 1, 2, generator=torch.Generator().manual_seed(0))
    parts = list(small.ours.decode_chunks(latents.split(5, 2)))
    lengths = [part.shape[2] for part in parts]
    assert parts[0].shape == (1, 3, lengths[0], 32, 64)
    assert sum(lengths) == 1 + 29 * 8
    assert 0 < sum(lengths[:6]) < 1 + 29 * 8
    assert max(lengths[6:]) <= 8
    assert_close(torch.cat(parts, 2), peer_frames(small, latents))


def test_the_encoder_does_not_look_ahead_and_the_decoder_does(small: Pair) -> None:
    clip, changed = video(17), video(17)
    changed[:, :, 9:] *= -1  # the first frame of the latent frame 2
    latents, other = small.ours.encode(clip), small.ours.encode(changed)
    assert torch.allclose(latents[:, :, :2], other[:, :, :2], atol=1e-5)
    assert not torch.allclose(latents[:, :, 2], other[:, :, 2], atol=1e-3)
    mixed = torch.cat([latents[:, :, :2], other[:, :, 2:]], 2)
    frames, others = (small.ours.decode(each)[:, :, 0] for each in (latents, mixed))
    assert not torch.allclose(frames, others, atol=1e-5)


def test_clips_in_a_batch_do_not_see_each_other(small: Pair) -> None:
    clips = video(9, batch=2)
    latents = small.ours.encode(clips)
    frames = small.ours.decode(latents)
    for index in range(2):
        assert torch.equal(small.ours.encode(clips[index : index + 1])[0], latents[index])
        assert torch.equal(small.ours.decode(latents[index : index + 1])[0], frames[index])


def test_noise_in_latents_is_that_of_the_formula_whatever_the_chunks() -> None:
    plain = pair(small_facts("0.9.1"))
    noisy = build_ltx_vae(plain.peer.state_dict(), replace(plain.ours.config, decode_noise_scale=0.3))
    latents = plain.ours.encode(video(17))
    generator = torch.Generator().manual_seed(ltx.NOISE_SEED + 1)
    frames = [torch.randn(latents.shape[1], *latents.shape[3:], generator=generator) for _ in range(3)]
    mixed = 0.7 * plain.ours.denormalise(latents) + 0.3 * torch.stack(frames, 1)
    expected = plain.ours.decode(plain.ours.normalise(mixed))
    assert_close(noisy.decode(latents), expected)
    assert_close(torch.cat(list(noisy.decode_chunks(latents.split([2, 1], 2))), 2), expected)
    assert not torch.allclose(expected, plain.ours.decode(latents), atol=1e-3)


def test_a_decoder_is_told_how_far_it_is() -> None:
    told = pair(small_facts("0.9.1"))
    latents = told.ours.encode(video(9))
    told.ours.config = replace(told.ours.config, decode_timestep=0.5)
    assert_close(told.ours.decode(latents), peer_frames(told, latents))


def test_statistics_are_those_of_the_file(small: Pair) -> None:
    latents = small.ours.encode(video(9))
    mean, std = statistics(small)
    assert torch.allclose(small.ours.denormalise(latents), latents * std + mean)
    assert torch.allclose(small.ours.normalise(small.ours.denormalise(latents)), latents, atol=1e-6)


def test_autocast_changes_nothing(small: Pair) -> None:
    clip = video(9)
    latents = small.ours.encode(clip)
    frames = small.ours.decode(latents)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(small.ours.encode(clip), latents)
        for _ in small.ours.decode_chunks([latents]):
            assert torch.is_autocast_enabled("cpu")
        assert torch.equal(small.ours.decode(latents), frames)


def test_low_precision_is_as_exact_as_that_of_diffusers() -> None:
    low, exact = pair(small_facts("0.9")), pair(small_facts("0.9"))
    latents = peer_latents(exact, video(9))
    expected = peer_frames(exact, latents)
    mean, std = statistics(exact)
    theirs = low.peer.to(torch.bfloat16).decode((latents * std + mean).bfloat16()).sample.clamp(-1, 1)
    found = low.ours.to(torch.bfloat16).decode(latents)
    assert found.dtype == torch.float32
    assert (found - expected).norm() < 1.2 * (theirs.float() - expected).norm()


def test_compression_follows_from_the_stages(small: Pair) -> None:
    config = small.ours.config
    assert (config.temporal_compression, config.spatial_compression) == (8, 32)
    assert [config.num_frames(n) for n in (1, 2, 21)] == [1, 9, 161]


@pytest.mark.parametrize("num_frames", [0, 2, 8, 64])
def test_lengths_that_do_not_fit_are_named(num_frames: int) -> None:
    with pytest.raises(ValueError, match=f"not {num_frames}: repeat or drop frames"):
        ltx_0_9().num_latent_frames(num_frames)


TINY: dict[str, Any] = {
    "encoder_width": 16,
    "encoder_stages": (DownShape(width=16, depth=1, downsampling="strided"),),
    "encoder_depth": 1,
    "decoder_middle": UpShape(width=16, depth=1, upsamples=False),
    "decoder_stages": (UpShape(width=16, depth=1),),
    "latent_channels": 4,
}


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [((9, 8, 12), "multiples of 8, not 8 and 12"), ((8, 8, 16), "1 \\+ 2·k frames, not 8")],
)
def test_chunks_that_do_not_fit_are_named(shape: tuple[int, int, int], sentence: str) -> None:
    vae = LtxAutoencoder(LtxAutoencoderConfig(**TINY))
    with pytest.raises(ValueError, match=sentence):
        next(iter(vae.encode_chunks([torch.zeros(1, 3, *shape)])))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"latent_channels": 0}, "at least 1"),
        ({"encoder_depth": 0}, "at least 1"),
        ({"decoder_stages": ()}, "must grow as much as the encoder shrinks"),
        ({"decoder_stages": (UpShape(width=16, depth=1, factor=2),)}, "must divide the width before it"),
        (
            {"decoder_stages": (UpShape(width=32, depth=1),), "time_conditioned": True},
            "change its width by factors only",
        ),
        ({"decoder_stages": (UpShape(width=32, depth=1, noisy=True),)}, "change its width by factors only"),
        (
            {"encoder_stages": (DownShape(width=12, depth=1, downsampling="both"),), "encoder_width": 16},
            "multiple of the channels that it folds",
        ),
        ({"latent_mean": (0.0,)}, "one value a latent channel"),
    ],
)
def test_configurations_that_make_no_sense(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        LtxAutoencoderConfig(**{**TINY, **wrong})


PEAK = """
import resource, sys, torch
from dataclasses import replace
from tenku.vae import DownShape, LtxAutoencoder, LtxAutoencoderConfig, UpShape
torch.set_num_threads(1)
config = LtxAutoencoderConfig(
    encoder_width=16,
    encoder_stages=3 * (DownShape(width=16, depth=1, downsampling="strided"),),
    encoder_depth=1,
    decoder_middle=UpShape(width=16, depth=1, upsamples=False),
    decoder_stages=3 * (UpShape(width=16, depth=1),),
    latent_channels=4,
)
vae = LtxAutoencoder(config).requires_grad_(False)
peaks = []
for length in (20, 60):
    for frames in vae.decode_chunks(torch.zeros(1, 4, 1, 4, 4) for _ in range(length)):
        pass
    for latents in vae.encode_chunks(torch.zeros(1, 3, 8 if i else 1, 128, 128) for i in range(length)):
        pass
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
print(*peaks)
"""


def test_memory_does_not_grow_with_length() -> None:
    """153 frames and 473: of the 320 more, pixels are 63 MB, and features of one layer 21 MB."""
    ended = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, text=True, check=True)
    unit = 1 if sys.platform == "darwin" else 1024
    peaks = [int(peak) * unit for peak in ended.stdout.split()]
    assert all(after - before < 12e6 for before, after in pairwise(peaks))

import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from einops import einsum, rearrange
from torch import Tensor, nn

from tenku.vae import VideoAutoencoder, VideoAutoencoderConfig, from_pixels, to_pixels

SMALL = {
    "latent_channels": 6,
    "encoder_width": 10,
    "decoder_width": 12,
    "decoder_depth": 2,
    "frame_width": 8,
    "frame_depth": 2,
}
Randomise = Callable[[nn.Module], nn.Module]


@pytest.fixture(scope="module", params=[0, 2], ids=["linear encoder", "deep encoder"])
def vae(request: pytest.FixtureRequest, randomised: Randomise) -> VideoAutoencoder:
    torch.manual_seed(0)
    statistics = {"latent_mean": (0.3,) * 6, "latent_std": (0.7, 1, 1, 2, 1, 1)}
    vae = VideoAutoencoder(VideoAutoencoderConfig(**SMALL, **statistics, encoder_depth=request.param))
    randomised(vae)
    return vae


def video(num_frames: int, height: int = 24, width: int = 40, batch: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(num_frames)
    return torch.rand(batch, 3, num_frames, height, width, generator=generator) * 2 - 1


@pytest.mark.parametrize(
    "lengths",
    [[1], [5], [1, 4], [17], [5, 8, 4], [1, 4, 4, 4, 4], [9, 4, 20], [1, 32]],
    ids=lambda lengths: "+".join(map(str, lengths)),
)
def test_chunks_equal_the_whole(vae: VideoAutoencoder, lengths: list[int]) -> None:
    clip = video(sum(lengths), batch=2)  # a grid of 3×5
    latents = vae.encode(clip)
    assert latents.shape == (2, 6, vae.config.num_latent_frames(sum(lengths)), 3, 5)
    encoded = torch.cat(list(vae.encode_chunks(clip.split(lengths, 2))), 2)
    assert torch.allclose(encoded, latents, atol=1e-5)

    whole = vae.decode(latents)
    assert whole.shape == clip.shape
    latent_lengths = [lengths[0] // 4 + 1, *(length // 4 for length in lengths[1:])]
    decoded = torch.cat(list(vae.decode_chunks(latents.split(latent_lengths, 2))), 2)
    assert torch.allclose(decoded, whole, atol=1e-5)


def test_the_future_changes_nothing_before_it(vae: VideoAutoencoder) -> None:
    clip, changed = video(17), video(17)
    changed[:, :, 9:] *= -1  # the second frame of the latent frame 3
    latents, other = vae.encode(clip), vae.encode(changed)
    assert torch.allclose(latents[:, :, :3], other[:, :, :3], atol=1e-6)
    assert not torch.allclose(latents[:, :, 3], other[:, :, 3], atol=1e-2)

    other = latents.clone()
    other[:, :, 3:] *= -1
    frames, other_frames = vae.decode(latents), vae.decode(other)
    assert torch.allclose(frames[:, :, :9], other_frames[:, :, :9], atol=1e-6)
    assert not torch.allclose(frames[:, :, 9], other_frames[:, :, 9], atol=1e-2)


def test_what_was_before_is_seen(vae: VideoAutoencoder) -> None:
    """A chunk alone is not the same as that chunk of a stream."""
    latents = vae.encode(video(9))
    alone = vae.decode(latents[:, :, 1:])
    assert not torch.allclose(vae.decode(latents)[:, :, -4:], alone[:, :, -4:], atol=1e-3)


def test_a_picture_is_a_video_of_one_frame(vae: VideoAutoencoder) -> None:
    clip = video(9)
    picture = vae.encode(clip[:, :, :1])
    assert picture.shape == (1, 6, 1, 3, 5)
    assert torch.allclose(picture, vae.encode(clip)[:, :, :1], atol=1e-5)
    assert vae.decode(picture).shape == (1, 3, 1, 24, 40)


def test_clips_in_a_batch_do_not_see_each_other(vae: VideoAutoencoder) -> None:
    clips = video(5, batch=3)
    latents = vae.encode(clips)
    frames = vae.decode(latents)
    for index in range(3):
        assert torch.allclose(vae.encode(clips[index : index + 1])[0], latents[index], atol=1e-5)
        assert torch.allclose(vae.decode(latents[index : index + 1])[0], frames[index], atol=1e-5)


def test_statistics_are_those_of_the_configuration(vae: VideoAutoencoder) -> None:
    clip = video(5)
    raw, latents = vae.encode_unnormalised(clip), vae.encode(clip)
    assert torch.allclose(latents[0, 3], (raw[0, 3] - 0.3) / 2)
    assert torch.allclose(vae.denormalise(latents), raw, atol=1e-6)


def test_principal_components_give_low_rank_data_back() -> None:
    """Four patterns of 8×8 pixels, held through each latent frame: rank 4 in six channels, the mean apart."""
    vae = VideoAutoencoder(VideoAutoencoderConfig(**SMALL)).requires_grad_(False)
    generator = torch.Generator().manual_seed(1)
    patterns = torch.randn(4, 3, 8, 8, generator=generator) * 0.05
    amounts = torch.randn(4, 4, 3, 5, generator=generator)
    frames = rearrange(
        einsum(amounts, patterns, "p t h w, p k y x -> t k h y w x"), "t k h y w x -> k t (h y) (w x)"
    )
    clip = frames[None].repeat_interleave(4, 2)[:, :, 3:] + 0.1  # the first latent frame is one frame
    spread = vae.initialise_from_pca(clip)
    assert len(spread) == 6
    assert all(first >= second for first, second in pairwise(spread))
    assert sum(std**2 for std in spread) / 6 == pytest.approx(1, abs=1e-4)
    assert torch.allclose(vae.decode(vae.encode(clip)), clip, atol=1e-4)
    spread_of_latents = vae.encode(clip).std(dim=(0, 2, 3, 4), correction=0)
    assert torch.allclose(spread_of_latents, torch.tensor(spread), atol=1e-3)


def with_last_frames_of_their_own(num_latent_frames: int, seed: int, still: bool = False) -> Tensor:
    """Latent frames (2 3 4t h w) of three patterns; in each group the last frame is a mixture of its own."""
    generator = torch.Generator().manual_seed(1)
    patterns = torch.randn(3, 3, 8, 8, generator=generator) * 0.05
    generator.manual_seed(seed)
    amounts = torch.randn(2, num_latent_frames, 2, 3, 3, 5, generator=generator)
    amounts = amounts[:, :, [0, 0, 0, 0 if still else 1]]
    frames = einsum(amounts, patterns, "b t f k h w, k c y x -> b t f c h y w x")
    return rearrange(frames, "b t f c h y w x -> b c (t f) (h y) (w x)")


def exact_autoencoder() -> VideoAutoencoder:
    """A linear one, which holds such frames without a loss, in latents that are normalised."""
    statistics = {"latent_mean": (0.3,) * 6, "latent_std": (0.7, 1, 1, 2, 1, 1)}
    vae = VideoAutoencoder(VideoAutoencoderConfig(**SMALL, **statistics)).requires_grad_(False)
    vae.initialise_from_pca(with_last_frames_of_their_own(40, 0)[:, :, 3:])
    return vae


def encoded(vae: VideoAutoencoder, frames: Tensor) -> Tensor:
    """Latents of whole groups of frames, the first among them."""
    return vae.encode(torch.cat([frames[:, :, :1], frames], 2))[:, :, 1:]


def groups(vae: VideoAutoencoder, latents: Tensor) -> Tensor:
    frames = vae.decode_unnormalised(vae.denormalise(latents))
    return rearrange(frames, "b c (t f) y x -> b t f c y x", f=4)


@pytest.mark.parametrize("length", [1, 3])
def test_a_latent_frame_can_be_made_to_end_in_a_still_one(length: int) -> None:
    vae = exact_autoencoder()
    latents = encoded(vae, with_last_frames_of_their_own(length, 5))
    still = encoded(vae, with_last_frames_of_their_own(length, 6, still=True))
    ours, theirs, found = (groups(vae, part) for part in (latents, still, vae.ending_in(latents, still)))
    assert torch.allclose(theirs[:, :, 0], theirs[:, :, 3], atol=1e-4)
    assert not torch.allclose(ours[:, :, 3], theirs[:, :, 3], atol=0.1)
    assert torch.allclose(found[:, :, 3], theirs[:, :, 3], atol=1e-4)
    assert torch.allclose(found[:, :, :3], ours[:, :, :3], atol=1e-4)


def test_what_ends_in_a_frame_already_stays(vae: VideoAutoencoder) -> None:
    latents = vae.encode(video(9, batch=2))
    assert torch.allclose(vae.ending_in(latents, latents), latents, atol=1e-6)


def test_an_ending_is_exact_under_autocast() -> None:
    vae = exact_autoencoder()
    latents, still = (
        encoded(vae, with_last_frames_of_their_own(2, seed, still=seed == 6)) for seed in (5, 6)
    )
    plain = vae.ending_in(latents, still)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(vae.ending_in(latents, still), plain)
    assert plain.shape == latents.shape
    assert plain.dtype == torch.float32


@pytest.mark.parametrize("num_frames", [0, 2, 4, 32])
def test_lengths_that_do_not_fit_are_named(num_frames: int) -> None:
    with pytest.raises(ValueError, match=f"not {num_frames}: repeat or drop frames"):
        VideoAutoencoderConfig().num_latent_frames(num_frames)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"spatial_compression": 6}, "multiple of 4"),
        ({"spatial_compression": 0}, "multiple of 4"),
        ({"temporal_compression": 0}, "at least 1"),
        ({"latent_mean": (0.0,)}, "one value a latent channel"),
    ],
)
def test_configurations_that_make_no_sense(wrong: dict[str, int], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        VideoAutoencoderConfig(**wrong)  # type: ignore[arg-type]


def test_bytes_become_values_and_bytes_again() -> None:
    frames = torch.arange(256, dtype=torch.uint8).repeat(3).view(2, 8, 16, 3).numpy()
    values = from_pixels(frames)
    assert values.shape == (3, 2, 8, 16)
    assert (values.min(), values.max()) == (-1, 1)
    assert (to_pixels(values) == frames).all()
    assert to_pixels(torch.tensor([-7.0, 0.0, 7.0]).view(3, 1, 1, 1)).tolist() == [[[[0, 128, 255]]]]


PEAK = """
import resource, torch
from tenku.vae import VideoAutoencoder, VideoAutoencoderConfig
torch.set_num_threads(1)
config = VideoAutoencoderConfig(decoder_width=32, decoder_depth=1, frame_width=32, frame_depth=1)
vae = VideoAutoencoder(config).requires_grad_(False)
peaks = []
for length in (9, 83):
    for frames in vae.decode_chunks(torch.zeros(1, 48, 1, 8, 8) for _ in range(length)):
        pass
    for latents in vae.encode_chunks(torch.zeros(1, 3, 4 if i else 1, 64, 64) for i in range(length)):
        pass
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
print(*peaks)
"""


def test_memory_does_not_grow_with_length() -> None:
    """330 frames of 64×64 in float32 alone are 16 MB, their features several times that."""
    ended = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, text=True, check=True)
    short, long = map(int, ended.stdout.split())
    unit = 1 if sys.platform == "darwin" else 1024
    assert (long - short) * unit < 6e6


def test_linear_frames_are_what_linear_latents_hold() -> None:
    vae = VideoAutoencoder(
        VideoAutoencoderConfig(latent_channels=6, latent_mean=(0.1,) * 6, latent_std=(2.0,) * 6)
    )
    vae.initialise_from_pca(torch.rand(4, 3, 9, 32, 32, generator=torch.Generator().manual_seed(0)))
    latents = torch.randn(2, 6, 3, 4, 5, generator=torch.Generator().manual_seed(1))
    frames = vae.linear_frames(latents)
    assert frames.shape == (2, 12, 3 * 64, 4, 5)
    assert torch.allclose(vae.linear_latents(frames), latents, atol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(vae.linear_frames(latents), frames)
    assert torch.allclose(vae.linear_frames(latents[:, :, 1:2]), frames[:, 4:8], atol=1e-5)

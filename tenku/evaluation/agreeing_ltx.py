"""The parts of an LTX-Video model, one after the other, in tenku and in diffusers on the same inputs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from tenku.checkpoint import load_denoiser, load_text_encoder, load_vae
from tenku.checkpoint.places import parts_of
from tenku.denoiser import Denoiser
from tenku.evaluation.agreeing import LEVELS, PROMPTS, agreement, solvers_agree, vaes_agree
from tenku.evaluation.certificate import Agreement
from tenku.evaluation.peer import library, load_peer, quietly
from tenku.timeline import GenerationRequest
from tenku.vae import LtxAutoencoder
from tenku.vae.ltx import NOISE_SEED

_FRAMES: Final = (1, 9, 17)
_SIDES: Final = (8, 32, 32)  # frames and pixels a side of a token
_TOLD: Final = 0.05  # the noise level that decoders of 0.9.1 are told of
_NUM_TOKENS: Final = 128  # of a text


@torch.no_grad()
def ltx_parts_agree(folder: Path, request: GenerationRequest) -> list[Agreement]:
    """Denoiser, autoencoder, text encoder and solvers; never more than one part is loaded at a time."""
    return [
        _denoiser_agrees(parts_of(folder).denoisers[0], request),
        *_vae_agrees(folder),
        _text_agrees(folder),
        *solvers_agree(),
    ]


def unpacked(tokens: Tensor, grid: tuple[int, int, int]) -> Tensor:
    """diffusers' tokens (b n c) as latents (b c t h w)."""
    return tokens.transpose(1, 2).reshape(len(tokens), -1, *grid)


def grid_of(request: GenerationRequest) -> tuple[int, int, int]:
    """Latent frames of a request, their height and width."""
    t, h, w = _SIDES
    return 1 + -(-(request.num_frames - 1) // t), request.height // h, request.width // w


def without_decode_noise(vae: Any) -> LtxAutoencoder:
    """The autoencoder without the noise that latents are given before they are decoded, which diffusers draws
    from elsewhere."""
    assert isinstance(vae, LtxAutoencoder)
    vae.config = replace(vae.config, decode_noise_scale=0.0)
    return vae


@contextmanager
def noise_as_ours() -> Iterator[None]:
    """A block in which the noise inside diffusers' decoder, from the global generator, is that inside
    tenku's."""
    with torch.random.fork_rng():
        torch.manual_seed(NOISE_SEED)
        yield


def _denoiser_agrees(place: Path, request: GenerationRequest) -> Agreement:
    ours, grid = load_denoiser(place, dtype=torch.float32), grid_of(request)
    assert isinstance(ours, Denoiser)
    with quietly():
        theirs = library().LTXVideoTransformer3DModel.from_pretrained(str(place)).float().eval()
    generator = torch.Generator().manual_seed(request.seed)
    latents = torch.randn(1, ours.config.latent_channels, *grid, generator=generator)
    text = torch.randn(1, _NUM_TOKENS, ours.config.text_size, generator=generator)
    mask = torch.arange(_NUM_TOKENS)[None] < _NUM_TOKENS // 2
    pairs = []
    for level in LEVELS:
        levels = torch.full((1, *grid), level)
        levels[:, 0] = 0  # the first frame is known
        found: Tensor = ours(latents, levels, text, mask, fps=request.fps)
        answered = theirs(
            latents.flatten(2).transpose(1, 2),
            text,
            1000 * levels.flatten(1),
            mask.float(),
            num_frames=grid[0],
            height=grid[1],
            width=grid[2],
            rope_interpolation_scale=(_SIDES[0] / request.fps, *_SIDES[1:]),
            return_dict=False,
        )[0]
        pairs.append((found, unpacked(answered, grid)))
    inputs = f"latents {'×'.join(map(str, latents.shape[1:]))}, {len(LEVELS)} levels, one for each token"
    return agreement(f"denoiser ({place.name})", inputs, pairs)


def _vae_agrees(folder: Path) -> list[Agreement]:
    ours = without_decode_noise(load_vae(folder, dtype=torch.float32))
    with quietly():
        theirs = library().AutoencoderKLLTXVideo.from_pretrained(str(folder), subfolder="vae").float().eval()
    told: Any = torch.tensor([_TOLD]) if theirs.config.timestep_conditioning else None

    def decode(latents: Tensor) -> Tensor:
        with noise_as_ours():
            frames: Tensor = theirs.decode(latents, told).sample
        return frames

    return vaes_agree(ours, theirs, _FRAMES, decode)


def _text_agrees(folder: Path) -> Agreement:
    encode = load_text_encoder(folder, dtype=torch.float32).encode
    theirs = load_peer(folder, **dict.fromkeys(("vae", "transformer", "scheduler")))
    pairs = []
    for prompt in PROMPTS:
        found = encode([prompt])
        tokens, mask = theirs.encode_prompt(
            prompt, do_classifier_free_guidance=False, max_sequence_length=_NUM_TOKENS
        )[:2]
        number = int(mask.sum())  # what lies behind is looked at by nobody
        pairs.append((found.tokens[:, :number], tokens[:, :number]))
    return agreement("text encoder", f"{len(PROMPTS)} prompts of 0 to {_NUM_TOKENS} tokens", pairs)

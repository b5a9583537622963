"""The parts of a published model, one after the other, in tenku and in diffusers on the same inputs."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from tenku.checkpoint import load_denoiser, load_text_encoder, load_vae
from tenku.checkpoint.places import OpenPlace, parts_of
from tenku.denoiser import Denoiser
from tenku.evaluation.certificate import Agreement
from tenku.evaluation.peer import library, load_peer, load_peer_denoiser, load_peer_vae, original_timesteps
from tenku.sampling import euler, euler_sigmas, unipc, unipc_sigmas
from tenku.text import TextConditioning
from tenku.timeline import GenerationRequest, text_to_video
from tenku.vae import Autoencoder

EXACT: Final = 1e-5  # allowed of a part
PICTURE_TOKENS: Final = 257  # of CLIP ViT-H
LEVELS: Final = (0.95, 0.5, 0.1)
PROMPTS: Final = ("a red ball falls next to a blue cube", "一个红球落下", "", "a very long story " * 200)
_FRAMES: Final = (1, 5, 17)
_ODD: Final = (4, 6)  # latent positions (h w) of the clips that an autoencoder is given
_STEPS: Final = 10


def agreement(
    part: str, inputs: str, pairs: Iterable[tuple[Tensor, Tensor]], allowed: float = EXACT
) -> Agreement:
    """The worst of several answers of ours beside theirs."""
    apart = [(float((ours - theirs).norm() / theirs.norm()), ours - theirs) for ours, theirs in pairs]
    return Agreement(
        part=part,
        inputs=inputs,
        relative=max(relative for relative, _ in apart),
        largest=max(float(difference.abs().max()) for _, difference in apart),
        allowed=allowed,
    )


@torch.no_grad()
def parts_agree(folder: Path, request: GenerationRequest) -> list[Agreement]:
    """Denoisers, autoencoder, text encoder and solvers; never more than one part is loaded at a time."""
    parts = parts_of(folder)
    return [
        *(_denoiser_agrees(place, parts, request) for place in parts.denoisers),
        *_vae_agrees(folder),
        _text_agrees(folder),
        *solvers_agree(),
    ]


def _denoiser_agrees(place: Path, parts: OpenPlace, request: GenerationRequest) -> Agreement:
    ours, theirs = load_denoiser(place, dtype=torch.float32), load_peer_denoiser(place)
    assert isinstance(ours, Denoiser)
    given = _denoiser_inputs(ours, parts, request)
    a_token = bool(parts.facts.get("expand_timesteps"))
    pairs = (
        (_asked(ours, given, level, a_token), _asked_peer(theirs, given, level, a_token)) for level in LEVELS
    )
    shape = "×".join(map(str, given["latents"].shape[1:]))
    levels = f"{len(LEVELS)} levels" + (", one for each token" if a_token else "")
    return agreement(f"denoiser ({place.name})", f"latents {shape}, {levels}", pairs)


def _denoiser_inputs(denoiser: Denoiser, parts: OpenPlace, request: GenerationRequest) -> dict[str, Any]:
    config, generator = denoiser.config, torch.Generator().manual_seed(request.seed)
    side = load_vae(parts.vae).config.spatial_compression if parts.vae is not None else 8
    frames = 1 + -(-(request.num_frames - 1) // 4)
    place = (frames, request.height // side, request.width // side)

    def gaussian(*shape: int) -> Tensor:
        return torch.randn(1, *shape, generator=generator)

    text = gaussian(512, config.text_size)
    text[:, 20:] = 0
    picture = config.picture_places or PICTURE_TOKENS
    beside = config.condition_channels or config.control_channels
    return {
        "latents": gaussian(config.latent_channels, *place),
        "text": text,
        "conditions": gaussian(beside, *place) if beside else None,
        "picture": gaussian(picture, config.picture_size) if config.picture_size else None,
    }


def _levels(latents: Tensor, level: float, a_token: bool) -> Tensor:
    """One level, or one for each latent frame, of which the first is known: (1 t h w) or (1,)."""
    if not a_token:
        return torch.full((1,), level)
    levels = torch.full((1, *latents.shape[2:]), level)
    levels[:, 0] = 0
    return levels


def _asked(denoiser: Denoiser, given: dict[str, Any], level: float, a_token: bool) -> Tensor:
    read = denoiser.read(given["text"], None, given["picture"])
    levels = _levels(given["latents"], level, a_token)
    velocity: Tensor = denoiser(given["latents"], levels, read, conditions=given["conditions"])
    return velocity


def _asked_peer(network: Any, given: dict[str, Any], level: float, a_token: bool) -> Tensor:
    latents, picture = given["latents"], given["picture"]
    more = {}
    if getattr(network.config, "vace_in_channels", None):
        more["control_hidden_states"] = given["conditions"]
    elif given["conditions"] is not None:
        latents = torch.cat([latents, given["conditions"]], 1)
    if network.config.pos_embed_seq_len is not None:  # a first and a last picture, one after the other
        picture = picture.reshape(-1, picture.shape[1] // 2, picture.shape[2])
    levels = original_timesteps(_levels(given["latents"], level, a_token))
    velocity: Tensor = network(latents, levels, given["text"], picture, return_dict=False, **more)[0]
    return velocity


def _vae_agrees(folder: Path) -> list[Agreement]:
    ours, theirs = load_vae(folder, dtype=torch.float32), load_peer_vae(folder)

    def decode(latents: Tensor) -> Tensor:
        frames: Tensor = theirs.decode(latents).sample
        return frames

    return vaes_agree(ours, theirs, _FRAMES, decode)


def vaes_agree(
    ours: Autoencoder, theirs: Any, num_frames: Sequence[int], decode: Callable[[Tensor], Tensor]
) -> list[Agreement]:
    """Both ways through an autoencoder, on clips of so many frames each.

    `decode` is how theirs makes a video (b 3 t h w) of latents (b c t h w) as it knows them.
    """
    config, generator = ours.config, torch.Generator().manual_seed(0)
    sides = [side * config.spatial_compression for side in _ODD]
    clips = [torch.randn(1, 3, frames, *sides, generator=generator).clamp(-1, 1) for frames in num_frames]
    latents = [
        torch.randn(1, config.latent_channels, config.num_latent_frames(frames), *_ODD, generator=generator)
        for frames in num_frames
    ]
    encoded = ((ours.encode(clip), ours.normalise(theirs.encode(clip).latent_dist.mode())) for clip in clips)
    decoded = ((ours.decode(z), decode(ours.denormalise(z)).clamp(-1, 1)) for z in latents)
    inputs = f"{', '.join(map(str, num_frames))} frames {sides[1]}x{sides[0]}"
    return [agreement("VAE encode", inputs, encoded), agreement("VAE decode", inputs, decoded)]


def _text_agrees(folder: Path) -> Agreement:
    encode = load_text_encoder(folder, dtype=torch.float32).encode
    nothing = dict.fromkeys(("vae", "transformer", "transformer_2", "scheduler", "image_encoder"))
    theirs = load_peer(folder, **nothing)

    def of_peer(prompt: str) -> Tensor:
        tokens: Tensor = theirs.encode_prompt(
            prompt, do_classifier_free_guidance=False, max_sequence_length=512
        )[0]
        return tokens

    def of_ours(prompt: str) -> Tensor:
        read: TextConditioning = encode([prompt])
        return read.tokens

    pairs = ((of_ours(prompt), of_peer(prompt)) for prompt in PROMPTS)
    return agreement("text encoder", f"{len(PROMPTS)} prompts of 0 to 512 tokens", pairs)


def solvers_agree() -> list[Agreement]:
    """Both solvers on a smooth field that is no network's, so that their own arithmetic is all there is."""
    generator, shift = torch.Generator().manual_seed(0), 5.0
    noise = torch.randn(1, 16, 3, 8, 8, generator=generator)
    mixing = torch.randn(16, 16, generator=generator) / 4

    def velocity(latents: Tensor, level: Tensor) -> Tensor:
        mixed = torch.einsum("d c, b c t h w -> b d t h w", mixing, latents)
        return mixed.tanh() * (1 + level.max()) + 0.3 * latents

    unipc_peer = library().UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift
    )
    cases = (
        ("UniPC", unipc, unipc_sigmas, unipc_peer),
        ("Euler", euler, euler_sigmas, library().FlowMatchEulerDiscreteScheduler(shift=shift)),
    )
    canvas = text_to_video("a", tuple(noise.shape))  # type: ignore[arg-type]
    return [
        agreement(
            name,
            f"{_STEPS} steps, shift {shift:g}",
            [(solve(velocity, canvas, noise, levels(_STEPS, shift)), _solved(peer, velocity, noise))],
        )
        for name, solve, levels, peer in cases
    ]


def _solved(scheduler: Any, velocity: Callable[[Tensor, Tensor], Tensor], noise: Tensor) -> Tensor:
    scheduler.set_timesteps(_STEPS)
    latents = noise
    for timestep in scheduler.timesteps:
        found = velocity(latents, torch.as_tensor(float(timestep) / 1000))
        latents = scheduler.step(found, timestep, latents, return_dict=False)[0]
    return latents

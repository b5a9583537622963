"""Peak memory of a generation, from configurations and the headers of files alone; nothing is loaded.

Weights are counted from the shapes of their tensors. What networks work out is followed through them without
numbers (`tracing.py`), in a denoiser only through a few thousand tokens, and drawn out to the number that is
asked for: beyond that everything that matters grows in proportion.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

import torch
from torch import Tensor, nn

from tenku.checkpoint.folder import SamplingDefaults
from tenku.checkpoint.memory import Machine, MemoryPlan, Placement, Stage, resident_bytes
from tenku.checkpoint.quantizing import Quantization, quantizable
from tenku.checkpoint.tracing import hollow, memory_of, without_numbers
from tenku.denoiser import Denoiser, DenoiserConfig, ReadText
from tenku.timeline import GenerationRequest
from tenku.timeline.request import padded_num_frames
from tenku.vae import LtxAutoencoder, LtxAutoencoderConfig, WanAutoencoder, WanAutoencoderConfig

_TRACED_TOKENS: Final = 4_096  # at most: more is drawn out from less
_TRACED_BLOCKS: Final = 2  # the second begins with what the first has left
_TRACED_LATENTS: Final = 3  # frames of them at least: from the second on an autoencoder has all its past
_KERNELS: Final = 64 * 2**20  # that libraries keep for themselves once they have computed something
_A_PICTURE: Final = 32 * 2**20  # that an encoder of pictures works with
_LATENTS: Final = 12  # copies of the latents, in float32, that a solver and its timeline have
_BYTES_A_WORD: Final = 4  # of a text, for each of its tokens; few texts have more
_PIXEL_COPIES: Final = 5  # of decoded frames in float32: in parts, together, in order, cut off, given


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """What is made at a time: latent frames in view, their height and width in latent positions, and tokens
    of the texts; whether all of it fits into one window, whether guidance doubles the batch, and whether
    frames are encoded."""

    num_latent_frames: int
    height: int
    width: int
    num_text_tokens: int = 64
    one_window: bool = True
    guided: bool = True
    encodes: bool = False

    @classmethod
    def of(
        cls,
        request: GenerationRequest,
        sampling: SamplingDefaults,
        vae: WanAutoencoderConfig | LtxAutoencoderConfig,
        *,
        encodes: bool = False,
    ) -> "Work":
        """That of a request."""
        total = vae.num_latent_frames(padded_num_frames(request.num_frames, vae.temporal_compression))
        scale = sampling.guidance_scale if request.guidance_scale is None else request.guidance_scale
        second = request.guidance_scale_2
        longest = max(len(text.encode()) for text in (request.prompt, request.negative_prompt))
        return cls(
            num_latent_frames=min(total, sampling.window_size),
            height=request.height // vae.spatial_compression,
            width=request.width // vae.spatial_compression,
            num_text_tokens=min(512, 2 + longest // _BYTES_A_WORD),
            one_window=total <= sampling.window_size,
            guided=scale != 1 or second not in (None, 1),
            encodes=encodes,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class TextFacts:
    """Size of a umT5 encoder, and the type of its file."""

    hidden_size: int
    mlp_size: int
    num_heads: int
    head_size: int
    dtype: torch.dtype

    def layer_bytes(self, dtype: torch.dtype) -> int:
        """Of one layer, with its file's while it is converted."""
        attention = 4 * self.hidden_size * self.num_heads * self.head_size
        size = dtype.itemsize + (self.dtype.itemsize if dtype != self.dtype else 0)
        return (attention + 3 * self.hidden_size * self.mlp_size) * size

    def activation_bytes(self, num_tokens: int, dtype: torch.dtype) -> int:
        """Of one text."""
        inner = self.num_heads * self.head_size
        scores = 4 * self.num_heads * num_tokens**2
        return (
            num_tokens * (6 * self.hidden_size + 4 * inner + 3 * self.mlp_size) * dtype.itemsize + 4 * scores
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Networks:
    """What is known of a published model without its weights. `vae_converted`: its file is in another type
    than float32, which it runs in. Of a `picture_encoder` the bytes are known; the denoiser's blocks may be
    kept in eight bits."""

    denoisers: tuple[DenoiserConfig, ...]
    vae: WanAutoencoderConfig | LtxAutoencoderConfig
    vae_converted: bool
    text: TextFacts
    sampling: SamplingDefaults
    picture_bytes: int = 0
    quantization: Quantization | None = None


def plan_memory(
    networks: Networks, work: Work, machine: Machine, *, dtype: torch.dtype, program: int | None = None
) -> MemoryPlan:
    """The quickest placement that fits on a machine, or the smallest if none does.

    `program` is what this process takes without any weights; what it holds now if it is not given.
    """
    program = (resident_bytes() if program is None else program) + _KERNELS
    plans = [
        MemoryPlan(
            stages=tuple(_stages(networks, work, placement, program)), placement=placement, machine=machine
        )
        for placement in _placements(networks, work, dtype, machine.device)
    ]
    found = next((plan for plan in plans if plan.fits), plans[-1])
    return found if found.fits else replace(found, alternative=_smaller(networks, work, found))


def _placements(networks: Networks, work: Work, dtype: torch.dtype, device: str) -> Iterator[Placement]:
    """From the quickest to the smallest: what costs no time goes first."""
    kept = Placement(dtype=dtype, device=device, keeps_denoiser=not _freeing_pays(networks, work, dtype))
    yield kept
    gone = replace(kept, keeps_denoiser=False)
    if kept.keeps_denoiser:
        yield gone
    yield replace(gone, streams_blocks=True)
    yield replace(gone, streams_blocks=True, decode_chunk=1)


def _freeing_pays(networks: Networks, work: Work, dtype: torch.dtype) -> bool:
    """Whether a denoiser that is not needed again would be what makes decoding the worst stage."""
    if not work.one_window:
        return False
    denoise, decode = (
        stage.weights + stage.activations
        for stage in _stages(networks, work, Placement(dtype=dtype), 0)
        if stage.name in ("denoise", "decode")
    )
    return decode > denoise


def _stages(networks: Networks, work: Work, placement: Placement, program: int) -> Iterator[Stage]:
    dtype, text, bits = placement.dtype, networks.text, networks.quantization
    latents = _LATENTS * 4 * networks.vae.latent_channels * work.num_latent_frames * work.height * work.width
    vae = _vae_bytes(networks.vae)
    always = sum(vae.values()) if networks.vae_converted else 0  # in memory of its own from the beginning
    mapped = {part: 0 if networks.vae_converted else size for part, size in vae.items()}
    whole = sum(_denoiser_bytes(config, dtype, bits)["whole"] for config in networks.denoisers[:1])
    here = max(
        _denoiser_bytes(c, dtype, bits)["streamed" if placement.streams_blocks else "whole"]
        for c in networks.denoisers
    )
    seen = mapped["decoder"] if not work.one_window else 0  # what has been decoded with before
    yield Stage(
        name="text",
        program=program,
        weights=always + text.layer_bytes(dtype),
        activations=text.activation_bytes(work.num_text_tokens, dtype),
    )
    if networks.picture_bytes:
        yield Stage(
            name="picture", program=program, weights=always + networks.picture_bytes, activations=_A_PICTURE
        )
    first = networks.denoisers[0]
    told = first.condition_channels + first.control_channels > 0  # in channels, which are encoded first
    if work.encodes or told:
        yield Stage(
            name="encode",
            program=program,
            weights=always + mapped["encoder"],
            activations=_vae_activations(networks.vae, work, 4, encodes=True),
        )
        seen += mapped["encoder"]
    yield Stage(
        name="denoise",
        program=program,
        weights=always + seen + here,
        activations=latents + denoiser_activations(networks.denoisers[0], work, dtype),
    )
    kept = (here if placement.streams_blocks else whole) if placement.keeps_denoiser else 0
    yield Stage(
        name="decode",
        program=program,
        weights=always + seen * (work.encodes or told) + mapped["decoder"] + kept,
        activations=latents // 3 + _vae_activations(networks.vae, work, placement.decode_chunk),
    )


@cache
def _vae_bytes(config: WanAutoencoderConfig | LtxAutoencoderConfig) -> dict[str, int]:
    vae = _vae_of(config)
    return {part: 4 * _count(getattr(vae, part)) for part in ("encoder", "decoder")}


@cache
def _denoiser_bytes(
    config: DenoiserConfig, dtype: torch.dtype, quantization: Quantization | None = None
) -> dict[str, int]:
    """Of the whole, and of what is there at a time when blocks are streamed: the ends and one block.

    What is kept in eight bits is made of a weight that was read whole, and turned into one to be multiplied.
    """
    with torch.device("meta"):
        denoiser = Denoiser(_shallow(config, 1))
    beside = len(config.control_layers)
    out = 0 if denoiser.controls is None else _count(denoiser.controls.outs[0]) * dtype.itemsize
    block = _count(denoiser.each_block[0]) * dtype.itemsize
    ends = _count(denoiser) * dtype.itemsize - len(denoiser.each_block) * block + (beside - 1) * out
    if quantization is not None:
        layers = quantizable(denoiser).values()
        saved = sum(
            layer.weight.numel() * (dtype.itemsize - 1) - layer.out_features * dtype.itemsize
            for layer in layers
        )
        block -= saved
        ends += max(layer.weight.numel() for layer in layers) * dtype.itemsize
    return {"whole": ends + (config.depth + beside) * block, "streamed": ends + block}


def _shallow(config: DenoiserConfig, depth: int) -> DenoiserConfig:
    """The same with at most so many blocks, and one beside them if there are any."""
    return replace(config, depth=min(config.depth, depth), control_layers=config.control_layers[:1])


def _count(module: nn.Module) -> int:
    return sum(tensor.numel() for tensor in module.state_dict().values())


@cache
def denoiser_activations(config: DenoiserConfig, work: Work, dtype: torch.dtype) -> int:
    """Bytes that a denoising step works with, and those of the texts as each block sees them."""
    batch = 2 if work.guided else 1
    p, q, r = config.patch_size
    tokens = (work.num_latent_frames // p) * (work.height // q) * (work.width // r)
    size, head = dtype.itemsize, 2 * config.hidden_size
    num_blocks = config.depth + len(config.control_layers)
    texts = num_blocks * batch * work.num_text_tokens * head * size
    if config.picture_size:
        texts += config.depth * batch * max(config.picture_places, 257) * head * size
    shallow = _shallow(config, _TRACED_BLOCKS)
    if tokens <= _TRACED_TOKENS:
        grid = (work.num_latent_frames, work.height, work.width)
        return texts + _traced_denoiser(shallow, grid, batch, dtype)
    grids = [(p, q, r * count) for count in (_TRACED_TOKENS // 2, _TRACED_TOKENS)]
    fewer, more = (_traced_denoiser(shallow, grid, batch, dtype) for grid in grids)
    return texts + _drawn_out(_TRACED_TOKENS // 2, fewer, _TRACED_TOKENS, more, tokens)


@cache
def _traced_denoiser(
    config: DenoiserConfig, grid: tuple[int, int, int], batch: int, dtype: torch.dtype
) -> int:
    with torch.device("meta"):
        denoiser = Denoiser(config).eval()

    def step() -> Tensor:
        noisy = torch.empty(1, config.latent_channels, *grid)
        text = torch.empty(batch, 1, config.text_size, dtype=dtype)
        tokens = text if denoiser.text_in is None else denoiser.text_in(text)
        keys = tuple(block.cross_attention.read(tokens) for block in denoiser.each_block)
        channels = config.condition_channels or config.control_channels
        conditions = torch.empty(batch, channels, *grid) if channels else None
        velocity: Tensor = denoiser(
            torch.cat([noisy] * batch), torch.empty(1), ReadText(text, None, keys), None, None, conditions
        )
        return velocity

    with without_numbers():
        hollow(denoiser, dtype)
        return memory_of(step)


def _vae_activations(
    config: WanAutoencoderConfig | LtxAutoencoderConfig, work: Work, chunk: int, *, encodes: bool = False
) -> int:
    together = min(chunk, work.num_latent_frames)
    pixels = work.height * work.width * config.spatial_compression**2
    given = _PIXEL_COPIES * 4 * 3 * pixels * config.temporal_compression * together
    followed = min(work.num_latent_frames, max(2 * together, _TRACED_LATENTS))
    return given + _traced_vae(config, (followed, work.height, work.width), together, encodes)


@cache
def _traced_vae(
    config: WanAutoencoderConfig | LtxAutoencoderConfig,
    grid: tuple[int, int, int],
    chunk: int,
    encodes: bool,
) -> int:
    """Of the first latent frames (t h w) of a stream in chunks of so many."""
    total, height, width = grid
    side, group = config.spatial_compression, config.temporal_compression
    vae = _vae_of(config)

    def chunks() -> Iterator[Tensor]:
        for start in range(0, total, chunk):
            length = min(chunk, total - start)
            if encodes:
                frames = group * length - (0 if start else group - 1)
                yield torch.empty(1, 3, frames, height * side, width * side)
            else:
                yield torch.empty(1, config.latent_channels, length, height, width)

    def run() -> None:
        for _ in vae.encode_chunks(chunks()) if encodes else vae.decode_chunks(chunks()):
            pass

    with without_numbers():
        hollow(vae, torch.float32)
        return memory_of(run)


def _vae_of(config: WanAutoencoderConfig | LtxAutoencoderConfig) -> WanAutoencoder | LtxAutoencoder:
    """The autoencoder without its numbers."""
    with torch.device("meta"):
        made = LtxAutoencoder(config) if isinstance(config, LtxAutoencoderConfig) else WanAutoencoder(config)
    return made.eval()


def _drawn_out(small: int, fewer: int, large: int, more: int, wanted: int) -> int:
    """A straight line through two points, from nothing on."""
    slope = (more - fewer) / (large - small)
    return max(0, round(fewer + slope * (wanted - small)))


def _smaller(networks: Networks, work: Work, plan: MemoryPlan) -> str:
    """What of the same model would fit, in words of a way out."""
    fits, room = _fits_with(networks, plan), plan.machine.room
    p, q, r = networks.denoisers[0].patch_size
    for share in (0.75, 0.5, 0.35, 0.25, 0.1):
        if any(stage.peak - (1 - share) * stage.activations > room for stage in plan.stages):
            continue  # nor would it fit if everything shrank with the picture
        height, width = (
            max(s, round(math.sqrt(share) * n / s) * s) for n, s in ((work.height, q), (work.width, r))
        )
        if fits(replace(work, height=height, width=width)):
            side = networks.vae.spatial_compression
            return f"--size {width * side}x{height * side} would fit"
    if any(stage.program + stage.weights > room for stage in plan.stages):
        return ""
    fewer = work.num_latent_frames // 2
    while fewer >= p:
        if fits(replace(work, num_latent_frames=fewer)):
            return f"{networks.vae.num_frames(fewer)} frames would fit"
        fewer //= 2
    return ""


def _fits_with(networks: Networks, plan: MemoryPlan) -> Callable[[Work], bool]:
    program = plan.stages[0].program

    def fits(work: Work) -> bool:
        stages = _stages(networks, work, plan.placement, program)
        return max(stage.peak for stage in stages) <= plan.machine.room

    return fits

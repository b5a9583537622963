"""Which networks of a published model are in memory while a stage of a generation is at work."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tenku.checkpoint.adapting import OneLevel
from tenku.checkpoint.memory import Machine, MemoryPlan, Placement, resident_bytes
from tenku.checkpoint.on_demand import OnDemand
from tenku.checkpoint.open_weights import (
    FoundDenoiser,
    OpenModel,
    complete_parts,
    find_denoiser,
    find_vae,
    joined,
    knows_levels,
    load_vae,
    picture_encoder_of,
    sampling_of,
    text_encoder_kind,
)
from tenku.checkpoint.places import OpenPlace
from tenku.checkpoint.predicting import Networks, TextFacts, Work, plan_memory
from tenku.checkpoint.quantizing import Quantization, check_quantization, quantizable, quantized
from tenku.checkpoint.renaming import made
from tenku.checkpoint.weights import Weights
from tenku.denoiser import Denoiser, NoiseExperts
from tenku.text import hollow_umt5, load_tokenizer, umt5_tensors
from tenku.timeline import GenerationRequest


@dataclass(slots=True)
class Staging:
    """Brings the text encoder to read texts, then lets it go; the same with one denoiser or two experts, as a
    placement says. The autoencoder is always there: of what is mapped from a file only what is used
    counts."""

    networks: Networks
    text: OnDemand[Any]
    experts: tuple[OnDemand[Denoiser], ...]
    dtype: torch.dtype
    placement: Placement = field(default_factory=Placement)
    program: int = field(default_factory=resident_bytes)

    def plan(self, request: GenerationRequest, *, encodes: bool = False) -> MemoryPlan:
        """What a request needs, and the placement for it on this machine as it is now."""
        work = Work.of(request, self.networks.sampling, self.networks.vae, encodes=encodes)
        return plan_memory(self.networks, work, Machine.here(), dtype=self.dtype, program=self.program)

    def arrange(self, placement: Placement) -> None:
        """Hold networks as a placement says from now on."""
        if placement.streams_blocks != self.placement.streams_blocks:
            for expert in self.experts:
                expert.stream(*(_chains(expert.network) if placement.streams_blocks else ()))
        self.placement = placement

    def enter(self, stage: str) -> None:
        """Bring what a stage needs, after letting go what it does not."""
        if stage == "text":
            self.text.bring()
        else:
            self.text.let_go()
        if stage == "denoise" and len(self.experts) == 1:
            self.experts[0].bring()
        if stage == "decode" and not self.placement.keeps_denoiser:
            for expert in self.experts:
                expert.let_go()

    def turn(self, denoiser: Denoiser) -> None:
        """Bring one expert in the place of the other."""
        for expert in self.experts:
            if expert.network is not denoiser:
                expert.let_go()
        for expert in self.experts:
            if expert.network is denoiser:
                expert.bring()

    def hold(self) -> None:
        """Bring every denoiser to stay, as what changes its weights needs it."""
        for expert in self.experts:
            expert.hold()


def open_on_demand(
    place: str | Path, *, dtype: torch.dtype, quantization: Quantization | None = None
) -> OpenModel:
    """A published model of which each part is loaded when it is needed; what it lacks is a `UserError` now.

    With a `quantization` weights of the denoiser's blocks are in eight bits as soon as they are read.
    """
    if quantization is not None:
        check_quantization(quantization)
    parts = complete_parts(place)
    assert parts.vae is not None
    assert parts.text_encoder is not None
    assert parts.tokenizer is not None
    experts = tuple(_denoiser(find_denoiser(part), dtype, quantization) for part in parts.denoisers)
    text = _text(parts.text_encoder, dtype)
    encoder = text_encoder_kind(parts)(text.network, load_tokenizer(parts.tokenizer))
    denoiser = joined([expert.network for expert in experts], parts)
    networks = replace(find_networks(place), quantization=quantization)
    staging = Staging(networks, text, experts, dtype)
    if isinstance(denoiser, NoiseExperts):
        denoiser.on_turn = staging.turn
    return OpenModel(
        vae=load_vae(parts.vae, dtype=torch.float32),
        text_encoder=encoder,
        denoiser=denoiser if knows_levels(parts) else OneLevel(denoiser),
        sampling=sampling_of(place),
        picture_encoder=picture_encoder_of(parts, denoiser.config),
        staging=staging,
    )


def find_networks(place: str | Path) -> Networks:
    """What is known of a published model before it is loaded."""
    parts = complete_parts(place)
    assert parts.vae is not None
    assert parts.text_encoder is not None
    vae, vae_config = find_vae(parts.vae)
    text = Weights.of(parts.text_encoder)
    config = hollow_umt5(parts.text_encoder, text).config
    return Networks(
        denoisers=tuple(find_denoiser(part).config for part in parts.denoisers),
        vae=vae_config,
        vae_converted=any(vae.dtype(name) != torch.float32 for name in vae),
        text=TextFacts(
            hidden_size=config.d_model,
            mlp_size=config.d_ff,
            num_heads=config.num_heads,
            head_size=config.d_kv,
            dtype=text.dtype(next(iter(text))),
        ),
        sampling=sampling_of(place),
        picture_bytes=_picture_bytes(parts),
    )


def _denoiser(
    found: FoundDenoiser, dtype: torch.dtype, quantization: Quantization | None
) -> OnDemand[Denoiser]:
    with torch.device("meta"):
        denoiser = Denoiser(found.config).to(dtype).eval().requires_grad_(False)

    layers = quantizable(denoiser)

    def source(names: Sequence[str]) -> dict[str, Tensor]:
        weights = Weights(found.weights.files)  # anew: what was mapped before can then be let go
        tensors = {}
        for name in names:
            tensors[name] = made(found.pieces[name], weights, dtype)
            if quantization is not None and name in layers:
                tensors[name] = quantized(tensors[name], quantization)
        return tensors

    return OnDemand(denoiser, source)


def _picture_bytes(parts: OpenPlace) -> int:
    """Of an encoder of pictures, in float32."""
    if parts.picture_encoder is None:
        return 0
    weights = Weights.of(parts.picture_encoder)
    return sum(4 * math.prod(weights.shape(name)) for name in weights)


def _chains(denoiser: Denoiser) -> tuple[list[nn.Module], ...]:
    """What is called by itself to read texts, and the blocks."""
    readers = [block.cross_attention.key_value for block in denoiser.each_block]
    return [*readers], [*denoiser.each_block]


def _text(place: Path, dtype: torch.dtype) -> OnDemand[Any]:
    """A umT5 encoder whose layers are streamed, and of whose words only those of a text are read."""
    network = hollow_umt5(place, Weights.of(place)).to(dtype).eval().requires_grad_(False)
    network.shared = network.encoder.embed_tokens
    words = ("shared.weight", "encoder.embed_tokens.weight")

    def source(names: Sequence[str]) -> dict[str, Tensor]:
        tensors = umt5_tensors(place, Weights.of(place))
        return {name: tensors[name] if name in words else tensors[name].to(dtype) for name in names}

    def converted(module: nn.Module, given: object, found: Tensor) -> Tensor:
        return found.to(dtype)

    network.encoder.embed_tokens.register_forward_hook(converted)
    on_demand = OnDemand(network, source)
    on_demand.stream(list(network.encoder.block))
    return on_demand

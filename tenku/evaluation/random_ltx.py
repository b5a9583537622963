"""LTX-Video models of published shapes with random weights, as folders that any engine reads."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch

from tenku.evaluation.peer import library, quietly
from tenku.evaluation.random_models import Facts, letters, shortened, unsettled

_T5_XXL: Final[Facts] = {"d_model": 4096, "d_kv": 64, "d_ff": 10240, "num_layers": 24, "num_heads": 64}
_SCHEDULE: Final[Facts] = {
    "use_dynamic_shifting": True,
    "base_shift": 0.95,
    "max_shift": 2.05,
    "base_image_seq_len": 1024,
    "max_image_seq_len": 4096,
    "shift_terminal": 0.1,
}
_SMALL_WIDTHS: Final = {128: 16, 256: 32, 512: 64, 1024: 128, 2048: 256}  # of autoencoders
_NOISE: Final = 0.1  # added to what starts as ones or zeros, so that a mistake about it shows
_CHANNELS: Final = 16  # of latents, where all is small


@dataclass(frozen=True, kw_only=True, slots=True)
class LtxShape:
    """What the files of a published LTX-Video model say of its networks, in the words of diffusers and
    transformers. `left_out` says what is not as it was published."""

    denoiser: Facts
    vae: Facts
    text_encoder: Facts
    left_out: tuple[str, ...] = ()

    def shallow(self, depth: int) -> "LtxShape":
        """The same with at most so many blocks in the denoiser and in the text encoder."""
        kept, left_out = shortened((self.denoiser, self.text_encoder), depth)
        return replace(self, denoiser=kept[0], text_encoder=kept[1], left_out=left_out)

    def small(self) -> "LtxShape":
        """The same kind of model, small: two blocks with two heads of 24, and a narrow autoencoder."""
        narrow = {
            name: [_SMALL_WIDTHS[width] for width in self.vae[name]]
            for name in ("block_out_channels", "decoder_block_out_channels")
        }
        depths = {
            name: [1] * len(self.vae[name]) for name in ("layers_per_block", "decoder_layers_per_block")
        }
        heads = {"num_attention_heads": 2, "attention_head_dim": 24, "cross_attention_dim": 48}
        channels = {"in_channels": _CHANNELS, "out_channels": _CHANNELS, "caption_channels": 32}
        return LtxShape(
            denoiser={**self.denoiser, **heads, **channels, "num_layers": 2},
            vae={**self.vae, **narrow, **depths, "latent_channels": _CHANNELS},
            text_encoder={"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4},
            left_out=("all widths and depths are small",),
        )


def _transformer(heads: int, head_size: int, depth: int) -> Facts:
    return {
        "in_channels": 128,
        "out_channels": 128,
        "num_attention_heads": heads,
        "attention_head_dim": head_size,
        "cross_attention_dim": heads * head_size,
        "num_layers": depth,
        "caption_channels": 4096,
    }


_VAE_0_9: Final[Facts] = {
    "block_out_channels": [128, 256, 512, 512],
    "decoder_block_out_channels": [128, 256, 512, 512],
    "layers_per_block": [4, 3, 3, 3, 4],
    "decoder_layers_per_block": [4, 3, 3, 3, 4],
    "latent_channels": 128,
    "timestep_conditioning": False,
}
_VAE_0_9_1: Final[Facts] = {
    **_VAE_0_9,
    "decoder_block_out_channels": [256, 512, 1024],
    "decoder_layers_per_block": [5, 6, 7, 8],
    "decoder_spatio_temporal_scaling": [True] * 3,
    "decoder_inject_noise": [True, True, True, False],
    "upsample_residual": [True] * 3,
    "upsample_factor": [2] * 3,
    "timestep_conditioning": True,
}
_VAE_0_9_5: Final[Facts] = {
    **_VAE_0_9_1,
    "block_out_channels": [128, 256, 512, 1024, 2048],
    "down_block_types": ["LTXVideo095DownBlock3D"] * 4,
    "layers_per_block": [4, 6, 6, 2, 2],
    "spatio_temporal_scaling": [True] * 4,
    "downsample_type": ["spatial", "temporal", "spatiotemporal", "spatiotemporal"],
    "decoder_layers_per_block": [5] * 4,
    "decoder_inject_noise": [False] * 4,
    "spatial_compression_ratio": 32,
    "temporal_compression_ratio": 8,
}
_2B, _13B = _transformer(32, 64, 28), _transformer(32, 128, 48)
# Sources: diffusers' `scripts/convert_ltx_to_diffusers.py` and the defaults of its classes.
LTX_PUBLISHED: Final[Mapping[str, LtxShape]] = {
    "ltx-video-2b-0.9": LtxShape(denoiser=_2B, vae=_VAE_0_9, text_encoder=_T5_XXL),
    "ltx-video-2b-0.9.1": LtxShape(denoiser=_2B, vae=_VAE_0_9_1, text_encoder=_T5_XXL),
    "ltx-video-2b-0.9.5": LtxShape(denoiser=_2B, vae=_VAE_0_9_5, text_encoder=_T5_XXL),
    "ltx-video-13b-0.9.7": LtxShape(denoiser=_13B, vae=_VAE_0_9_5, text_encoder=_T5_XXL),
}


def random_ltx_vae(facts: Facts) -> Any:
    """diffusers' autoencoder with random weights and statistics."""
    vae = library().AutoencoderKLLTXVideo(**facts).eval()
    with torch.no_grad():
        for name, parameter in vae.named_parameters():
            if parameter.ndim == 1 or "per_channel_scale" in name:
                parameter.add_(_NOISE * torch.randn_like(parameter))
    vae.latents_mean.normal_()
    vae.latents_std.uniform_(0.5, 1.5)
    return vae


def write_random_ltx(shape: LtxShape, folder: Path, seed: int = 0) -> None:
    """A model of random float32 weights in diffusers' layout; its vocabulary is single letters."""
    diffusers, transformers = library(), library("transformers")
    torch.manual_seed(seed)
    tokenizer = letters()
    config = transformers.T5Config(
        vocab_size=len(tokenizer), feed_forward_proj="gated-gelu", **shape.text_encoder
    )
    pipeline = diffusers.LTXPipeline(
        tokenizer=tokenizer,
        text_encoder=transformers.T5EncoderModel(config),
        vae=random_ltx_vae(shape.vae),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(**_SCHEDULE),
        transformer=unsettled(diffusers.LTXVideoTransformer3DModel(**shape.denoiser)),
    )
    with quietly():
        pipeline.save_pretrained(str(folder))

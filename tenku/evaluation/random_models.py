"""Models of published shapes with random weights, as folders that any engine reads: what engines are compared
on where the weights themselves are not at hand."""

import json
import string
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from tenku.checkpoint import wan
from tenku.checkpoint.places import CONFIG
from tenku.checkpoint.weights import Weights, read_json
from tenku.errors import UserError
from tenku.evaluation.peer import library, quietly

Facts = Mapping[str, Any]
_NOISE: Final = 0.1  # added to biases and to what starts as ones or zeros, so that a mistake about them shows

_SMALL: Final[Facts] = {
    "num_attention_heads": 2,
    "attention_head_dim": 24,
    "num_layers": 2,
    "ffn_dim": 96,
    "text_dim": 32,
}
_SMALL_TEXT: Final[Facts] = {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4}
_UMT5_XXL: Final[Facts] = {"d_model": 4096, "d_kv": 64, "d_ff": 10240, "num_layers": 24, "num_heads": 64}
_VAE_2_1: Final[Facts] = {"base_dim": 96, "z_dim": 16}
_VAE_2_2: Final[Facts] = {
    "base_dim": 160,
    "decoder_base_dim": 256,
    "z_dim": 48,
    "is_residual": True,
    "patch_size": 2,
    "in_channels": 12,
    "out_channels": 12,
    "scale_factor_spatial": 16,
    "latents_mean": [0.1] * 48,
    "latents_std": [0.6] * 48,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedShape:
    """What the files of a published model say of its networks, in the words of diffusers and transformers.

    A `boundary` makes two experts of the denoiser; `expand_timesteps`: it knows a noise level for each token.
    `left_out` says what is not as it was published.
    """

    denoiser: Facts
    vae: Facts = field(default_factory=lambda: _VAE_2_1)
    text_encoder: Facts = field(default_factory=lambda: _UMT5_XXL)
    shift: float = 3.0
    boundary: float | None = None
    expand_timesteps: bool = False
    left_out: tuple[str, ...] = ()

    @property
    def depth(self) -> int:
        """Blocks of the denoiser."""
        return int(self.denoiser["num_layers"])

    def shallow(self, depth: int) -> "PublishedShape":
        """The same with at most so many blocks in the denoiser and in the text encoder."""
        kept, left_out = shortened((self.denoiser, self.text_encoder), depth)
        return replace(self, denoiser=kept[0], text_encoder=kept[1], left_out=left_out)

    def small(self) -> "PublishedShape":
        """The same kind of model, small: two blocks with two heads of 24, and a narrow autoencoder."""
        denoiser = {**self.denoiser, **_SMALL}
        if "vace_layers" in denoiser:
            denoiser["vace_layers"] = [0]
        if "added_kv_proj_dim" in denoiser:
            denoiser |= {"added_kv_proj_dim": 48, "image_dim": 40}
        vae = {**self.vae, "base_dim": 8, "dim_mult": [1, 2, 2, 2], "num_res_blocks": 1}
        if "decoder_base_dim" in vae:
            vae["decoder_base_dim"] = 8
        return replace(
            self,
            denoiser=denoiser,
            vae=vae,
            text_encoder=_SMALL_TEXT,
            left_out=("all widths and depths are small",),
        )


def shortened(wholes: tuple[Facts, Facts], depth: int) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Denoiser and text encoder with at most so many blocks, and what is then not as it was published."""
    if depth < 1:
        raise UserError(f"a model has no {depth} blocks; choose at least 1.")
    kept = [_cut(whole, depth) for whole in wholes]
    left_out = tuple(
        f"{part['num_layers']} of {whole['num_layers']} blocks of the {name}"
        for name, part, whole in zip(("denoiser", "text encoder"), kept, wholes, strict=True)
        if part["num_layers"] < whole["num_layers"]
    )
    return kept, left_out


def _cut(whole: Facts, depth: int) -> dict[str, Any]:
    """The same network with at most so many blocks."""
    cut = {**whole, "num_layers": min(depth, whole["num_layers"])}
    if "vace_layers" in whole:
        cut["vace_layers"] = [layer for layer in whole["vace_layers"] if layer < cut["num_layers"]]
    return cut


def _transformer(heads: int, layers: int, ffn: int, channels: int = 16, seen: int = 0, **more: Any) -> Facts:
    return {
        "num_attention_heads": heads,
        "attention_head_dim": wan.HEAD_SIZE,
        "num_layers": layers,
        "ffn_dim": ffn,
        "text_dim": 4096,
        "in_channels": channels + seen,
        "out_channels": channels,
        **more,
    }


_PICTURE: Final[Facts] = {"image_dim": 1280, "added_kv_proj_dim": 5120}
_14B: Final = (40, 40, 13824)
# Sources: config.json of each model's transformer in its `-Diffusers` repository of Wan-AI on the hub.
PUBLISHED: Final[Mapping[str, PublishedShape]] = {
    "wan-2.1-t2v-1.3b": PublishedShape(denoiser=_transformer(12, 30, 8960)),
    "wan-2.1-t2v-14b": PublishedShape(denoiser=_transformer(*_14B)),
    "wan-2.1-i2v-14b": PublishedShape(denoiser=_transformer(*_14B, seen=20, **_PICTURE)),
    "wan-2.1-flf2v-14b": PublishedShape(
        denoiser=_transformer(*_14B, seen=20, **_PICTURE, pos_embed_seq_len=514)
    ),
    "wan-2.2-t2v-a14b": PublishedShape(denoiser=_transformer(*_14B), boundary=0.875),
    "wan-2.2-i2v-a14b": PublishedShape(denoiser=_transformer(*_14B, seen=20), boundary=0.9),
    "wan-2.1-vace-1.3b": PublishedShape(
        denoiser=_transformer(12, 30, 8960, vace_layers=list(range(0, 30, 2)), vace_in_channels=96)
    ),
    "wan-2.1-vace-14b": PublishedShape(
        denoiser=_transformer(*_14B, vace_layers=list(range(0, 40, 5)), vace_in_channels=96)
    ),
    "wan-2.2-ti2v-5b": PublishedShape(
        denoiser=_transformer(24, 30, 14336, channels=48), vae=_VAE_2_2, shift=5.0, expand_timesteps=True
    ),
}


def published(name: str) -> PublishedShape:
    """The shape of a published model; a `UserError` about a name that is none."""
    if name not in PUBLISHED:
        raise UserError(f"no shape is known by the name {name!r}; choose {', '.join(PUBLISHED)}.")
    return PUBLISHED[name]


def write_random_model(shape: PublishedShape, folder: Path, seed: int = 0) -> None:
    """A model of random float32 weights in diffusers' layout; its vocabulary is single letters."""
    diffusers, transformers = library(), library("transformers")
    torch.manual_seed(seed)
    tokenizer = letters()
    config = transformers.UMT5Config(vocab_size=len(tokenizer), **shape.text_encoder)
    solver = diffusers.UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shape.shift
    )
    parts: dict[str, Any] = {
        "tokenizer": tokenizer,
        "text_encoder": transformers.UMT5EncoderModel(config),
        "vae": unsettled(diffusers.AutoencoderKLWan(**shape.vae)),
        "scheduler": solver,
        "transformer": _transformer_of(shape),
    }
    if shape.boundary is not None:
        parts |= {"transformer_2": _transformer_of(shape), "boundary_ratio": shape.boundary}
    if shape.denoiser.get("image_dim"):
        parts |= {"image_encoder": _clip(shape), "image_processor": transformers.CLIPImageProcessor()}
    seen = shape.denoiser["in_channels"] > shape.denoiser["out_channels"]
    kind = diffusers.WanImageToVideoPipeline if seen else diffusers.WanPipeline
    if "vace_layers" in shape.denoiser:
        made = diffusers.WanVACEPipeline(**parts)
    else:
        made = kind(**parts, expand_timesteps=shape.expand_timesteps)
    with quietly():
        made.save_pretrained(str(folder))


def write_original_layout(folder: Path, out: Path) -> None:
    """The denoiser of such a folder once more, laid out as its makers do: a file and a configuration."""
    from safetensors.torch import save_file

    values, weights = read_json(folder / CONFIG), Weights.of(folder)
    config = wan.wan_config(values, str(folder), weights)
    theirs, ours = (wan.wan_pieces(config, layout) for layout in ("diffusers", "original"))
    names = {
        there.name: here.name for name in ours for there, here in zip(theirs[name], ours[name], strict=True)
    }
    out.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: weights[there].contiguous() for there, name in names.items()},
        out / "diffusion_pytorch_model.safetensors",
    )
    (out / CONFIG).write_text(json.dumps(original_facts(values)), encoding="utf-8")


def original_facts(values: Facts) -> dict[str, Any]:
    """What the makers' own configuration says where diffusers' says these values."""
    out_channels = values["out_channels"]
    kind = "t2v"
    if values["in_channels"] > out_channels:
        kind = "flf2v" if values.get("pos_embed_seq_len") else "i2v"
    controls = {}
    if values.get("vace_layers"):
        kind = "vace"
        controls = {"vace_layers": values["vace_layers"], "vace_in_dim": values["vace_in_channels"]}
    return {
        **controls,
        "_class_name": "WanModel",
        "model_type": "ti2v" if out_channels == 48 else kind,
        "dim": values["num_attention_heads"] * values["attention_head_dim"],
        "ffn_dim": values["ffn_dim"],
        "freq_dim": 256,
        "in_dim": values["in_channels"],
        "out_dim": out_channels,
        "num_heads": values["num_attention_heads"],
        "num_layers": values["num_layers"],
        "text_dim": values["text_dim"],
        "text_len": 512,
        "eps": 1e-6,
    }


def _clip(shape: PublishedShape) -> nn.Module:
    """ViT-H as OpenCLIP has it, or one of a few heads and layers as wide as the shape says; 257 tokens."""
    wide = shape.denoiser["image_dim"]
    whole = wide == _PICTURE["image_dim"]
    transformers = library("transformers")
    config = transformers.CLIPVisionConfig(
        hidden_size=wide,
        intermediate_size=4 * wide,
        num_attention_heads=16 if whole else 4,
        num_hidden_layers=min(32, shape.depth + 2) if whole else 3,
        image_size=224,
        patch_size=14,
        hidden_act="gelu",
    )
    return unsettled(transformers.CLIPVisionModel(config))


def _transformer_of(shape: PublishedShape) -> nn.Module:
    kind = "WanVACETransformer3DModel" if "vace_layers" in shape.denoiser else "WanTransformer3DModel"
    return unsettled(getattr(library(), kind)(**shape.denoiser))


def unsettled(module: nn.Module) -> nn.Module:
    """A new module without a one or a zero left in it that a mistake could hide behind."""
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.numel() == max(parameter.shape):
                parameter.add_(_NOISE * torch.randn_like(parameter))
    return module.eval()


def letters() -> Any:
    """A tokenizer whose vocabulary is single letters."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    pieces = [(sign, 0.0) for sign in ("<pad>", "</s>", "<unk>")]
    pieces += [(letter, -5.0) for letter in string.ascii_letters + string.digits + string.punctuation + "▁"]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return library("transformers").PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=512,
    )

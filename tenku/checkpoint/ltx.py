"""LTX-Video: the configuration of its transformer and the names of its tensors, in both layouts.

Sources: diffusers' `transformer_ltx.py` and its converter of the original files. Rotary positions are in
seconds, at the frame rate that the model was trained at unless a request says another.
"""

from collections.abc import Container, Mapping
from typing import Any, Final, Literal, TypeAlias

from tenku.checkpoint.renaming import Move, Piece, in_halves
from tenku.checkpoint.weights import Weights
from tenku.denoiser import DenoiserConfig
from tenku.errors import UserError

Layout: TypeAlias = Literal["original", "diffusers"]
LAYOUTS: Final = ("original", "diffusers")
CLASS_NAME: Final = "LTXVideoTransformer3DModel"  # in the config.json of diffusers
SIZES: Final = {2_048: "2B", 4_096: "13B"}  # of published models, by hidden_size
_HEAD_SIZES: Final = {2_048: 64, 4_096: 128}
_THETA: Final = 10_000.0
_FPS: Final = 25.0
_COMPRESSION: Final = (8, 32, 32)  # frames and pixels a side of one token
_WHOLE: Final = (20.0, 2_048.0, 2_048.0)  # seconds and pixels that positions span

_ENDS: Final = {  # ours: (original, diffusers)
    "patch_in": ("patchify_proj", "proj_in"),
    "time_in": ("adaln_single.emb.timestep_embedder.linear_1", "time_embed.emb.timestep_embedder.linear_1"),
    "time_hidden": (
        "adaln_single.emb.timestep_embedder.linear_2",
        "time_embed.emb.timestep_embedder.linear_2",
    ),
    "time_out": ("adaln_single.linear", "time_embed.linear"),
    "text_in.up": ("caption_projection.linear_1", "caption_projection.linear_1"),
    "text_in.down": ("caption_projection.linear_2", "caption_projection.linear_2"),
    "patch_out": ("proj_out", "proj_out"),
}
_BLOCK: Final = {  # of ours: those that lie below each other in it
    "attention.qkv": ("attn1.to_q", "attn1.to_k", "attn1.to_v"),
    "attention.out": ("attn1.to_out.0",),
    "cross_attention.query": ("attn2.to_q",),
    "cross_attention.key_value": ("attn2.to_k", "attn2.to_v"),
    "cross_attention.out": ("attn2.to_out.0",),
    "mlp.up": ("ff.net.0.proj",),
    "mlp.down": ("ff.net.2",),
}
_NORMS: Final = {
    "attention.query_norm.scale": ("attn1.q_norm", "attn1.norm_q"),
    "attention.key_norm.scale": ("attn1.k_norm", "attn1.norm_k"),
    "cross_attention.query_norm.scale": ("attn2.q_norm", "attn2.norm_q"),
    "cross_attention.key_norm.scale": ("attn2.k_norm", "attn2.norm_k"),
}
_FIELDS: Final = frozenset(
    (
        *("in_channels", "out_channels", "patch_size", "patch_size_t", "num_attention_heads", "num_layers"),
        *("attention_head_dim", "cross_attention_dim", "caption_channels", "activation_fn", "qk_norm"),
        *("norm_elementwise_affine", "norm_eps", "attention_bias", "attention_out_bias"),
        *("_class_name", "_diffusers_version", "_name_or_path"),
    )
)
_FIXED: Final = {
    "patch_size": 1,
    "patch_size_t": 1,
    "activation_fn": "gelu-approximate",
    "qk_norm": "rms_norm_across_heads",
    "norm_elementwise_affine": False,
    "norm_eps": 1e-6,
    "attention_bias": True,
    "attention_out_bias": True,
}


def layout_of(weights: Mapping[str, object]) -> Layout | None:
    """Which of the two layouts tensors of an LTX-Video transformer have; None if they are of no such
    model."""
    if "transformer_blocks.0.scale_shift_table" not in weights:
        return None
    if "patchify_proj.weight" in weights:
        return "original"
    return "diffusers" if "time_embed.linear.weight" in weights else None


def ltx_config(values: Mapping[str, Any], where: str, names: Container[str]) -> DenoiserConfig:
    """The configuration of a published one, as diffusers writes it; a `UserError` about an unknown field."""
    if unknown := sorted(values.keys() - _FIELDS):
        raise UserError(
            f"{where} has the field {unknown[0]!r}, which no LTX-Video model that tenku knows has; give the "
            "configuration that came with the weights, or a newer tenku."
        )
    for name, fixed in _FIXED.items():
        if values.get(name, fixed) != fixed:
            raise UserError(
                f"{where} says {name} {values[name]!r}; of LTX-Video models tenku knows only {fixed!r}."
            )
    return _config(
        channels=int(values.get("in_channels", 128)),
        num_heads=int(values.get("num_attention_heads", 32)),
        head_size=int(values.get("attention_head_dim", 64)),
        depth=int(values.get("num_layers", 28)),
        text_size=int(values.get("caption_channels", 4_096)),
    )


def ltx_config_of(weights: Weights, layout: Layout) -> DenoiserConfig:
    """The configuration that the shapes of a published model's tensors tell."""
    size, channels = weights.shape(f"{_ENDS['patch_in'][layout == 'diffusers']}.weight")
    if size not in _HEAD_SIZES:
        raise UserError(
            f"{weights.files[0]} is {size} wide, and heads of LTX-Video models are known only for "
            f"{' and '.join(map(str, _HEAD_SIZES))}; give it in a folder with its config.json."
        )
    return _config(
        channels=channels,
        num_heads=size // _HEAD_SIZES[size],
        head_size=_HEAD_SIZES[size],
        depth=1 + max(int(name.split(".")[1]) for name in weights if name.startswith("transformer_blocks.")),
        text_size=weights.shape("caption_projection.linear_1.weight")[1],
    )


def ltx_pieces(config: DenoiserConfig, layout: Layout) -> dict[str, tuple[Piece, ...]]:
    """What each tensor of ours is made of."""
    theirs, d, width = int(layout == "diffusers"), config.hidden_size, config.mlp_size
    halves = in_halves(config.head_size)
    shapes = {
        "patch_in": (d, config.latent_channels),
        "time_in": (d, 256),
        "time_out": (6 * d, d),
        "text_in.up": (d, config.text_size),
        "patch_out": (config.latent_channels, d),
        "mlp.up": (width, d),
        "mlp.down": (d, width),
    }
    pieces: dict[str, tuple[Piece, ...]] = {"final_table": (Piece("scale_shift_table", (2, d)),)}
    for ours, names in _ENDS.items():
        pieces |= _layer(ours, (names[theirs],), shapes.get(ours, (d, d)))
    for number in range(config.depth):
        block, there = f"blocks.{number}.", f"transformer_blocks.{number}."
        pieces[f"{block}modulation"] = (Piece(f"{there}scale_shift_table", (6, d)),)
        for ours, parts in _BLOCK.items():
            moves = (halves, halves, None) if ours == "attention.qkv" else ()
            pieces |= _layer(
                block + ours, tuple(there + part for part in parts), shapes.get(ours, (d, d)), moves
            )
        for ours, names in _NORMS.items():
            move = halves if ours.startswith("attention.") else None
            pieces[block + ours] = (Piece(f"{there}{names[theirs]}.weight", (d,), move),)
    return pieces


def _config(*, channels: int, num_heads: int, head_size: int, depth: int, text_size: int) -> DenoiserConfig:
    """With all that LTX-Video models have in common."""
    t, h, w = _COMPRESSION
    tokens = (t / _FPS, float(h), float(w))
    spans = tuple(zip(tokens, _WHOLE, strict=True))
    return DenoiserConfig(
        latent_channels=channels,
        text_size=text_size,
        hidden_size=num_heads * head_size,
        depth=depth,
        num_heads=num_heads,
        mlp_width=4 * num_heads * head_size,
        patch_size=(1, 1, 1),
        rope_theta=_THETA,
        rope_spans=(spans[0], spans[1], spans[2]),
        rope_fps=_FPS,
        mlp="plain",
        bias=True,
        final_norm="layer",
        cross_norm=False,
        joint_norm=True,
        head_norm_eps=1e-5,
        token_shift=False,
        time_layers=2,
        text_mlp=True,
        final_table=True,
    )


def _layer(
    ours: str, theirs: tuple[str, ...], shape: tuple[int, ...], moves: tuple[Move | None, ...] = ()
) -> dict[str, tuple[Piece, ...]]:
    pairs = tuple(zip(theirs, moves or (None,) * len(theirs), strict=True))
    return {
        f"{ours}.weight": tuple(Piece(f"{name}.weight", shape, move) for name, move in pairs),
        f"{ours}.bias": tuple(Piece(f"{name}.bias", shape[:1], move) for name, move in pairs),
    }

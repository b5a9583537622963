"""Wan 2.1 and 2.2: their configurations and the names of their tensors, in both layouts.

Sources: the transformers of Wan-Video/Wan2.1 and Wan2.2 (`wan/modules/model.py`) and of diffusers
(`transformer_wan.py`, `transformer_wan_vace.py`).
"""

from collections.abc import Container, Mapping
from typing import Any, Final, Literal, TypeAlias

from tenku.checkpoint.renaming import Move, Piece, as_layer, in_halves, without_first
from tenku.checkpoint.weights import Weights
from tenku.denoiser import DenoiserConfig
from tenku.errors import UserError

Layout: TypeAlias = Literal["original", "diffusers"]
LAYOUTS: Final[tuple[Layout, ...]] = ("original", "diffusers")
SIZES: Final = {1_536: "1.3B", 3_072: "5B", 5_120: "14B"}  # of published models, by hidden_size
HEAD_SIZE: Final = 128  # of every published model
_THETA: Final = 10_000.0
_TEXT_SIZE: Final = 4_096  # umT5-XXL
_PICTURE_SIZE: Final = 1_280  # CLIP ViT-H
_PICTURE_TOKENS: Final = 257

# ours: (original, diffusers); of linear layers and norms, each with a weight and a bias
_ENDS: Final = {
    "time_in": ("time_embedding.0", "condition_embedder.time_embedder.linear_1"),
    "time_hidden": ("time_embedding.2", "condition_embedder.time_embedder.linear_2"),
    "time_out": ("time_projection.1", "condition_embedder.time_proj"),
    "text_in.up": ("text_embedding.0", "condition_embedder.text_embedder.linear_1"),
    "text_in.down": ("text_embedding.2", "condition_embedder.text_embedder.linear_2"),
    "patch_out": ("head.head", "proj_out"),
}
_PICTURE_ENDS: Final = {
    "picture_in.norm_in": ("img_emb.proj.0", "condition_embedder.image_embedder.norm1"),
    "picture_in.hidden": ("img_emb.proj.1", "condition_embedder.image_embedder.ff.net.0.proj"),
    "picture_in.out": ("img_emb.proj.3", "condition_embedder.image_embedder.ff.net.2"),
    "picture_in.norm_out": ("img_emb.proj.4", "condition_embedder.image_embedder.norm2"),
}
_ATTENTION: Final = {  # of ours: those that lie below each other in it
    "attention.qkv": (
        ("self_attn.q", "self_attn.k", "self_attn.v"),
        ("attn1.to_q", "attn1.to_k", "attn1.to_v"),
    ),
    "attention.out": (("self_attn.o",), ("attn1.to_out.0",)),
    "cross_attention.query": (("cross_attn.q",), ("attn2.to_q",)),
    "cross_attention.key_value": (("cross_attn.k", "cross_attn.v"), ("attn2.to_k", "attn2.to_v")),
    "cross_attention.out": (("cross_attn.o",), ("attn2.to_out.0",)),
    "cross_norm": (("norm3",), ("norm2",)),
    "mlp.up": (("ffn.0",), ("ffn.net.0.proj",)),
    "mlp.down": (("ffn.2",), ("ffn.net.2",)),
}
_PICTURE_ATTENTION: Final = {
    "cross_attention.picture_key_value": (
        ("cross_attn.k_img", "cross_attn.v_img"),
        ("attn2.add_k_proj", "attn2.add_v_proj"),
    ),
}
_NORMS: Final = {
    "attention.query_norm.scale": ("self_attn.norm_q", "attn1.norm_q"),
    "attention.key_norm.scale": ("self_attn.norm_k", "attn1.norm_k"),
    "cross_attention.query_norm.scale": ("cross_attn.norm_q", "attn2.norm_q"),
    "cross_attention.key_norm.scale": ("cross_attn.norm_k", "attn2.norm_k"),
}
_PICTURE_NORMS: Final = {
    "cross_attention.picture_key_norm.scale": ("cross_attn.norm_k_img", "attn2.norm_added_k"),
}
_ROTATED: Final = ("attention.qkv", "attention.query_norm.scale", "attention.key_norm.scale")


def layout_of(weights: Mapping[str, object]) -> Layout | None:
    """Which of the two layouts tensors of a Wan transformer have; None if they are of no such model."""
    if "patch_embedding.weight" not in weights:
        return None
    if "head.modulation" in weights:
        return "original"
    return "diffusers" if "condition_embedder.time_proj.weight" in weights else None


def wan_config(values: Mapping[str, Any], where: str, names: Container[str]) -> DenoiserConfig:
    """The configuration of a published one with tensors of these names; a `UserError` about an unknown
    field."""
    return _from_original(values, where, names) if "dim" in values else _from_diffusers(values, where)


def wan_config_of(weights: Weights, layout: Layout) -> DenoiserConfig:
    """The configuration that the shapes of a published model's tensors tell."""
    size, channels, *patch = weights.shape("patch_embedding.weight")
    up = _ATTENTION["mlp.up"][layout == "diffusers"][0]
    out = _ENDS["patch_out"][layout == "diffusers"]
    latent_channels = weights.shape(f"{out}.weight")[0] // (patch[0] * patch[1] * patch[2])
    depth = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("blocks."))
    if size % HEAD_SIZE:
        raise UserError(
            f"{weights.files[0]} is {size} wide, which is no number of heads of {HEAD_SIZE}; give it in a "
            "folder with its config.json."
        )
    first = _PICTURE_ENDS["picture_in.norm_in"][layout == "diffusers"] + ".weight"
    places = ("img_emb.emb_pos", "condition_embedder.image_embedder.pos_embed")[layout == "diffusers"]
    text = _ENDS["text_in.up"][layout == "diffusers"]
    return _config(
        latent_channels=latent_channels,
        condition_channels=channels - latent_channels,
        text_size=weights.shape(f"{text}.weight")[1],
        hidden_size=size,
        depth=depth,
        num_heads=size // HEAD_SIZE,
        mlp_width=weights.shape(f"blocks.0.{up}.weight")[0],
        patch_size=(patch[0], patch[1], patch[2]),
        picture_size=weights.shape(first)[0] if first in weights else 0,
        picture_places=weights.shape(places)[1] if places in weights else 0,
        **_controls_of(weights, depth),
    )


def _controls_of(weights: Weights, depth: int) -> dict[str, Any]:
    """What is told by the shapes of the blocks that VACE adds: they hint at regular distances."""
    if "vace_patch_embedding.weight" not in weights:
        return {}
    number = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("vace_blocks."))
    channels = weights.shape("vace_patch_embedding.weight")[1]
    return {"control_channels": channels, "control_layers": tuple(range(0, depth, depth // number))}


def wan_pieces(config: DenoiserConfig, layout: Layout) -> dict[str, tuple[Piece, ...]]:
    """What each tensor of ours is made of."""
    theirs, size, d = int(layout == "diffusers"), config.patch_size, config.hidden_size
    channels = config.latent_channels + config.condition_channels
    pieces: dict[str, tuple[Piece, ...]] = {
        "patch_in.weight": (Piece("patch_embedding.weight", (d, channels, *size), as_layer),),
        "patch_in.bias": (Piece("patch_embedding.bias", (d,)),),
        "final_table": (Piece(("head.modulation", "scale_shift_table")[theirs], (1, 2, d), without_first),),
    }
    ends = {**_ENDS, **(_PICTURE_ENDS if config.picture_size else {})}
    for ours, names in ends.items():
        pieces |= _layer(ours, (names[theirs],), _end_shape(ours, config))
    if config.picture_places:
        places = ("img_emb.emb_pos", "condition_embedder.image_embedder.pos_embed")[theirs]
        shape = (1, config.picture_places, config.picture_size)
        pieces["picture_in.places"] = (Piece(places, shape, without_first),)
    for number in range(config.depth):
        pieces |= _block(config, theirs, f"blocks.{number}.", f"blocks.{number}.")
    if config.control_channels:
        pieces |= _control_pieces(config, theirs)
    return pieces


def _block(config: DenoiserConfig, theirs: int, ours: str, there: str) -> dict[str, tuple[Piece, ...]]:
    """Those of one block, by how names begin in both."""
    d, halves = config.hidden_size, in_halves(config.head_size)
    attention = {**_ATTENTION, **(_PICTURE_ATTENTION if config.picture_size else {})}
    norms = {**_NORMS, **(_PICTURE_NORMS if config.picture_size else {})}
    table = there + ("modulation", "scale_shift_table")[theirs]
    pieces: dict[str, tuple[Piece, ...]] = {f"{ours}modulation": (Piece(table, (1, 6, d), without_first),)}
    for name, parts in attention.items():
        moves = (halves, halves, None) if name in _ROTATED else ()
        names_there = tuple(there + part for part in parts[theirs])
        pieces |= _layer(ours + name, names_there, _block_shape(name, config), moves)
    for name, both in norms.items():
        move = halves if name in _ROTATED else None
        pieces[ours + name] = (Piece(f"{there}{both[theirs]}.weight", (d,), move),)
    return pieces


def _control_pieces(config: DenoiserConfig, theirs: int) -> dict[str, tuple[Piece, ...]]:
    """Those of the blocks that VACE adds."""
    d = config.hidden_size
    before, after = (("before_proj", "after_proj"), ("proj_in", "proj_out"))[theirs]
    kernel = (d, config.control_channels, *config.patch_size)
    pieces: dict[str, tuple[Piece, ...]] = {
        "controls.patch_in.weight": (Piece("vace_patch_embedding.weight", kernel, as_layer),),
        "controls.patch_in.bias": (Piece("vace_patch_embedding.bias", (d,)),),
        **_layer("controls.start", (f"vace_blocks.0.{before}",), (d, d)),
    }
    for number in range(len(config.control_layers)):
        pieces |= _block(config, theirs, f"controls.blocks.{number}.", f"vace_blocks.{number}.")
        pieces |= _layer(f"controls.outs.{number}", (f"vace_blocks.{number}.{after}",), (d, d))
    return pieces


def _config(**values: Any) -> DenoiserConfig:
    """With all that Wan models have in common."""
    for name, value in values.items():
        if name not in ("patch_size", "control_layers") and not isinstance(value, int):
            raise TypeError(f"{name} is {value!r}")
    return DenoiserConfig(
        **values,
        rope_theta=_THETA,
        mlp="plain",
        bias=True,
        norm="layer",
        joint_norm=True,
        centred=False,
        token_shift=False,
        time_layers=2,
        text_mlp=True,
        final_table=True,
    )


_ORIGINAL_FIELDS: Final = frozenset(
    (
        *(
            "dim",
            "ffn_dim",
            "freq_dim",
            "in_dim",
            "out_dim",
            "text_dim",
            "text_len",
            "num_heads",
            "num_layers",
        ),
        *("eps", "model_type", "patch_size", "window_size", "qk_norm", "cross_attn_norm"),
        *("vace_layers", "vace_in_dim"),
        *("_class_name", "_diffusers_version"),
    )
)


def _from_original(values: Mapping[str, Any], where: str, names: Container[str]) -> DenoiserConfig:
    _check_fields(values, _ORIGINAL_FIELDS, where)
    # Wan 2.1 and 2.2 both call theirs i2v; only 2.1 looks at tokens of a picture.
    pictured = "img_emb.proj.0.weight" in names
    return _config(
        latent_channels=values["out_dim"],
        condition_channels=values["in_dim"] - values["out_dim"],
        text_size=values.get("text_dim", _TEXT_SIZE),
        hidden_size=values["dim"],
        depth=values["num_layers"],
        num_heads=values["num_heads"],
        mlp_width=values["ffn_dim"],
        patch_size=tuple(values.get("patch_size", (1, 2, 2))),
        picture_size=_picture_size(names) if pictured else 0,
        picture_places=2 * _PICTURE_TOKENS if "img_emb.emb_pos" in names else 0,
        **_controls(values, "vace_in_dim"),
    )


def _picture_size(names: Container[str]) -> int:
    """What the makers' configuration does not say: as wide as the first norm, or as CLIP ViT-H is."""
    return names.shape("img_emb.proj.0.weight")[0] if isinstance(names, Weights) else _PICTURE_SIZE


def _controls(values: Mapping[str, Any], channels: str) -> dict[str, Any]:
    if not values.get("vace_layers"):
        return {}
    return {"control_channels": values[channels], "control_layers": tuple(values["vace_layers"])}


_DIFFUSERS_FIELDS: Final = frozenset(
    (
        *("num_attention_heads", "attention_head_dim", "in_channels", "out_channels", "text_dim", "freq_dim"),
        *("ffn_dim", "num_layers", "patch_size", "cross_attn_norm", "qk_norm", "eps", "rope_max_seq_len"),
        *("image_dim", "added_kv_proj_dim", "pos_embed_seq_len", "vace_layers", "vace_in_channels"),
        *("_class_name", "_diffusers_version", "_name_or_path"),
    )
)


def _from_diffusers(values: Mapping[str, Any], where: str) -> DenoiserConfig:
    _check_fields(values, _DIFFUSERS_FIELDS, where)
    out_channels = values.get("out_channels") or values["in_channels"]
    return _config(
        latent_channels=out_channels,
        condition_channels=values["in_channels"] - out_channels,
        text_size=values.get("text_dim", 512),
        hidden_size=values["num_attention_heads"] * values["attention_head_dim"],
        depth=values["num_layers"],
        num_heads=values["num_attention_heads"],
        mlp_width=values["ffn_dim"],
        patch_size=tuple(values.get("patch_size", (1, 2, 2))),
        picture_size=values.get("image_dim") or 0,
        picture_places=values.get("pos_embed_seq_len") or 0,
        **_controls(values, "vace_in_channels"),
    )


def _check_fields(values: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    if unknown := sorted(values.keys() - known):
        raise UserError(
            f"{where} has the field {unknown[0]!r}, which no Wan model that tenku knows has; give the "
            "configuration that came with the weights, or a newer tenku."
        )
    for name, fixed in (("freq_dim", 256), ("eps", 1e-6), ("cross_attn_norm", True)):
        if values.get(name, fixed) != fixed:
            raise UserError(
                f"{where} says {name} {values[name]!r}; of Wan models tenku knows only {fixed!r}."
            )


def _layer(
    ours: str, theirs: tuple[str, ...], shape: tuple[int, ...], moves: tuple[Move | None, ...] = ()
) -> dict[str, tuple[Piece, ...]]:
    """Weight and bias of a linear layer of (out, in) for each of theirs, or of a norm of (size,)."""
    moves = moves or (None,) * len(theirs)
    weight = "scale" if len(shape) == 1 else "weight"
    bias = "shift" if len(shape) == 1 else "bias"
    pairs = tuple(zip(theirs, moves, strict=True))
    return {
        f"{ours}.{weight}": tuple(Piece(f"{name}.weight", shape, move) for name, move in pairs),
        f"{ours}.{bias}": tuple(Piece(f"{name}.bias", shape[:1], move) for name, move in pairs),
    }


def _end_shape(ours: str, config: DenoiserConfig) -> tuple[int, ...]:
    d, picture = config.hidden_size, config.picture_size
    return {
        "time_in": (d, 256),
        "time_hidden": (d, d),
        "time_out": (6 * d, d),
        "text_in.up": (d, config.text_size),
        "text_in.down": (d, d),
        "patch_out": (config.patch_channels, d),
        "picture_in.norm_in": (picture,),
        "picture_in.hidden": (picture, picture),
        "picture_in.out": (d, picture),
        "picture_in.norm_out": (d,),
    }[ours]


def _block_shape(ours: str, config: DenoiserConfig) -> tuple[int, ...]:
    d, width = config.hidden_size, config.mlp_size
    return {"cross_norm": (d,), "mlp.up": (width, d), "mlp.down": (d, width)}.get(ours, (d, d))

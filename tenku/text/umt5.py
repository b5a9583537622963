"""umT5, the text encoder of Wan: through transformers, with Wan's conventions."""

import html
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from tenku.errors import UserError
from tenku.text.encoder import TextConditioning
from tenku.text.tokenizer import Tokens

_LENGTH: Final = 512  # tokens that every text is cut or filled up to
_PICKLED: Final = (".bin", ".ckpt", ".pkl", ".pt", ".pth")
_BLOCK: Final = re.compile(r"blocks\.(\d+)\.(.+)\.weight")
_ENDS: Final = {"token_embedding.weight": "shared.weight", "norm.weight": "encoder.final_layer_norm.weight"}
_IN_BLOCK: Final = {
    "norm1": "layer.0.layer_norm",
    "attn.q": "layer.0.SelfAttention.q",
    "attn.k": "layer.0.SelfAttention.k",
    "attn.v": "layer.0.SelfAttention.v",
    "attn.o": "layer.0.SelfAttention.o",
    "pos_embedding.embedding": "layer.0.SelfAttention.relative_attention_bias",
    "norm2": "layer.1.layer_norm",
    "ffn.gate.0": "layer.1.DenseReluDense.wi_0",
    "ffn.fc1": "layer.1.DenseReluDense.wi_1",
    "ffn.fc2": "layer.1.DenseReluDense.wo",
}


class Umt5Encoder:
    """Prompts → TextConditioning of 512 tokens, zeros where there is no text.

    Wan looks at all of them, so the mask hides none. The network runs in the type of its weights, whatever
    autocast says.
    """

    def __init__(self, network: Any, tokenizer: Any) -> None:
        self.network, self.tokenizer = network, tokenizer

    @classmethod
    def from_pretrained(
        cls,
        weights: str | Path,
        tokenizer: str | Path,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str = "cpu",
    ) -> Self:
        """The encoder in a folder in transformers' layout or a safetensors file in the original one, and the
        tokenizer in a folder. Without a `dtype` weights keep that of their file."""
        weights, tokenizer = Path(weights), Path(tokenizer)
        for path in (weights, tokenizer):
            if not path.exists():
                raise UserError(
                    f"there is no {str(path)!r}; give the text encoder's weights and its tokenizer."
                )
        network = from_folder(weights, dtype) if weights.is_dir() else _from_file(weights, dtype)
        return cls(network.to(device).eval().requires_grad_(False), load_tokenizer(tokenizer))

    def tokenize(self, prompts: Sequence[str]) -> list[Tokens]:
        """Tokens of each prompt; every word is known, and what is too long is not read."""
        found = []
        for prompt in prompts:
            ids = self.tokenizer(cleaned(prompt)).input_ids
            found.append(Tokens(tuple(ids[:_LENGTH]), num_unread=max(0, len(ids) - _LENGTH)))
        return found

    @torch.no_grad()
    def encode(self, prompts: Sequence[str], length: int | None = None) -> TextConditioning:
        """Conditioning (b 512 d) of a batch of prompts, or (b length d)."""
        length = length or _LENGTH
        # Tokens do not see the padding behind them, so no more of it is computed than the batch needs.
        given = self.tokenizer(
            [cleaned(prompt) for prompt in prompts],
            padding="longest",
            max_length=length,
            truncation=True,
            return_tensors="pt",
        )
        ids, mask = (given[name].to(self.network.device) for name in ("input_ids", "attention_mask"))
        with torch.autocast(ids.device.type, enabled=False):
            states = self.network(ids, attention_mask=mask).last_hidden_state
        tokens = functional.pad(states * mask[..., None], (0, 0, 0, length - states.shape[1]))
        return TextConditioning(tokens, tokens.new_ones(tokens.shape[:2], dtype=torch.bool))


def hollow_umt5(place: Path, tensors: Mapping[str, Tensor]) -> Any:
    """The network that tensors of a folder or of a file belong to, on the meta device: without its
    numbers."""
    library = _transformers()
    kinds = {"umt5": library.UMT5EncoderModel, "t5": library.T5EncoderModel}
    try:
        config = library.AutoConfig.from_pretrained(str(place)) if place.is_dir() else _config_of(tensors)
        with torch.device("meta"):
            network = kinds[config.model_type](config)
    except Exception as error:  # of many libraries; whatever it is, there is no network
        raise UserError(
            f"the text encoder in {place} cannot be read ({_first_line(error)}); copy it again."
        ) from error
    shapes = {name: tensor.shape for name, tensor in umt5_tensors(place, tensors).items()}
    for name, value in network.state_dict().items():
        if shapes.get(name) != value.shape:
            found = f"has the shape {tuple(shapes[name])}" if name in shapes else "is missing"
            raise UserError(f"tensor {name!r} of the text encoder in {place} {found}; copy it again.")
    return network


def umt5_tensors(place: Path, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of a folder in transformers' layout, or of a file in the original one, by transformers'
    names."""
    if not place.is_dir():
        return from_original(tensors)
    found = dict(tensors)
    if (words := found.get("shared.weight")) is not None:
        found["encoder.embed_tokens.weight"] = words
    return found


def cleaned(prompt: str) -> str:
    """A prompt as Wan was trained on it: mended letters (where ftfy is there), no HTML, single spaces."""
    try:
        from ftfy import fix_text
    except ImportError:
        mended = prompt
    else:
        mended = fix_text(prompt)
    return " ".join(html.unescape(html.unescape(mended)).split())


def from_original(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of the original layout under transformers' names; an unknown one is a `UserError`."""
    found = {}
    for name, tensor in tensors.items():
        theirs = _transformers_name(name)
        if theirs is None:
            raise UserError(
                f"this is no umT5 encoder: tensor {name!r} is unknown; give the text encoder of a Wan model."
            )
        found[theirs] = tensor
    if (words := found.get("shared.weight")) is not None:
        found["encoder.embed_tokens.weight"] = words
    return found


def _transformers_name(original: str) -> str | None:
    if original in _ENDS:
        return _ENDS[original]
    match = _BLOCK.fullmatch(original)
    if match is None or match[2] not in _IN_BLOCK:
        return None
    return f"encoder.block.{match[1]}.{_IN_BLOCK[match[2]]}.weight"


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise UserError(
            "this model reads its prompts with transformers; `pip install 'tenku[open-weights]'`."
        ) from error
    return transformers


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer in a folder."""
    try:
        return _transformers().AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError, ImportError) as error:
        raise UserError(
            f"the tokenizer in {folder} cannot be read ({_first_line(error)}); copy it again."
        ) from error


def from_folder(folder: Path, dtype: torch.dtype | None, kind: str = "UMT5EncoderModel") -> Any:
    """The text encoder in a folder in transformers' layout, of one of its classes."""
    if not any(folder.glob("*.safetensors")):
        raise UserError(
            f"there are no .safetensors files in {folder}; a text encoder is a folder with those and a "
            "config.json, such as text_encoder/ of a model in diffusers' layout."
        )
    try:
        network, report = getattr(_transformers(), kind).from_pretrained(
            str(folder),
            dtype=dtype or "auto",
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise UserError(
            f"the text encoder in {folder} cannot be read ({_first_line(error)}); copy it again."
        ) from error
    if missing := sorted(report["missing_keys"]):
        others = f" (and {len(missing) - 1} more)" if missing[1:] else ""
        raise UserError(f"the text encoder in {folder} lacks tensor {missing[0]!r}{others}; copy it again.")
    return network


def _from_file(path: Path, dtype: torch.dtype | None) -> Any:
    if path.suffix in _PICKLED:
        raise UserError(
            f"{path} is a pickle, which can run programs when it is opened, so it was not; give the same "
            "tensors as .safetensors, or text_encoder/ of the model in diffusers' layout."
        )
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(
            f"{path} is no whole safetensors file ({_first_line(error)}); download it again."
        ) from error
    found = from_original(tensors)
    try:
        with torch.device("meta"):
            network = _transformers().UMT5EncoderModel(_config_of(tensors))
        network.load_state_dict(found, assign=True)
    except (KeyError, RuntimeError, ZeroDivisionError) as error:
        reason = str(error).splitlines()[-1].strip()
        raise UserError(
            f"{path} is no whole umT5 encoder ({reason}); download it again, or give text_encoder/ of the "
            "model in diffusers' layout."
        ) from error
    return network.to(dtype) if dtype else network


def _config_of(tensors: Mapping[str, Tensor]) -> Any:
    """What the shapes of original tensors say of the network."""
    (words, size), (buckets, heads) = (
        tensors[name].shape for name in ("token_embedding.weight", "blocks.0.pos_embedding.embedding.weight")
    )
    return _transformers().UMT5Config(
        vocab_size=words,
        d_model=size,
        d_kv=len(tensors["blocks.0.attn.q.weight"]) // heads,
        d_ff=len(tensors["blocks.0.ffn.fc1.weight"]),
        num_layers=1 + max(int(match[1]) for name in tensors if (match := _BLOCK.fullmatch(name))),
        num_heads=heads,
        relative_attention_num_buckets=buckets,
    )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__).rstrip(". ")

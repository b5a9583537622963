"""CLIP, by which Wan 2.1 I2V and FLF2V also see the pictures that a video is made from: by transformers."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tenku.checkpoint.on_demand import OnDemand
from tenku.checkpoint.renaming import check_same_names
from tenku.checkpoint.weights import Weights, read_json
from tenku.errors import UserError

_PROCESSOR = "preprocessor_config.json"


class PictureEncoder:
    """Pictures → tokens of all but the last layer, as Wan was trained on them.

    The network is in memory only while it looks.
    """

    def __init__(self, network: OnDemand[Any], processor: Any) -> None:
        self.network, self.processor = network, processor

    @classmethod
    def from_pretrained(cls, weights: Path, processor: Path) -> "PictureEncoder":
        """The encoder in a folder in transformers' layout, run in float32, and what prepares its pictures in
        another."""
        network, found = _hollow(weights).float(), Weights.of(weights)
        check_same_names(network, found, weights)

        def source(names: Sequence[str]) -> dict[str, Tensor]:
            private = Weights(found.files).private(torch.float32)
            return {name: private[name] for name in names}

        return cls(OnDemand(network, source), _processor(processor))

    @torch.no_grad()
    def encode(self, pictures: Sequence[Tensor]) -> Tensor:
        """Tokens (1 k·m e) of k pictures (3 h w) in [−1, 1], one picture's after the other's."""
        given = [((picture.movedim(0, -1) + 1) * 127.5).round().clamp(0, 255).byte() for picture in pictures]
        pixels = self.processor([each.numpy() for each in given], return_tensors="pt")["pixel_values"]
        with self._here() as network, torch.autocast(pixels.device.type, enabled=False):
            states = network(pixels.to(network.dtype), output_hidden_states=True).hidden_states[-2]
        tokens: Tensor = states.flatten(0, 1)[None]
        return tokens

    @contextmanager
    def _here(self) -> Iterator[Any]:
        self.network.bring()
        try:
            yield self.network.network
        finally:
            self.network.let_go()


def _hollow(place: Path) -> Any:
    """The network without its numbers."""
    library = _transformers()
    try:
        config = library.CLIPVisionConfig.from_pretrained(str(place))
        with torch.device("meta"):
            network = library.CLIPVisionModel(config).eval().requires_grad_(False)
    except Exception as error:  # of many libraries; whatever it is, there is no network
        raise UserError(
            f"the picture encoder in {place} cannot be read ({str(error).splitlines()[0]}); copy it again."
        ) from error
    for module in network.modules():
        for name, buffer in module.named_buffers(recurse=False):  # none is in the file: they only count
            setattr(module, name, torch.arange(buffer.numel()).view(buffer.shape))
    return network


def _processor(place: Path) -> Any:
    values, library = read_json(place / _PROCESSOR), _transformers()
    # That which resizes as Pillow does, by its name since transformers 5, or by its older one.
    kind = getattr(library, "CLIPImageProcessorPil", None) or library.CLIPImageProcessor
    try:
        return kind(**values)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{place / _PROCESSOR} makes no sense ({error}); copy it again.") from error


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise UserError(
            "this model looks at pictures with transformers; `pip install 'tenku[open-weights]'`."
        ) from error
    return transformers

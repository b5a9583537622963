"""Tensors of safetensors files, read when they are asked for; other formats are refused, never executed."""

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from tenku.errors import UserError

INDEX_ENDING = ".safetensors.index.json"
_PICKLED = (".bin", ".ckpt", ".pkl", ".pt", ".pth")
_PICKLE_STARTS = (b"PK", *(bytes((0x80, protocol)) for protocol in range(2, 6)))  # zipped, or bare
_WRAPPINGS = ("model.diffusion_model.", "diffusion_model.")  # that some tools put before every name
_READ_AT_ONCE = 4 * 2**20  # bytes
VAE = "vae."  # before names of an autoencoder that lies in the denoiser's file
_TYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


class Weights(Mapping[str, Tensor]):
    """The tensors of one or more safetensors files by name. Files are mapped into memory, not read, until a
    tensor is used; shapes are known without that.

    Where files hold several networks, they are those of the denoiser, or of another `part` by what its names
    begin with.
    """

    def __init__(self, files: tuple[Path, ...], part: str = "") -> None:
        self.files = files
        self._open: dict[str, Any] = {}
        self._stack = ExitStack()
        for path in files:
            reader = self._stack.enter_context(_opened(path))
            for name in reader.keys():  # noqa: SIM118 (a reader is no dictionary)
                if name in self._open:
                    raise UserError(f"{path} repeats the tensor {name!r} of another file; give one of them.")
                self._open[name] = reader
        if any(name.startswith(VAE) for name in self._open):
            kept = part or _WRAPPINGS[0]
            self._open = {name: reader for name, reader in self._open.items() if name.startswith(kept)}
        wrappings = (part, *_WRAPPINGS) if part else _WRAPPINGS
        self.wrapping = next((w for w in wrappings if all(n.startswith(w) for n in self._open)), "")

    @classmethod
    def of(cls, place: Path, part: str = "") -> Self:
        """Those of a file, or of the file or the shards in a folder; a `UserError` if there are none."""
        return cls(_files_of(place), part)

    def __getitem__(self, name: str) -> Tensor:
        found: Tensor = self._open[self.wrapping + name].get_tensor(self.wrapping + name)
        return found

    def __iter__(self) -> Iterator[str]:
        return (name.removeprefix(self.wrapping) for name in self._open)

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.wrapping + name in self._open

    def private(self, dtype: torch.dtype | None = None) -> Mapping[str, Tensor]:
        """The same tensors, each in memory of its own, in another type if one is given: of those that are
        moved or converted nothing stays mapped."""
        return _Private(self, dtype)

    def dtype(self, name: str) -> torch.dtype:
        """Type of a tensor."""
        return self._places[self.wrapping + name][0]

    def read(self, name: str, wanted: torch.dtype | None = None) -> Tensor:
        """A tensor, copied from its file; converted piece by piece, so that nothing large is left behind."""
        dtype, shape, path, offset = self._places[self.wrapping + name]
        made = torch.empty(shape, dtype=wanted or dtype)
        with path.open("rb") as file:
            file.seek(offset)
            for part in torch.split(made.flatten(), _READ_AT_ONCE // dtype.itemsize):
                given = part if part.dtype == dtype else torch.empty(len(part), dtype=dtype)
                file.readinto(given.view(torch.uint8).numpy().data)
                if given is not part:
                    part.copy_(given)
        return made

    @cached_property
    def _places(self) -> dict[str, tuple[torch.dtype, list[int], Path, int]]:
        """Type, shape, file and first byte of every tensor, from the headers of the files."""
        places = {}
        for path in self.files:
            with path.open("rb") as file:
                length = int.from_bytes(file.read(8), "little")
                header = json.loads(file.read(length))
            for name, facts in header.items():
                if name != "__metadata__":
                    start = 8 + length + facts["data_offsets"][0]
                    places[name] = _TYPES[facts["dtype"]], facts["shape"], path, start
        return places

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor."""
        return tuple(self._slice(name).get_shape())

    def metadata(self) -> dict[str, str]:
        """What the files say of themselves."""
        said: dict[str, str] = {}
        for reader in {id(reader): reader for reader in self._open.values()}.values():
            said |= reader.metadata() or {}
        return said

    def num_bytes(self) -> int:
        """Bytes of all tensors together."""
        kept = (self._places[name] for name in self._open)
        return sum(math.prod(shape) * dtype.itemsize for dtype, shape, _, _ in kept)

    def _slice(self, name: str) -> Any:
        return self._open[self.wrapping + name].get_slice(self.wrapping + name)


class _Private(Mapping[str, Tensor]):
    def __init__(self, weights: Weights, dtype: torch.dtype | None) -> None:
        self._weights, self._dtype = weights, dtype

    def __getitem__(self, name: str) -> Tensor:
        return self._weights.read(name, self._dtype)

    def __iter__(self) -> Iterator[str]:
        return iter(self._weights)

    def __len__(self) -> int:
        return len(self._weights)


def read_json(path: Path) -> dict[str, Any]:
    """A configuration; a `UserError` if it is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}); copy the model again.") from error
    if not isinstance(found, dict):
        raise UserError(f"{path} is no configuration; copy the model again.")
    return found


def _files_of(place: Path) -> tuple[Path, ...]:
    if place.is_file():
        return (place,)
    index = next(iter(sorted(place.glob(f"*{INDEX_ENDING}"))), None)
    if index is not None:
        return _shards(index)
    files = sorted(place.glob("*.safetensors"))
    if len(files) == 1:
        return (files[0],)
    if files:
        raise UserError(
            f"{place} has {len(files)} safetensors files and no index ({files[0].name}, …); "
            "give one file, or copy the index too."
        )
    pickled = next((path for path in sorted(place.glob("*")) if path.suffix in _PICKLED), None)
    if pickled is not None:
        _refuse_pickle(pickled)
    raise UserError(f"there are no weights in {place}; a model has .safetensors files.")


def _shards(index: Path) -> tuple[Path, ...]:
    named = read_json(index).get("weight_map")
    if not isinstance(named, dict) or not all(isinstance(name, str) for name in named.values()):
        raise UserError(f"{index} does not say which file holds which tensor; copy it again.")
    names = sorted(set(named.values()))
    if any(Path(name).name != name for name in names):
        raise UserError(f"{index} names files outside its folder; copy it again from where you trust it.")
    missing = [name for name in names if not (index.parent / name).is_file()]
    if missing:
        raise UserError(
            f"{len(missing)} of {len(names)} files of the model in {index.parent} are missing "
            f"({missing[0]}{', …' if missing[1:] else ''}); download the rest."
        )
    return tuple(index.parent / name for name in names)


def _opened(path: Path) -> Any:
    if path.suffix in _PICKLED:
        _refuse_pickle(path)
    try:
        return safe_open(path, framework="pt")
    except FileNotFoundError as error:
        raise UserError(f"there is no file {str(path)!r}; give a .safetensors file or a folder.") from error
    except (OSError, SafetensorError) as error:
        with path.open("rb") as file:
            start = file.read(2)
        if start in _PICKLE_STARTS:  # whatever it is called
            _refuse_pickle(path)
        raise UserError(f"{path} is no whole safetensors file ({error}); download it again.") from error


def _refuse_pickle(path: Path) -> None:
    raise UserError(
        f"{path} is a pickle, which can run programs when it is opened, so it was not; "
        "give the same weights as .safetensors."
    )

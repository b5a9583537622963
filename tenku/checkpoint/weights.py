"""Tensors of safetensors files, read when they are asked for; other formats are refused, never executed."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from tenku.errors import UserError

INDEX_ENDING = ".safetensors.index.json"
_PICKLED = (".bin", ".ckpt", ".pkl", ".pt", ".pth")
_WRAPPINGS = ("model.diffusion_model.", "diffusion_model.")  # that some tools put before every name
_BYTES = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "I16": 2}


class Weights(Mapping[str, Tensor]):
    """The tensors of one or more safetensors files by name. Files are mapped into memory, not read, until a
    tensor is used; shapes are known without that."""

    def __init__(self, files: tuple[Path, ...]) -> None:
        self.files = files
        self._open: dict[str, Any] = {}
        self._stack = ExitStack()
        for path in files:
            reader = self._stack.enter_context(_opened(path))
            for name in reader.keys():  # noqa: SIM118: a reader is no dictionary
                if name in self._open:
                    raise UserError(f"{path} repeats the tensor {name!r} of another file; give one of them.")
                self._open[name] = reader
        self.wrapping = next((w for w in _WRAPPINGS if all(n.startswith(w) for n in self._open)), "")

    @classmethod
    def of(cls, place: Path) -> Self:
        """Those of a file, or of the file or the shards in a folder; a `UserError` if there are none."""
        return cls(_files_of(place))

    def __getitem__(self, name: str) -> Tensor:
        found: Tensor = self._open[self.wrapping + name].get_tensor(self.wrapping + name)
        return found

    def __iter__(self) -> Iterator[str]:
        return (name.removeprefix(self.wrapping) for name in self._open)

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.wrapping + name in self._open

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor."""
        return tuple(self._slice(name).get_shape())

    def num_bytes(self) -> int:
        """Bytes of all tensors together."""
        return sum(torch.Size(self.shape(n)).numel() * _BYTES.get(self._slice(n).get_dtype(), 1) for n in self)

    def _slice(self, name: str) -> Any:
        return self._open[self.wrapping + name].get_slice(self.wrapping + name)


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
        if start in (b"PK", b"\x80\x02"):  # a zip or a bare pickle, whatever it is called
            _refuse_pickle(path)
        raise UserError(f"{path} is no whole safetensors file ({error}); download it again.") from error


def _refuse_pickle(path: Path) -> None:
    raise UserError(
        f"{path} is a pickle, which can run programs when it is opened, so it was not; "
        "give the same weights as .safetensors."
    )

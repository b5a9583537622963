"""What is said of a file when it is signed: who made it, from what, and what was done."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from tenku.errors import UserError
from tenku.provenance.layout import ID_BITS

GENERATOR: Final = "tenku"
GENERATION: Final = "org.tenku.generation"  # the assertion that holds model, seed and the hash of the prompt
WATERMARK: Final = "org.tenku.luma-mark.1"
_SOFT_BINDING: Final = "c2pa.soft-binding"
_TRAINED: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


@dataclass(frozen=True, slots=True)
class Parent:
    """A clip or picture that a file was made from: where it lies or what is in it, and what it is called."""

    source: Path | bytes
    name: str

    @classmethod
    def file(cls, path: str | Path) -> "Parent":
        """A file, called as it is."""
        return cls(Path(path), Path(path).name)


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """How a file came to be.

    `edit` says what was done to the one parent, for example "extended"; without it the file is new, and
    parents are what it is made with. The prompt itself is never written, only its hash with a salt. `mark` is
    what the watermark says, by default a digest of model and seed. `changes` are what was done to the model:
    the LoRAs that were mixed into it, the type that its weights were brought to.
    """

    model: str
    seed: int
    prompt: str = ""
    edit: str = ""
    parents: Sequence[Parent] = ()
    mark: int | None = None
    changes: Sequence[str] = ()
    salt: str = field(default_factory=lambda: secrets.token_hex(16))

    def __post_init__(self) -> None:
        if self.edit and len(self.parents) != 1:
            raise UserError(
                f"a file that was {self.edit} has one parent, not {len(self.parents)}; name it, or no edit."
            )
        if self.mark is not None and not 0 <= self.mark < 2**ID_BITS:
            raise UserError(f"{self.mark} is no mark; choose a number from 0 to {2**ID_BITS - 1}.")

    @property
    def watermark(self) -> int:
        """The mark that goes into the pictures."""
        if self.mark is not None:
            return self.mark
        digest = hashlib.sha256(f"{self.model}\n{self.seed}".encode()).digest()
        return int.from_bytes(digest[: ID_BITS // 8], "big")

    def manifest(self, title: str, media_type: str) -> dict[str, Any]:
        """What C2PA's builder takes, but for the parents; their labels are those of `parent_labels`."""
        return {
            "claim_generator_info": [_agent()],
            "title": title,
            "format": media_type,
            "assertions": [
                {"label": "c2pa.actions.v2", "data": {"actions": self._actions()}},
                {"label": GENERATION, "data": self._generation()},
                {"label": _SOFT_BINDING, "data": self._soft_binding()},
            ],
        }

    def parent_labels(self) -> list[tuple[Parent, str, str]]:
        """Each parent with its label and its relationship."""
        relationship = "parentOf" if self.edit else "componentOf"
        return [
            (parent, f"parent-{index}", relationship) for index, parent in enumerate(self.parents, start=1)
        ]

    def _actions(self) -> list[dict[str, Any]]:
        made = {"digitalSourceType": _TRAINED, "softwareAgent": _agent()}
        labels = [label for _, label, _ in self.parent_labels()]
        if self.edit:
            return [
                {"action": "c2pa.opened", "parameters": {"ingredientIds": labels}},
                {"action": "c2pa.edited", "description": self.edit, **made},
            ]
        placed = [{"action": "c2pa.placed", "parameters": {"ingredientIds": [label]}} for label in labels]
        return [{"action": "c2pa.created", **made}, *placed]

    def _generation(self) -> dict[str, Any]:
        changes = {"model_changes": list(self.changes)} if self.changes else {}
        return {
            "model": self.model,
            **changes,
            "seed": self.seed,
            "prompt": {"alg": "sha256", "salt": self.salt, "hash": prompt_hash(self.prompt, self.salt)},
            "watermark": f"{self.watermark:0{ID_BITS // 4}x}",
        }

    def _soft_binding(self) -> dict[str, Any]:
        value = f"{self.watermark:0{ID_BITS // 4}x}"
        return {"alg": WATERMARK, "blocks": [{"scope": {}, "value": value}]}


def prompt_hash(prompt: str, salt: str) -> str:
    """What is written in place of a prompt: whoever knows the prompt can show that it was this one."""
    return hashlib.sha256(f"{salt}\n{prompt}".encode()).hexdigest()


@cache
def _agent() -> dict[str, str]:
    return {"name": GENERATOR, "version": version("tenku")}

"""The stage that trains the text encoder: unlimited captions, each asked what scene it tells of."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from tenku.text import TextEncoder
from tenku.training.device import half_precision
from tenku.training.scene_targets import (
    ABSENT,
    MAX_OBJECTS,
    MAX_SHOTS,
    NUM_REGISTERS,
    REGISTERS_PER_SHOT,
    SceneTargets,
    scene_targets,
)
from tenku.training.trainer import StepLoss, is_matrix
from tenku.worlds.captions import caption, plain_prompt, sample_description
from tenku.worlds.description import SceneDescription
from tenku.worlds.vocabulary import (
    CAMERA_MOVES,
    COLOURS,
    DIRECTIONS,
    EVENT_KINDS,
    FLOORS,
    LANGUAGES,
    MATERIALS,
    RELATION_KINDS,
    SHAPES,
    SIZES,
    Language,
)

_OBJECT_CLASSES = {
    "colour": len(COLOURS),
    "shape": len(SHAPES),
    "material": len(MATERIALS),
    "size": len(SIZES),
    "direction": len(DIRECTIONS) + 1,
    "target": MAX_OBJECTS + 1,
}
_SCENE_CLASSES = {"floor": len(FLOORS), "camera": len(CAMERA_MOVES)}
_GROUP = 32  # texts of like length that are read together
_LOOKS = (("size", SIZES), ("colour", COLOURS), ("material", MATERIALS), ("shape", SHAPES))


class SceneReader(nn.Module):
    """A text encoder with the heads that read the scene off its registers; only the encoder is kept."""

    def __init__(self, encoder: TextEncoder) -> None:
        super().__init__()
        if encoder.config.num_registers < NUM_REGISTERS:
            raise ValueError(
                f"a scene needs {NUM_REGISTERS} registers, the encoder has {encoder.config.num_registers}"
            )
        self.encoder = encoder
        size = encoder.config.hidden_size
        self.present = nn.Linear(size, 1)
        self.events = nn.Linear(size, len(EVENT_KINDS))
        self.relations = nn.Linear(2 * size, len(RELATION_KINDS))
        self.object_classes = nn.ModuleDict({k: nn.Linear(size, n) for k, n in _OBJECT_CLASSES.items()})
        self.scene_classes = nn.ModuleDict({k: nn.Linear(size, n) for k, n in _SCENE_CLASSES.items()})

    def forward(self, ids: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """Logits of every target in `SceneTargets` for ids and mask (b n)."""
        registers = self.encoder(ids, mask).tokens[:, : MAX_SHOTS * REGISTERS_PER_SHOT]
        registers = registers.unflatten(1, (MAX_SHOTS, REGISTERS_PER_SHOT))
        things, scene = registers[:, :, :MAX_OBJECTS], registers[:, :, MAX_OBJECTS]
        pairs = torch.cat(
            [
                things[:, :, :, None].expand(-1, -1, -1, MAX_OBJECTS, -1),
                things[:, :, None].expand(-1, -1, MAX_OBJECTS, -1, -1),
            ],
            -1,
        )
        return {
            "present": self.present(things).squeeze(-1),
            "events": self.events(things),
            "relations": self.relations(pairs),
            **{key: head(things) for key, head in self.object_classes.items()},
            **{key: head(scene) for key, head in self.scene_classes.items()},
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class TextTaskConfig:
    """Batch, and how captions are drawn: half English, half Chinese, some of them the plain prompt."""

    batch_size: int = 64
    plain_share: float = 0.15
    held_out_size: int = 512


class TextTask:
    """Read the scene off a caption."""

    name = "text"

    def __init__(self, module: SceneReader, config: TextTaskConfig) -> None:
        self.module = module
        self.config = config

    def loss(self, step: int, generator: torch.Generator) -> StepLoss:
        """Cross-entropies of all targets over new captions, in both languages."""
        rng = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
        descriptions = [sample_description(rng, pairs="any") for _ in range(self.config.batch_size)]
        texts = [write_caption(d, rng, self.config.plain_share) for d in descriptions]
        tokens = self.module.encoder.tokenize(texts)
        by_length = sorted(range(len(texts)), key=lambda index: len(tokens[index].ids))
        losses: dict[str, Tensor] = {}
        num_tokens = 0
        for start in range(0, len(texts), _GROUP):  # sorted by length: less padding
            group = by_length[start : start + _GROUP]
            ids, mask = self.module.encoder.batch([tokens[index] for index in group])
            with half_precision():
                logits = self.module(ids, mask)
            for key, value in _losses(logits, scene_targets([descriptions[i] for i in group])).items():
                losses[key] = losses.get(key, torch.zeros(())) + value * (len(group) / len(texts))
            num_tokens += ids.numel() + len(group) * self.module.encoder.config.num_registers
        figures = {key: float(value.detach()) for key, value in losses.items()}
        loss = torch.stack(list(losses.values())).sum()
        parameters = sum(p.numel() for p in self.module.encoder.blocks.parameters())
        return StepLoss(loss, len(texts), 6.0 * parameters * num_tokens, figures)

    def uses_muon(self, name: str, parameter: nn.Parameter) -> bool:
        """Matrices of the encoder's blocks."""
        return is_matrix(name, parameter, ()) and name.startswith("encoder.blocks")

    def evaluate(self) -> dict[str, float]:
        """Share of attributes read right from plain prompts, on seen and held-out pairs, a language apart."""
        figures = {}
        for pairs in ("seen", "held_out"):
            rng = np.random.default_rng(1)
            scenes = [sample_description(rng, pairs=pairs) for _ in range(self.config.held_out_size)]
            for language in LANGUAGES:
                for key, value in self._accuracy(scenes, language).items():
                    figures[f"{key}_{language}_{pairs}"] = value
        return figures

    def save_samples(self, path: Path) -> None:
        """What the encoder reads off a few captions, as text."""
        rng = np.random.default_rng(2)
        lines = []
        for language in LANGUAGES * 4:
            text = caption(sample_description(rng), rng, language)
            lines.append(f"{text}\n  → {'; '.join(self._read(text))}\n")
        path.with_suffix(".txt").write_text("".join(lines), encoding="utf-8")

    def _read(self, text: str) -> list[str]:
        """The objects of the first shot that a text is read to tell of."""
        encoder = self.module.encoder
        logits = self.module(*encoder.batch(encoder.tokenize([text])))
        return [
            " ".join(names[int(logits[key][0, 0, place].argmax())] for key, names in _LOOKS)
            for place in range(MAX_OBJECTS)
            if logits["present"][0, 0, place] > 0
        ]

    def _accuracy(self, scenes: list[SceneDescription], language: Language) -> dict[str, float]:
        encoder = self.module.encoder
        texts = [plain_prompt(scene, language) for scene in scenes]
        logits = self.module(*encoder.batch(encoder.tokenize(texts)))
        targets = scene_targets(scenes)
        out = {}
        for key in ("colour", "shape", "direction"):
            truth = getattr(targets, key)
            right = logits[key].argmax(-1) == truth
            out[key] = float(right[truth != ABSENT].float().mean())
        out["present"] = float(((logits["present"] > 0) == targets.present.bool()).float().mean())
        return out


def write_caption(description: SceneDescription, rng: np.random.Generator, plain_share: float) -> str:
    """A caption in either language, sometimes the plain prompt that names everything."""
    language = LANGUAGES[int(rng.integers(len(LANGUAGES)))]
    if rng.random() < plain_share:
        return plain_prompt(description, language)
    return caption(description, rng, language)


def _losses(logits: dict[str, Tensor], targets: SceneTargets) -> dict[str, Tensor]:
    there = targets.present.bool()
    losses = {
        "present": functional.binary_cross_entropy_with_logits(logits["present"].float(), targets.present)
    }
    losses["events"] = functional.binary_cross_entropy_with_logits(
        logits["events"].float()[there], targets.events[there]
    )
    both = there[:, :, :, None] & there[:, :, None, :]
    losses["relations"] = functional.binary_cross_entropy_with_logits(
        logits["relations"].float()[both], targets.relations[both]
    )
    for key in (*_OBJECT_CLASSES, *_SCENE_CLASSES):
        truth = getattr(targets, key)
        losses[key] = functional.cross_entropy(
            logits[key].float().flatten(0, -2), truth.flatten(), ignore_index=ABSENT
        )
    return losses

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tenku.checkpoint import EMBEDDED, Model, load_model
from tenku.data.tracks import track_config
from tenku.evaluation.likelihood import Losses, losses, planner_loss, read_tracks
from tenku.evaluation.likephys import Judged, draw_twins, report_of
from tenku.flow import velocity_of
from tenku.text import TextConditioning
from tenku.timeline import Tracks
from tenku.timeline.plans import plan_latents
from tenku.worlds import simulate_clip
from tenku.worlds.tracks import SETTING_SIZE
from tenku.worlds.violations import VIOLATIONS

CONFIG = track_config(4)


def told(value: float) -> Losses:
    return Losses(planner=value, guided=value, denoiser=1 - value, along_tracks=value)


def test_the_preference_error_is_how_often_the_invalid_twin_is_likelier() -> None:
    kinds = VIOLATIONS[:2]
    judged = [Judged(kind, told(0.5), told(0.6)) for kind in kinds for _ in range(3)]
    judged.append(Judged(kinds[0], told(0.5), told(0.4)))
    report = report_of(judged, "m", len(judged), 0, 1.0)
    row = report.row("planner", "preference error by whose loss")
    assert (row.value, row.n, row.floor) == (1 / 7, 7, 0.5)
    assert report.row("denoiser", "preference error by whose loss").value == 6 / 7
    by_kind = [report.row(kind.replace("_", " "), "preference error | planner").value for kind in kinds]
    assert by_kind == [1 / 4, 0]
    assert row.low < row.value < row.high


def test_a_model_without_a_planner_is_asked_for_its_denoiser_alone() -> None:
    bare = Losses(planner=None, guided=None, denoiser=0.5, along_tracks=None)
    report = report_of([Judged(VIOLATIONS[0], bare, replace(bare, denoiser=0.6))], "m", 1, 0, 1.0)
    assert [row.name for row in report.rows if row.group.endswith("loss")] == ["denoiser"]
    assert bare.both is None


def test_pairs_are_the_same_for_the_same_seed_and_take_kinds_in_turn() -> None:
    first, again, other = (list(draw_twins(2, seed)) for seed in (0, 0, 1))
    assert [pair.kind for pair in first] == list(VIOLATIONS[:2])
    assert all(np.array_equal(a.invalid, b.invalid) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0].valid, other[0].valid)


class _Told(nn.Module):
    """A reader that says what it was given."""

    def __init__(self, packed: Tensor) -> None:
        super().__init__()
        self.packed = packed

    def read(self, latents: Tensor) -> Tensor:
        return self.packed


def seen(present: list[list[float]]) -> Tensor:
    """What a reader may say (1 c t o) of objects that are there so surely in each latent frame (t o)."""
    chances = torch.tensor(present)
    frames = 1 + 4 * (len(chances) - 1)
    poses = torch.zeros(1, frames, 4, 11)
    poses[..., 2:4], poses[..., 5], poses[..., 9] = 0.4, 1.0, 1.0
    looks = torch.zeros(1, 4, CONFIG.look_channels)
    looks[..., [0, 8, 14, 17]] = 1
    settings = torch.zeros(1, frames, SETTING_SIZE)
    settings[..., 1], settings[..., 3], settings[..., 8] = 1.0, 4.75, 1.0
    packed = Tracks(poses, looks, torch.ones(1, 4), settings).packed(CONFIG)
    packed[:, 0, :, :-1] = chances
    return packed


def test_what_is_read_is_not_mended() -> None:
    """An object that is there in some latent frames only, is there in those only."""
    present = [[0.9, 0.1, 0.8, 0.0], [0.9, 0.2, 0.2, 0.0], [0.6, 0.1, 0.9, 0.0]]
    packed = read_tracks(_Told(seen(present)), torch.zeros(1, 4, 3, 8, 8), CONFIG)  # type: ignore[arg-type]
    assert packed[0, 0, :, :-1].tolist() == [[1, 0, 1, 0], [1, 0, 0, 0], [1, 0, 1, 0]]
    gone = packed[0, :, 1, 2]
    assert not gone.any()


def test_a_look_that_changes_is_read_as_it_changes() -> None:
    read = seen([[1.0, 0.0, 0.0, 0.0]] * 2)
    read[0, 1:3, 1, 0] = torch.tensor([0.3, 0.7])  # probably another colour in the second latent frame
    packed = read_tracks(_Told(read), torch.zeros(1, 4, 2, 8, 8), CONFIG)  # type: ignore[arg-type]
    assert packed[0, 1:3, :, 0].T.tolist() == [[1, 0], [0, 1]]


class _Knowing(nn.Module):
    """A planner that knows one plan by heart."""

    def __init__(self, known: Tensor) -> None:
        super().__init__()
        self.known = known

    def forward(self, noisy: Tensor, sigma: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
        noise = (noisy - (1 - sigma[:, None]) * self.known) / sigma[:, None]
        return velocity_of(self.known.expand_as(noise), noise)


def test_the_planners_loss_is_least_for_what_it_expects() -> None:
    usual = seen([[1.0, 1.0, 0.0, 0.0]] * 3)
    other = usual.clone()
    other[:, CONFIG.pose(2).start, 1, 0] += 0.5
    planner = _Knowing(plan_latents(usual, CONFIG))
    text = TextConditioning(torch.zeros(1, 3, 8), torch.ones(1, 3, dtype=torch.bool))
    expected, surprising = (planner_loss(planner, each, text, CONFIG, 0) for each in (usual, other))  # type: ignore[arg-type]
    assert expected == pytest.approx(0, abs=1e-9)
    assert surprising > 1e-4


@pytest.fixture(scope="module")
def embedded() -> Model:
    torch.set_num_threads(1)
    return load_model("embedded")


@pytest.mark.skipif(not (EMBEDDED / "model.safetensors").is_file(), reason="the package has no model")
def test_the_embedded_model_prefers_a_clip_to_one_that_jumps(embedded: Model) -> None:
    clip = simulate_clip(90_500_000)
    jumping = clip.frames[np.random.default_rng(0).permutation(len(clip.frames))]
    found, again, shuffled = (
        losses(embedded, frames, clip.description) for frames in (clip.frames, clip.frames, jumping)
    )
    assert found == again
    assert found.planner is not None
    assert shuffled.planner is not None
    assert shuffled.planner > found.planner
    assert shuffled.denoiser > found.denoiser
    assert found.both == pytest.approx(found.planner + (found.along_tracks or 0))


def test_a_model_without_tracks_has_a_denoisers_loss(tiny_model: Path) -> None:
    clip = simulate_clip(90_500_001, num_frames=5, height=32, width=32)
    found = losses(load_model(tiny_model), clip.frames, clip.description)
    assert found.planner is None
    assert found.denoiser > 0

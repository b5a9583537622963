import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tenku.errors import UserError
from tenku.evaluation.phyworld import (
    PUBLISHED,
    evaluate_phyworld,
    find_balls,
    published_rows,
    velocity_errors,
)
from tenku.evaluation.phyworld.table import markdown_table, strange_table
from tenku.evaluation.report import Report
from tenku.worlds.phyworld import LAWS, WORLD_SIZE, Law, Motions, draw, num_balls, simulate


def clips(law: Law, count: int = 24) -> Motions:
    return simulate(law, "id", range(9_000, 9_000 + count))


@pytest.mark.parametrize("law", LAWS)
def test_true_clips_are_read_almost_without_error(law: Law) -> None:
    motions = clips(law)
    errors = velocity_errors(find_balls(draw(motions.positions, motions.radii, 64), num_balls(law)), motions)
    assert np.nanmean(errors.each) < 0.004
    assert np.nanmax(errors.mean) < 0.01
    assert np.nanmax(errors.lost) == 0


def test_places_are_those_of_the_balls() -> None:
    motions = clips("collision", 6)
    found = find_balls(draw(motions.positions, motions.radii, 96), 2)
    whole = ((motions.positions > 1.5) & (motions.positions < WORLD_SIZE - 1.5)).all(-1)
    assert np.abs(found - motions.positions)[whole].max() < 0.01


def test_an_error_of_velocity_is_measured() -> None:
    motions = clips("uniform")
    drift = 0.3 * 0.1 * np.arange(32)[:, None, None] * np.array([1.0, 0.0])
    errors = velocity_errors(motions.positions + drift, motions)
    assert errors.each == pytest.approx(0.3, abs=1e-4)
    assert errors.mean == pytest.approx(0.3, abs=1e-4)


def test_trembling_is_forgiven_by_the_mean_velocity_alone() -> None:
    motions = clips("uniform")
    tremble = 0.01 * (-1.0) ** np.arange(32)[:, None, None] * np.array([1.0, 0.0])
    errors = velocity_errors(motions.positions + tremble, motions)
    assert errors.each == pytest.approx(0.2, abs=1e-3)
    assert errors.mean.max() < 0.02


def test_known_frames_and_clipped_balls_do_not_count() -> None:
    motions = clips("uniform")
    found = motions.positions.astype(np.float64)
    clipped = (motions.positions + motions.radii[:, None, :, None] > WORLD_SIZE)[..., 0]
    assert clipped.any()
    wrong = found.copy()
    wrong[:, :2, :, 0] += 5
    wrong[..., 0][clipped] += 5
    assert velocity_errors(wrong, motions).each == pytest.approx(0, abs=1e-5)
    wrong = found.copy()
    wrong[:, 3:, :, 0] += 0.5  # a jump from the last known frame to the first one made
    assert (velocity_errors(wrong, motions).each > 0.1).all()


def test_of_collisions_only_what_follows_the_impact_counts() -> None:
    motions = clips("collision")
    velocity = np.diff(motions.positions[..., 0].astype(np.float64), axis=1)
    changed = np.abs(np.diff(velocity, axis=1)).max(2) > 0.01
    impact = changed.argmax(1) + 1
    wrong = motions.positions.astype(np.float64)
    for clip, step in enumerate(impact):
        wrong[clip, :step] += 0.7 * np.random.default_rng(clip).standard_normal((step, 2, 2))
    assert np.nanmax(velocity_errors(wrong, motions).each) < 1e-4
    for clip, step in enumerate(impact):
        wrong[clip, step + 1 :, :, 0] += 0.05 * np.arange(31 - step)[:, None]
    assert np.nanmin(velocity_errors(wrong, motions).each) > 0.1


def test_of_even_motion_only_the_horizontal_counts_and_of_a_fall_both() -> None:
    for law, expected in (("uniform", 0.0), ("collision", 0.0), ("parabola", 0.1)):
        motions = clips(law)  # type: ignore[arg-type]
        drift = 0.2 * 0.1 * np.arange(32)[:, None, None] * np.array([0.0, 1.0])
        errors = velocity_errors(motions.positions + drift, motions)
        assert np.nanmean(errors.each) == pytest.approx(expected, abs=1e-4)


def test_a_ball_that_is_gone_stands_still() -> None:
    motions = clips("uniform", 4)
    frames = draw(motions.positions, motions.radii, 64)
    frames[:, 3:] = 255
    found = find_balls(frames, 1)
    assert np.isnan(found[:, 3:]).all()
    speeds = np.diff(motions.positions[:, :2, 0, 0], axis=1)[:, 0] / 0.1
    errors = velocity_errors(found, motions)
    assert errors.each == pytest.approx(speeds, rel=1e-3)
    assert errors.lost == pytest.approx(1)


def test_faint_grain_far_away_moves_no_centre() -> None:
    motions = clips("uniform", 4)
    frames = draw(motions.positions, motions.radii, 64)
    clean = find_balls(frames, 1)
    noisy = frames.copy()
    noisy[:, :, :4] = 245
    far = motions.positions[:, :, 0, 1] < 7
    assert np.nanmax(np.abs(find_balls(noisy, 1) - clean)[far]) < 1e-9


def test_a_clip_without_a_frame_to_score_has_no_error() -> None:
    motions = clips("collision", 2)
    apart = replace(motions, positions=motions.positions[:, :5])
    errors = velocity_errors(apart.positions.astype(np.float64), apart)
    assert np.isnan(errors.each).all()
    assert np.isnan(errors.lost).all()


def test_published_rows_are_those_of_the_law() -> None:
    assert {row.law for row in PUBLISHED} == set(LAWS)
    assert "DiT-S, 30K videos, in distribution 0.022, about 2e+18 FLOPs" in map(
        str, published_rows("uniform")
    )


def test_a_model_of_something_else_is_refused() -> None:
    with pytest.raises(UserError, match="knows no PhyWorld law; train one"):
        evaluate_phyworld("embedded", 1, 0)


def test_the_tables_of_the_page_are_those_of_the_stored_reports() -> None:
    docs = Path(__file__).parents[2] / "docs"
    stored = json.loads((docs / "results" / "phyworld.json").read_text())
    reports = [Report.from_json(json.dumps(values)) for values in stored]
    page = (docs / "phyworld.md").read_text()
    assert markdown_table(reports) in page
    assert strange_table(reports) in page
    (uniform,) = (report for report in reports if report.model.endswith("uniform"))
    first = uniform.row("velocity error", "uniform motion, along tracks | in distribution")
    assert f"{first.value:.4f}" in markdown_table(reports)

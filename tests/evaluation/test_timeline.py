from pathlib import Path

import pytest

from tenku.evaluation import Report, evaluate, long_video, sizes_and_steps, timeline
from tenku.evaluation.clip_tasks import GAP, draw_cases
from tenku.evaluation.trajectories import moving_objects


def test_something_moves_in_the_gap_of_every_case_and_cases_stay_the_same() -> None:
    first, again, other = (list(draw_cases(n, seed)) for n, seed in ((3, 0), (2, 0), (1, 1)))
    assert [case.prompt for case in first[:2]] == [case.prompt for case in again]
    assert first[0].seed != other[0].seed
    assert len(first) == 3
    assert all(moving_objects(case.clip.poses, GAP) for case in first)


@pytest.fixture(scope="module")
def report(tiny_model: Path) -> Report:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timeline, "SECONDS", 2)
        patch.setattr(timeline, "ROUNDS", 1)
        patch.setattr(sizes_and_steps, "STEPS", (4, 32))
        patch.setattr(timeline, "STEPS", (4, 32))
        patch.setattr(sizes_and_steps, "SIZES", {"9:7": (112, 144)})
        patch.setattr(timeline, "SIZES", {"9:7": (112, 144)})
        return evaluate(model=str(tiny_model), suite="timeline", n=1, seed=0)


def test_every_row_comes_with_its_interval_and_floor(report: Report) -> None:
    headlines = [row for row in report.rows if not row.group]
    names = {row.name for row in headlines}
    assert names >= {
        *("known_psnr_lost", "known_latents_changed", "continuation_true", "continuation_own"),
        *("loop_seam", "fill_trajectory", "seconds_for_2_s"),
        *("drift_delta_e", "drift_delta_e_of_mean_colour", "drift_sharpness", "drift_count"),
        *("re_extension_tenku_delta_e", "re_extension_tenku_psnr"),
        *("re_extension_mp4_delta_e", "re_extension_mp4_psnr", "aspect_ratios"),
    }
    for row in headlines:
        assert row.low <= row.value <= row.high
        assert row.n >= 1
        assert row.floor is not None
    assert Report.from_json(report.to_json()) == report


def test_nothing_that_is_known_is_lost(report: Report) -> None:
    assert report.row("known_latents_changed").value == 0
    assert report.row("known_psnr_lost", "what is known | after").value == pytest.approx(0, abs=0.01)
    assert report.row("re_extension_tenku_delta_e").value == 0
    assert report.row("re_extension_tenku_psnr").value > report.row("re_extension_mp4_psnr").value


def test_random_weights_do_not_follow_things(report: Report) -> None:
    assert report.row("fill_trajectory").value > 1
    assert report.row("fill_trajectory").floor is not None
    assert report.row("aspect_ratios").value == 0


def test_memory_is_left_out_of_a_short_run_and_said_to_be(report: Report) -> None:
    assert not any(row.name.startswith("memory") for row in report.rows)
    assert any(f"from -n {timeline.MEMORY_FROM} on" in note for note in report.notes)
    assert long_video.SECONDS == 60

import numpy as np
import pytest

from tenku.errors import UserError
from tenku.media import Video, contact_sheet


def video(num_frames: int, shade: int = 0, height: int = 32, width: int = 48) -> Video:
    frames = np.zeros((num_frames, height, width, 3), np.uint8)
    frames[..., 0] = np.arange(num_frames)[:, None, None]
    frames[..., 1] = shade
    return Video(frames, fps=16)


def test_a_row_for_each_video_and_a_column_for_each_moment() -> None:
    sheet = contact_sheet([video(17, 100), video(9, 200)], num_columns=5)
    reds = [[int(sheet[top, 20 + 50 * column, 0]) for column in range(5)] for top in (20, 20 + 34)]
    assert reds == [[0, 4, 8, 12, 16], [0, 2, 4, 6, 8]]
    assert (sheet[20, 20, 1], sheet[54, 20, 1]) == (100, 200)


def test_labels_are_written_above_their_rows() -> None:
    plain = contact_sheet([video(4), video(4)])
    labelled = contact_sheet([video(4), video(4)], ["a red ball", "红球 42%"])
    assert labelled.shape[0] == plain.shape[0] + 2 * 12
    assert (labelled[2:14, :60] == 40).any()
    assert (labelled[48:60, :60] == 40).any()


def test_a_long_label_is_cut_off() -> None:
    contact_sheet([video(2, width=16)], ["a red ball " * 50], num_columns=2)


def test_strips_stand_side_by_side() -> None:
    sheet = contact_sheet([video(3, shade) for shade in (50, 60, 70)], num_columns=2, num_strips=2)
    assert (sheet[20, 20, 1], sheet[20, 20 + 104, 1], sheet[54, 20, 1]) == (50, 60, 70)


def test_a_picture_is_shown_once() -> None:
    sheet = contact_sheet([video(1, 100)], num_columns=3)
    assert (sheet[20, 20, 1], sheet[20, 70, 1]) == (100, 250)


def test_what_cannot_be_laid_out() -> None:
    with pytest.raises(UserError, match="at least one"):
        contact_sheet([])
    with pytest.raises(UserError, match="2 labels"):
        contact_sheet([video(1), video(1)], ["one"])

"""Where things go in a gap that was filled, against the truth and against a straight line."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from tenku.evaluation.parsing import Floats, ParsedVideo
from tenku.worlds.vocabulary import Colour

LOST: Final = 1.0  # half pictures off: what an object costs in a frame in which nothing of its colour is seen
_MIN_PATH: Final = 0.3  # half pictures travelled in a gap by what moves
_INSIDE: Final = 0.95  # half pictures from the middle within which a centre is seen
_MIN_FOUND: Final = 0.5  # of the frames of a gap in which the parser must find the object in the true clip


@dataclass(frozen=True, slots=True)
class FillError:
    """Mean distance, in half pictures, of one object's centre from the truth in a gap: in the video that was
    made, along a straight line, and as the parser reads the true clip."""

    made: float
    linear: float
    parser: float


def moving_objects(poses: npt.NDArray[np.float32], gap: tuple[int, int]) -> list[int]:
    """Objects (of poses t n 11) that stay in a square picture from before a gap until after it, and move."""
    places = poses[gap[0] - 1 : gap[1] + 1, :, :2]
    paths = np.linalg.norm(np.diff(places, axis=0), axis=-1).sum(0)
    inside = (np.abs(places) < _INSIDE).all((0, 2)) & (poses[gap[0] - 1 : gap[1] + 1, :, 2] > 0).all(0)
    return [int(index) for index in np.flatnonzero(inside & (paths >= _MIN_PATH))]


def fill_errors(
    poses: npt.NDArray[np.float32],
    colours: Sequence[Colour],
    gap: tuple[int, int],
    made: ParsedVideo,
    true: ParsedVideo,
) -> list[FillError]:
    """The errors of all objects that move in a gap, in the frames where the true clip shows them."""
    errors = []
    frames = np.arange(*gap)
    for index in moving_objects(poses, gap):
        places = poses[:, index, :2].astype(np.float64) * (1, -1)
        parser = _distances(true, colours[index], places)[frames]
        found = ~np.isnan(parser)
        if found.mean() < _MIN_FOUND:
            continue
        ours = np.nan_to_num(_distances(made, colours[index], places)[frames], nan=LOST)
        line = np.linalg.norm(straight(places, gap) - places[frames], axis=1)
        errors.append(
            FillError(*(float(values[found].mean()) for values in (np.minimum(ours, LOST), line, parser)))
        )
    return errors


def straight(places: Floats, gap: tuple[int, int]) -> Floats:
    """Places (f 2) in a gap, evenly on the way from the last place before it to the first after it."""
    before, after = gap[0] - 1, gap[1]
    share = ((np.arange(*gap) - before) / (after - before))[:, None]
    line: Floats = places[before] * (1 - share) + places[after] * share
    return line


def _distances(video: ParsedVideo, colour: Colour, places: Floats) -> Floats:
    """How far from its place (t 2) the nearest thing of a colour is in each frame; no number where there is
    none."""
    alike = [thing.centre for thing in (*video.objects, *video.fleeting) if thing.colour == colour]
    if not alike:
        return np.full(len(places), np.nan)
    distances = np.linalg.norm(np.stack(alike) - places, axis=-1)
    nearest: Floats = np.where(np.isnan(distances), np.inf, distances).min(0)
    return np.where(np.isinf(nearest), np.nan, nearest)

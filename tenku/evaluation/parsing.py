"""A video read back into objects: found in each frame, followed over time, named by all frames' votes."""

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from tenku.evaluation.judge import CELL, Judge, Labels, view_of
from tenku.worlds.truth import MIN_SEEN_FRAMES, SEEN_SHARE
from tenku.worlds.vocabulary import COLOURS, SHAPES, Colour, Shape

Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]

_SURE: Final = 0.83  # mean probability of being a thing, in the better frames; what shadows never reach
_BETTER: Final = 0.75  # quantile over frames
_REACH: Final = 13.0  # pixels from the densest vote within which votes mean the same middle
_SAME_MIDDLE: Final = 11.0  # pixels; a weak second colour so near to a strong one is a part of it
_WEAK: Final = 0.34  # of the strong one's cells
_DOUBT: Final = 0.03  # of the votes of a part that are for the whole's colour
_MOST: Final = 16  # objects looked at in one frame, the largest
_MIN_CELLS: Final = 5
_MARGIN: Final = 64  # pixels outside the frame in which a middle may lie
_BIN: Final = 3  # pixels
_PACE: Final = 24.0  # pixels from where an object is expected that cost as much as half a wrong colour
_PATIENCE: Final = 0.5  # by which the pace grows with every frame that an object was not found in
_TOO_FAR: Final = 1.6
_TOUCHING: Final = 2  # cells between two objects that touch


@dataclass(frozen=True, kw_only=True, slots=True)
class ParsedObject:
    """One object over t frames.

    seen (t): large enough in that frame to count; centre (t 2): right and up from −1 to 1, its middle even
    where it is partly hidden or outside, and not a number where it was not found; area (t): share of the
    shorter side squared; box (t 4): left, bottom, right, top of what is seen, −1 to 1; change (t): mean
    change of brightness (of 255) since the frame before, over its cells. Certainties are shares of the pooled
    votes.
    """

    colour: Colour
    shape: Shape
    colour_certainty: float
    shape_certainty: float
    seen: Bools
    centre: Floats
    area: Floats
    box: Floats
    change: Floats


@dataclass(frozen=True, kw_only=True, slots=True)
class ParsedVideo:
    """What was found in t frames; touching (t n n): whose pixels lie beside each other.

    `fleeting` objects were seen too briefly to count: in two frames or more, but in fewer than a tenth.
    """

    fps: float
    aspect: float
    num_frames: int
    objects: tuple[ParsedObject, ...]
    touching: Bools
    fleeting: tuple[ParsedObject, ...] = ()


@dataclass(slots=True)
class _Found:
    """An object in one frame, in pixels of the judge's view."""

    centre: Floats
    cells: Bools  # h w
    size: int
    colour: Floats  # votes
    shape: Floats
    sure: float = 1.0  # mean probability that its cells are things

    @property
    def radius(self) -> float:
        """Of a disc of its size."""
        return CELL * float(np.sqrt(self.size / np.pi))


class _Track:
    """One object in the frames where it was found, and the votes of all of them on its colour and shape."""

    def __init__(self, frame: int, found: _Found) -> None:
        self.frames = [frame]
        self.found = [found]
        self.colour = found.colour.copy()
        self.shape = found.shape.copy()

    def add(self, frame: int, found: _Found) -> None:
        """Go on with what was found in a later frame."""
        self.frames.append(frame)
        self.found.append(found)
        self.colour += found.colour
        self.shape += found.shape

    def is_sure(self) -> bool:
        """Whether the judge was sure in its better frames: neither a shadow nor the faintest of ghosts."""
        return bool(np.quantile([found.sure for found in self.found], _BETTER) >= _SURE)

    def expected(self, frame: int) -> Floats:
        """Where the object should be by now if it went on for a while as it did."""
        last = self.found[-1].centre
        if len(self.found) < 2 or self.frames[-1] - self.frames[-2] > 2:
            return last
        pace = (last - self.found[-2].centre) / (self.frames[-1] - self.frames[-2])
        return last + pace * min(frame - self.frames[-1], 3)


def parse_video(frames: NDArray[np.uint8], judge: Judge, fps: float = 16.0) -> ParsedVideo:
    """Read frames (t h w 3) back."""
    view = view_of(torch.from_numpy(np.ascontiguousarray(frames)))
    found = [instances for labels in judge.look(view) for instances in find_objects(labels)]
    height, width = view.shape[1:3]
    luma = view.float().mean(-1)[:, ::CELL, ::CELL].numpy()
    tracks = [track for track in follow(found) if _is_seen(track, height, width) >= 2 and track.is_sure()]
    counts = [_is_seen(track, height, width) >= MIN_SEEN_FRAMES * len(view) for track in tracks]
    objects = [_as_object(track, luma, height, width) for track in tracks]
    lasting = [track for track, counted in zip(tracks, counts, strict=True) if counted]
    return ParsedVideo(
        fps=fps,
        aspect=width / height,
        num_frames=len(view),
        objects=tuple(thing for thing, counted in zip(objects, counts, strict=True) if counted),
        touching=_touching(lasting, len(view)),
        fleeting=tuple(thing for thing, counted in zip(objects, counts, strict=True) if not counted),
    )


# --- one frame ---------------------------------------------------------------------------------------------


def find_objects(labels: Labels) -> list[list[_Found]]:
    """The objects in each of n frames."""
    colours = labels.colour.softmax(1).permute(0, 2, 3, 1).numpy()
    shapes = labels.shape.softmax(1).permute(0, 2, 3, 1).numpy()
    things = labels.thing.sigmoid().numpy()
    offsets = labels.offset.permute(0, 2, 3, 1).numpy()
    return [_find(*frame) for frame in zip(things, colours, shapes, offsets, strict=True)]


def _find(thing: Floats, colour: Floats, shape: Floats, offset: Floats) -> list[_Found]:
    rows, columns = np.nonzero(thing > 0.5)
    middles = np.stack([columns, rows], 1) * CELL + offset[rows, columns]
    said = colour[rows, columns].argmax(1)
    found: list[_Found] = []
    for index in np.unique(said):
        remaining = np.flatnonzero(said == index)
        while len(remaining) >= _MIN_CELLS:
            near = _densest(middles[remaining])
            if near.sum() < _MIN_CELLS:
                break
            found.append(_gather(thing.shape, rows, columns, middles, colour, shape, remaining[near]))
            remaining = remaining[~near]
    merged = _merged(found)
    for whole in merged:
        whole.sure = float(thing[whole.cells].mean())
    return merged


def _densest(middles: Floats) -> Bools:
    """Which of the votes (k 2) lie around their densest place."""
    bins = np.clip((middles + _MARGIN) // _BIN, 0, 255).astype(np.int64)
    counts = np.bincount(bins[:, 1] * 256 + bins[:, 0], minlength=256 * 256)
    best = int(counts.argmax())
    start = middles[bins[:, 1] * 256 + bins[:, 0] == best].mean(0)
    for _ in range(2):  # a step or two uphill
        near: Bools = ((middles - start) ** 2).sum(1) < _REACH**2
        start = middles[near].mean(0)
    return np.asarray(((middles - start) ** 2).sum(1) < _REACH**2)


def _gather(
    grid: tuple[int, ...],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    middles: Floats,
    colour: Floats,
    shape: Floats,
    chosen: NDArray[np.int64],
) -> _Found:
    r, c = rows[chosen], columns[chosen]
    cells = np.zeros(grid, np.bool_)
    cells[r, c] = True
    return _Found(
        centre=np.median(middles[chosen], axis=0),
        cells=cells,
        size=len(chosen),
        colour=colour[r, c].sum(0),
        shape=shape[r, c].sum(0),
    )


def _merged(found: list[_Found]) -> list[_Found]:
    """The largest objects; parts go to the larger one to which they belong."""
    kept: list[_Found] = []
    for part in sorted(found, key=lambda item: -item.size):
        for whole in kept:
            if _belongs(part, whole):
                whole.cells |= part.cells
                whole.size += part.size
                whole.colour += part.colour
                whole.shape += part.shape
                break
        else:
            kept.append(part)
    return kept[:_MOST]


def _belongs(part: _Found, whole: _Found) -> bool:
    """Whether a smaller part is no object: a highlight or a shaded side that was given another colour.

    It shares the middle of the whole, or lies within it and its colour is in doubt.
    """
    distance = float(np.hypot(*(part.centre - whole.centre)))
    if part.size > _WEAK * whole.size or distance > max(_SAME_MIDDLE, whole.radius):
        return False
    doubt = part.colour[whole.colour.argmax()] / part.colour.sum()
    return bool(distance < _SAME_MIDDLE or doubt > _DOUBT)


# --- over time ---------------------------------------------------------------------------------------------


def follow(found: list[list[_Found]]) -> list[_Track]:
    """Join what was found in each frame into tracks; an object may be away for a while and come back."""
    tracks: list[_Track] = []
    for frame, instances in enumerate(found):
        costs = [
            (_cost(track, frame, instance), i, j)
            for i, track in enumerate(tracks)
            for j, instance in enumerate(instances)
        ]
        taken: set[int] = set()
        continued: set[int] = set()
        for cost, i, j in sorted(costs):
            if cost > _TOO_FAR:
                break
            if i not in continued and j not in taken:
                tracks[i].add(frame, instances[j])
                continued.add(i)
                taken.add(j)
        for j, instance in enumerate(instances):
            if j not in taken:
                tracks.append(_Track(frame, instance))
    return tracks


def _cost(track: _Track, frame: int, found: _Found) -> float:
    """0 for the same thing where it is expected; beyond _TOO_FAR it is another one."""
    away = frame - track.frames[-1] - 1
    # After a bounce or a hit it is nearer to where it was than to where it was going.
    ways = found.centre - np.stack([track.expected(frame), track.found[-1].centre])
    distance = float(np.hypot(ways[:, 0], ways[:, 1]).min()) / (_PACE * (1 + _PATIENCE * away))
    colour = 1 - _likeness(track.colour, found.colour)
    shape = 1 - _likeness(track.shape, found.shape)
    # Little is known of the shape of what is only just coming into the frame.
    certain = min(found.size, track.found[-1].size) / 60
    size = abs(float(np.log(found.size / track.found[-1].size)))
    return distance + 2 * colour + 0.6 * shape * min(certain, 1.0) + 0.2 * size


def _likeness(votes: Floats, others: Floats) -> float:
    """1 for votes in the same proportions, 0 for votes that have nothing in common."""
    return float(np.sqrt(votes * others).sum() / np.sqrt(votes.sum() * others.sum()))


# --- results -----------------------------------------------------------------------------------------------


def _share(found: _Found, height: int, width: int) -> float:
    return found.size * CELL**2 / min(height, width) ** 2


def _is_seen(track: _Track, height: int, width: int) -> int:
    """Frames in which it is large enough to count."""
    return sum(_share(found, height, width) >= SEEN_SHARE for found in track.found)


def _as_object(track: _Track, luma: NDArray[np.float32], height: int, width: int) -> ParsedObject:
    t = len(luma)
    seen, area, change = np.zeros(t, np.bool_), np.zeros(t), np.zeros(t)
    centre, box = np.full((t, 2), np.nan), np.full((t, 4), np.nan)
    for frame, found in zip(track.frames, track.found, strict=True):
        area[frame] = _share(found, height, width)
        seen[frame] = area[frame] >= SEEN_SHARE
        centre[frame] = _in_frame(found.centre[0], found.centre[1], height, width)
        rows, columns = np.flatnonzero(found.cells.any(1)), np.flatnonzero(found.cells.any(0))
        box[frame, :2] = _in_frame(CELL * columns[0], CELL * (rows[-1] + 1), height, width)
        box[frame, 2:] = _in_frame(CELL * (columns[-1] + 1), CELL * rows[0], height, width)
        if frame:
            change[frame] = np.abs(luma[frame] - luma[frame - 1])[found.cells].mean()
    colour, shape = track.colour / track.colour.sum(), track.shape / track.shape.sum()
    return ParsedObject(
        colour=COLOURS[int(colour.argmax())],
        shape=SHAPES[int(shape.argmax())],
        colour_certainty=float(colour.max()),
        shape_certainty=float(shape.max()),
        seen=seen,
        centre=centre,
        area=area,
        box=box,
        change=change,
    )


def _in_frame(x: float, y: float, height: int, width: int) -> tuple[float, float]:
    """Pixels from the upper left → right and up from −1 to 1."""
    return 2 * x / width - 1, 1 - 2 * y / height


def _touching(tracks: list[_Track], num_frames: int) -> Bools:
    touching = np.zeros((num_frames, len(tracks), len(tracks)), np.bool_)
    at: list[dict[int, Bools]] = [
        dict(zip(track.frames, (found.cells for found in track.found), strict=True)) for track in tracks
    ]
    for i in range(len(tracks)):
        for frame, cells in at[i].items():
            for j in range(i):
                if frame in at[j]:
                    touch = bool((_grown(cells) & at[j][frame]).any())
                    touching[frame, i, j] = touching[frame, j, i] = touch
    return touching


def _grown(cells: Bools) -> Bools:
    """Cells and those within _TOUCHING of them along rows and columns."""
    padded = np.pad(cells, _TOUCHING)
    height, width = cells.shape
    grown = np.zeros_like(cells)
    for shift in range(2 * _TOUCHING + 1):
        grown |= padded[shift : shift + height, _TOUCHING : _TOUCHING + width]
        grown |= padded[_TOUCHING : _TOUCHING + height, shift : shift + width]
    return grown

"""What a prompt of the language suite asks for, and whether a parsed video shows it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from tenku.evaluation.events import begins
from tenku.evaluation.parsing import Floats, ParsedVideo
from tenku.evaluation.scoring import Check, match_objects, score
from tenku.worlds.description import Event, SceneDescription
from tenku.worlds.vocabulary import CameraMove, Colour, RelationKind, Shape

Place = RelationKind | Literal["on_top_of"]
Match = Sequence[int | None]

_BESIDE: Final = 0.05  # half pictures by which one middle must lie beside another
_ZOOM: Final = 0.12  # by which the logarithm of a thing's area must change from the first to the last quarter
_PARALLAX: Final = 0.1  # half pictures by which near things must drift past far ones


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What must be true of a video: the things of a description and what they do, and what else is said.

    Objects are told by their index in the description. `relation` says how the first stands to the second;
    `order`, which of two events comes first; `absent`, colours and shapes (None: any) of which nothing may be
    seen; `never`, what an object must not do. With `sizes`, large things are to be larger than small ones.
    """

    description: SceneDescription
    relation: tuple[Place, int, int] | None = None
    order: tuple[tuple[int, Event], tuple[int, Event]] | None = None
    camera: CameraMove | None = None
    absent: tuple[Colour | None, Shape | None] | None = None
    never: tuple[int, Event] | None = None
    sizes: bool = False


def checks(wanted: Wanted, video: ParsedVideo) -> tuple[Check, ...]:
    """Everything that is asked, as yes or no: first what the prompts suite asks of a description."""
    return (*score(wanted.description, video), *_more(wanted, video))


def _more(wanted: Wanted, video: ParsedVideo) -> Iterator[Check]:
    match = match_objects(wanted.description, video)
    count = len(wanted.description.objects)

    def check(measure: str, right: bool) -> Check:
        return Check(measure=measure, right=right, count=count)

    if wanted.relation is not None:
        yield check("relation", _stand(wanted.relation, match, video))
    if wanted.order is not None:
        yield check("order", _in_order(wanted.order, match, video))
    if wanted.camera is not None:
        yield check("camera", camera_seen(video) == wanted.camera)
    if wanted.absent is not None:
        colour, shape = wanted.absent
        there = any(
            colour in (None, thing.colour) and shape in (None, thing.shape) for thing in video.objects
        )
        yield check("absent", not there)
    if wanted.never is not None:
        index, event = wanted.never
        actor = match[index]
        yield check("never", actor is not None and begins(event, video, actor) is None)
    if wanted.sizes:
        yield from (check("size", right) for right in _sizes(wanted.description, match, video))


def _stand(relation: tuple[Place, int, int], match: Match, video: ParsedVideo) -> bool:
    place, (i, j) = relation[0], (match[relation[1]], match[relation[2]])
    if i is None or j is None:
        return False
    first, second = video.objects[i], video.objects[j]
    both = first.seen & second.seen
    if not both.any():
        return False
    right, up = np.median((first.centre - second.centre)[both], axis=0)
    match place:
        case "left_of":
            return bool(right < -_BESIDE)
        case "right_of":
            return bool(right > _BESIDE)
        case "on_top_of":
            left, bottom, right_end, top = np.median(second.box[both], axis=0)
            middle = np.median(first.centre[both, 0])
            foot = np.median(first.box[both, 1])
            return bool(left < middle < right_end and foot > (bottom + top) / 2 and up > 0)
        case _:  # what stands nearer to the camera stands lower in the picture
            lower = float(np.median((first.box - second.box)[both, 1]))
            return lower < 0 if place == "in_front_of" else lower > 0


def _in_order(order: tuple[tuple[int, Event], tuple[int, Event]], match: Match, video: ParsedVideo) -> bool:
    frames = []
    for index, event in order:
        actor, target = match[index], None if event.target is None else match[event.target]
        if actor is None:
            return False
        frames.append(begins(event, video, actor, target))
    first, second = frames
    return first is not None and second is not None and first < second


def camera_seen(video: ParsedVideo) -> CameraMove | None:
    """How the camera moves around things that stand still; None if that cannot be told.

    All of them grow or shrink where it comes nearer or goes away; near ones drift past far ones, against its
    own way, where it circles around them.
    """
    quarter = max(1, video.num_frames // 4)
    lasting = [thing for thing in video.objects if thing.seen[:quarter].any() and thing.seen[-quarter:].any()]
    if not lasting:
        return None
    growth = [float(np.log(_late(thing.area, quarter) / _early(thing.area, quarter))) for thing in lasting]
    if min(growth) > _ZOOM:
        return "moves_in"
    if max(growth) < -_ZOOM:
        return "moves_out"
    by_nearness = sorted(lasting, key=lambda thing: float(np.nanmedian(thing.box[:, 1])))
    apart = by_nearness[0].centre[:, 0] - by_nearness[-1].centre[:, 0]
    known = ~np.isnan(apart)
    if len(lasting) < 2 or not known[:quarter].any() or not known[-quarter:].any():
        return None
    drift = _late(apart, quarter) - _early(apart, quarter)
    if abs(drift) < _PARALLAX:
        return "still"
    return "orbits_left" if drift > 0 else "orbits_right"


def _early(values: Floats, quarter: int) -> float:
    return float(np.nanmean(values[:quarter]))


def _late(values: Floats, quarter: int) -> float:
    return float(np.nanmean(values[-quarter:]))


def _sizes(description: SceneDescription, match: Match, video: ParsedVideo) -> Iterator[bool]:
    """Whether each thing that is called large fills more of the picture than each that is called small."""
    areas = [None if i is None else float(video.objects[i].area.max()) for i in match]
    things = list(zip(description.objects, areas, strict=True))
    for large, first in things:
        for small, second in things:
            if large.size == "large" and small.size == "small":
                yield first is not None and second is not None and first > second

"""Whether a parsed object does what was said of it, from nothing but its path in the picture.

Paths are measured in half pictures (the frame is −1 to 1) and, for what moves on the floor, in metres on a
floor seen by a camera in the middle of the worlds' range; both are exact enough for yes and no.
"""

from typing import Final

import numpy as np

from tenku.evaluation.parsing import Floats, ParsedObject, ParsedVideo
from tenku.worlds.camera import CameraPath, CameraPose
from tenku.worlds.description import Event
from tenku.worlds.vocabulary import Direction

_CAMERA: Final = CameraPose(azimuth=np.pi / 2, elevation=np.deg2rad(25.0), distance=4.75, target_height=0.525)
_MIDDLE_HEIGHT: Final = 0.3  # m above the floor, of what rolls and slides

_MIN_DROP: Final = 0.12
_DROP_SECONDS: Final = 0.25
_MIN_RISE: Final = 0.045
_RISE_SECONDS: Final = 0.32
_MIN_TRAVEL: Final = 0.25  # m
_MAX_STILL: Final = 0.03
_MAX_SPIN_DRIFT: Final = 0.09
_MIN_SPIN_CHANGE: Final = 2.0  # of 255
_MIN_KICK: Final = 0.12  # half pictures a second
_KICK_FRAMES: Final = 2


def happens(event: Event, video: ParsedVideo, actor: int, target: int | None = None) -> bool:
    """Whether object `actor` of the video does what the event says (hits: to object `target`).

    falls: its middle drops by 0.12 of half a picture within a quarter of a second. bounces: it goes down and
    then up by 0.045 within 0.32 s. rolls_in, slides_in: it travels 0.25 m over the floor, across or along as
    its direction asks (`comes_from` says from which side). hits: the two are seen to touch, and one of them
    changes its velocity then. rests: nine tenths of the time its middle stays within 0.03 of one place.
    spins: its middle stays, its looks change. Rests and spins are to be asked of a still camera only.
    """
    thing = video.objects[actor]
    match event.kind:
        case "falls":
            return _drop(thing, video.fps) >= 0
        case "bounces":
            return _rebound(thing, video.fps) >= 0
        case "rolls_in" | "slides_in":
            axis = 0 if event.direction in ("left", "right") else 1
            return abs(float(_travelled(thing, video.aspect)[axis])) >= _MIN_TRAVEL
        case "rests":
            return _spread(thing, 0.9) < _MAX_STILL
        case "spins":
            changed = float(np.median(thing.change[1:][thing.seen[1:]])) if thing.seen[1:].any() else 0.0
            return _spread(thing, 0.7) < _MAX_SPIN_DRIFT and changed > _MIN_SPIN_CHANGE
        case "hits":
            return target is not None and _collision(video, actor, target) is not None


def begins(event: Event, video: ParsedVideo, actor: int, target: int | None = None) -> int | None:
    """The first frame in which object `actor` is seen to do what the event says; None if it does not.

    What comes in does so when it is first seen; what rests or spins, does so from then on too.
    """
    if not happens(event, video, actor, target):
        return None
    thing = video.objects[actor]
    first = int(np.flatnonzero(~np.isnan(thing.centre[:, 0]))[0])
    match event.kind:
        case "falls":
            return first + _drop(thing, video.fps)
        case "bounces":
            return first + _rebound(thing, video.fps)
        case "hits":
            assert target is not None  # else it would not happen
            return _collision(video, actor, target)
        case _:
            return first


def comes_from(thing: ParsedObject, aspect: float, until: int | None = None) -> Direction | None:
    """The side from which it travels over the floor, by the rule of the simulator; None if it stays."""
    across, along = _travelled(thing, aspect, until)
    if np.hypot(across, along) < _MIN_TRAVEL:
        return None
    if abs(across) > abs(along):
        return "left" if across > 0 else "right"
    return "front" if along > 0 else "back"


def first_touch(video: ParsedVideo, actor: int, target: int) -> int | None:
    """The first frame in which the two are seen to touch."""
    frames = np.flatnonzero(video.touching[:, actor, target])
    return int(frames[0]) if len(frames) else None


def on_floor(centre: Floats, aspect: float) -> Floats:
    """Metres to the right and away (… 2) of middles seen at (… 2), −1 to 1."""
    cameras = CameraPath.still(_CAMERA).cameras(1, aspect)
    right, up, forward = cameras.axes[0]
    half = np.array([cameras.tan_half_height * aspect, cameras.tan_half_height])
    rays = forward + (centre * half) @ np.stack([right, up])
    down = np.minimum(rays[..., 2:], -0.08)  # what is above the horizon counts as far away
    points = cameras.positions[0] + rays * (_MIDDLE_HEIGHT - cameras.positions[0][2]) / down
    floor: Floats = points[..., :2]
    return floor


def _path(thing: ParsedObject) -> Floats:
    """Middles (k 2) in the frames where it was found, gaps closed by straight lines."""
    known = np.flatnonzero(~np.isnan(thing.centre[:, 0]))
    frames = np.arange(known[0], known[-1] + 1)
    return np.stack([np.interp(frames, known, thing.centre[known, axis]) for axis in range(2)], 1)


def _drop(thing: ParsedObject, fps: float) -> int:
    """Where on its path it begins to drop far enough; −1 if it does not."""
    height = _path(thing)[:, 1]
    window = max(1, round(_DROP_SECONDS * fps))
    drops = (height[i] - height[i : i + window + 1].min() >= _MIN_DROP for i in range(len(height)))
    return next((i for i, drop in enumerate(drops) if drop), -1)


def _rebound(thing: ParsedObject, fps: float) -> int:
    """Where on its path it turns from going down to going up; −1 if it does not."""
    height = _path(thing)[:, 1]
    window = max(1, round(_RISE_SECONDS * fps))
    for i in range(1, len(height) - 1):
        low = height[i]
        before, after = height[max(0, i - window) : i], height[i + 1 : i + 1 + window]
        if before.max() - low >= _MIN_RISE and after.max() - low >= _MIN_RISE:
            return i
    return -1


def _travelled(thing: ParsedObject, aspect: float, until: int | None = None) -> Floats:
    """Metres to the right and away from where it was first seen to the farthest place on its way."""
    seen = np.flatnonzero(thing.seen)
    if until is not None and (seen <= until).sum() >= 2:
        seen = seen[seen <= until]
    places = on_floor(thing.centre[seen], aspect)
    ways = places - places[0]
    farthest: Floats = ways[int(np.hypot(ways[:, 0], ways[:, 1]).argmax())]
    return farthest


def _spread(thing: ParsedObject, share: float) -> float:
    """Distance from its usual place within which it stays for a share of the frames."""
    places = thing.centre[thing.seen]
    return float(np.quantile(np.linalg.norm(places - np.median(places, axis=0), axis=1), share))


def _collision(video: ParsedVideo, actor: int, target: int) -> int | None:
    """The first frame in which one of the two gets a kick while they touch; None if neither does."""
    frames = np.flatnonzero(video.touching[:, actor, target]).tolist()
    kicked = (f for f in frames if max(_kick(video, actor, f), _kick(video, target, f)) >= _MIN_KICK)
    return next(kicked, None)


def _kick(video: ParsedVideo, index: int, frame: int) -> float:
    """By how much a velocity (half pictures a second) changes around a frame."""
    centre = video.objects[index].centre
    first, last = frame - _KICK_FRAMES, frame + _KICK_FRAMES
    if first < 0 or last >= len(centre):
        return 0.0
    change = (centre[last] - 2 * centre[frame] + centre[first]) / _KICK_FRAMES * video.fps
    return float(np.nan_to_num(np.hypot(*change)))

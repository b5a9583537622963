"""Every task as a timeline, a builder each. All lengths are in latent frames; `tasks` takes seconds.

Known footage that does not open a timeline has its first frame at the end of a group of frames, a joint: the
others of the group are made anew, and everything after it is kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import torch
from torch import Tensor

from tenku.denoiser import TrackConfig, unpack
from tenku.timeline.footage import Footage
from tenku.timeline.timeline import PromptSpan, Timeline
from tenku.timeline.tracks import best_rows

_LOOKED_AHEAD = 2  # latent frames after a loop's seam that its bridge leads into


def animated(first: Footage, num_latent_frames: int, prompt: str, last: Footage | None = None) -> Timeline:
    """Picture → video: the first frame is known, and perhaps the last."""
    canvas = _Canvas.like(first, num_latent_frames, last)
    canvas.put(first, 0)
    if last is not None:
        canvas.put(_with_rows_of(first, last).first(1), num_latent_frames - 1, still=True)
    canvas.make_room()
    timeline = canvas.timeline((PromptSpan(prompt, 0, num_latent_frames),))
    if first.picture is None or (last is not None and last.picture is None):
        return timeline
    end = first.frames_per_latent * (num_latent_frames - 1)
    ends = (
        (0, first.picture),
        *(((end, last.picture),) if last is not None and last.picture is not None else ()),
    )
    return replace(timeline, pictures=ends)


def extended(footage: Footage, before: int, after: int, prompt: str) -> Timeline:
    """So much comes before a clip, and so much after it."""
    length = footage.num_latent_frames
    canvas = _Canvas.like(footage, before + length + after)
    canvas.put(footage, before)
    prompts = list(_moved(footage.prompts, before))
    if before:
        prompts.insert(0, PromptSpan(prompt, 0, before))
    if after:
        prompts.append(PromptSpan(prompt, before + length, before + length + after))
    return canvas.timeline(tuple(prompts), _moved_cuts(footage, before))


def filled(footage: Footage, start: int, stop: int, prompt: str) -> Timeline:
    """Latent frames start ≤ t < stop of a clip are made anew."""
    length = footage.num_latent_frames
    if not 0 <= start < stop <= length:
        raise ValueError(f"a gap from {start} to {stop} does not lie in a clip of {length} latent frames")
    canvas = _Canvas.like(footage, length)
    canvas.put(footage, 0)
    canvas.free(start, stop)
    return canvas.timeline((PromptSpan(prompt, 0, length),), footage.cuts)


def looped(footage: Footage, bridge: int, prompt: str) -> Timeline:
    """A clip, and a bridge from its end to its start: `loop_frames` says how many frames are shown.

    The frame that the first latent frame stands for is not of the loop, which closes into the group after it:
    there is motion to close into. A picture has none, and its loop closes into itself.
    """
    if bridge < 1:
        raise ValueError("a loop needs at least one latent frame to come back in")
    length = footage.num_latent_frames
    ahead = min(_LOOKED_AHEAD, length - 1)
    canvas = _Canvas.like(footage, length + bridge + ahead)
    canvas.put(footage, 0)
    if ahead:
        canvas.put(footage.first(1 + ahead).after(1), length + bridge, still=True)
    else:
        canvas.put(footage, bridge)
    prompts = (*footage.prompts, PromptSpan(prompt, length, canvas.num_latent_frames))
    return replace(canvas.timeline(prompts, footage.cuts), first_frame=1 if ahead else 0)


def loop_frames(footage: Footage, bridge: int) -> int:
    """How many frames of a `looped` timeline are shown: up to the last before the first comes again."""
    return footage.frames_per_latent * (footage.num_latent_frames - 1 + bridge)


def blended(first: Footage, second: Footage, overlap: int) -> Timeline:
    """One clip turns into another while both go on, for so long."""
    if first.latents.shape[3:] != second.latents.shape[3:]:
        raise ValueError("two clips must be of one size to be blended")
    if not 1 <= overlap <= min(first.num_latent_frames, second.num_latent_frames):
        raise ValueError(f"the clips are too short to overlap for {overlap} latent frames")
    second = _with_rows_of(first, second)
    start, stop = first.num_latent_frames - overlap, first.num_latent_frames
    canvas = _Canvas.like(first, stop + second.num_latent_frames - overlap, second)
    canvas.put(second, start, still=True)
    canvas.put(first, 0)
    share = (torch.arange(overlap) + 0.5) / overlap
    share = share * share * (3 - 2 * share)  # sets off and arrives gently
    ours, theirs = first.latents[:, :, start:], second.latents[:, :, :overlap]
    canvas.latents[:, :, start:stop] = torch.lerp(ours, theirs, share[:, None, None])
    canvas.noise_floor[:, start:stop] = (4 * share * (1 - share)).sqrt()[:, None, None]
    if first.tracks is not None and second.tracks is not None:
        one, other = first.tracks[:, :, start:], second.tracks[:, :, :overlap]
        canvas.tracks[:, :, start:stop] = _crossing(one, other, share[:, None])
    prompts = (*first.first(start).prompts, *_moved(second.prompts, start)) if start else second.prompts
    cuts = [cut for cut in first.cuts if cut < start] + [cut + start for cut in second.cuts if cut >= overlap]
    return canvas.timeline(prompts, tuple(cuts))


def remixed(footage: Footage, strength: float, prompt: str) -> Timeline:
    """A clip made again with so much freedom: 0 changes nothing, 1 keeps nothing."""
    length = footage.num_latent_frames
    canvas = _Canvas.like(footage, length)
    canvas.put(footage, 0)
    canvas.noise_floor[:] = strength
    canvas.track_floor[:] = strength
    return canvas.timeline((PromptSpan(prompt, 0, length),), footage.cuts)


def edited(footage: Footage, mask: Tensor, strength: float, prompt: str) -> Timeline:
    """A clip of which only what lies under a mask (h w) of latent positions may change, with so much freedom.

    Objects whose middle lies under it for most of the time are planned anew, and others may come.
    """
    length = footage.num_latent_frames
    canvas = _Canvas.like(footage, length)
    canvas.put(footage, 0)
    canvas.noise_floor = canvas.noise_floor.expand(-1, -1, *mask.shape).clone()
    canvas.noise_floor[:] = strength * (mask > 0).float()
    if footage.tracks is not None and footage.track_config is not None:
        free = _under(footage.tracks, mask, footage.track_config) | (footage.tracks[:, 0, :, :-1] == 0).all(1)
        canvas.track_floor[..., :-1] = strength * free.float()[:, None]
    return canvas.timeline((PromptSpan(prompt, 0, length),), footage.cuts)


@dataclass(frozen=True, slots=True)
class Shot:
    """One shot of a storyboard: its length, what is said of it, footage that it opens with, and over how many
    latent frames the shot before dissolves into it, or whether it `continues` that one without a cut."""

    num_latent_frames: int
    prompt: str
    opening: Footage | None = None
    dissolve: int = 0
    continues: bool = False


def storyboard(shots: Sequence[Shot], blank: Timeline) -> Timeline:
    """Shots one after the other, as long as a blank timeline is."""
    starts = [0, *accumulate(shot.num_latent_frames for shot in shots)]
    if starts[-1] != blank.num_latent_frames:
        raise ValueError(f"shots of {starts[-1]} latent frames do not fill {blank.num_latent_frames}")
    prompts = tuple(
        PromptSpan(shot.prompt, start, start + shot.num_latent_frames)
        for start, shot in zip(starts, shots, strict=False)
    )
    new_shots = [
        (start, shot) for start, shot in zip(starts[1:], shots[1:], strict=False) if not shot.continues
    ]
    cuts, dissolves = tuple(start for start, _ in new_shots), tuple(shot.dissolve for _, shot in new_shots)
    openings = [shot.opening for shot in shots if shot.opening is not None]
    if not openings:
        return replace(blank, prompts=prompts, cuts=cuts, dissolves=dissolves)
    canvas = _Canvas.like(openings[0], starts[-1], *openings[1:])
    for start, shot in zip(starts, shots, strict=False):
        if shot.opening is not None:
            canvas.put(shot.opening.first(shot.num_latent_frames), start, still=not shot.continues)
    return replace(canvas.timeline(prompts, cuts), dissolves=dissolves)


class _Canvas:
    """A timeline in the making: everything is free until something is put there."""

    def __init__(self, latents: Tensor, tracks: Tensor) -> None:
        t = latents.shape[2]
        self.latents, self.tracks = latents, tracks
        self.noise_floor, self.track_floor = torch.ones(1, t, 1, 1), torch.ones(1, t, tracks.shape[3])
        self._has_tracks = False
        self._joints: list[int] = []

    @classmethod
    def like(cls, footage: Footage, length: int, *others: Footage | None) -> "_Canvas":
        b, c, _, h, w = footage.latents.shape
        tracks = [part.tracks for part in (footage, *others) if part is not None and part.tracks is not None]
        channels, rows = tracks[0].shape[1::2] if tracks else (1, 1)
        return cls(torch.zeros(b, c, length, h, w), torch.zeros(b, channels, length, rows))

    @property
    def num_latent_frames(self) -> int:
        return self.latents.shape[2]

    def put(self, footage: Footage, at: int, *, still: bool = False) -> None:
        """Footage is known from `at` on; its first frame, if it is not to stand still, at a joint."""
        skipped = 0 if at == 0 or still else 1
        if skipped:
            self.latents[:, :, at] = footage.latents[:, :, 0]
            if footage.tracks is not None:
                self.tracks[:, :, at] = footage.tracks[:, :, 0]
            self._joints.append(at)
        there = slice(at + skipped, at + footage.num_latent_frames)
        self.latents[:, :, there] = footage.latents[:, :, skipped:]
        self.noise_floor[:, there] = 0
        if footage.tracks is not None:
            self._has_tracks = True
            self.tracks[:, :, there] = footage.tracks[:, :, skipped:]
            self.track_floor[:, there] = 0

    def make_room(self) -> None:
        """What is not seen in a row of known tracks may still come there."""
        seen = (self.tracks[:, 0] * (self.track_floor == 0)).amax(1, keepdim=True) > 0
        self.track_floor = torch.where(seen, self.track_floor, 1.0)

    def free(self, start: int, stop: int) -> None:
        """Nothing is known here any more."""
        self.noise_floor[:, start:stop] = 1
        self.track_floor[:, start:stop] = 1

    def timeline(self, prompts: tuple[PromptSpan, ...], cuts: tuple[int, ...] = ()) -> Timeline:
        joints = tuple(self._joints)
        timeline = Timeline(self.latents, self.noise_floor, prompts, cuts=cuts, joints=joints)
        if not self._has_tracks:
            return timeline
        return replace(timeline, tracks=self.tracks, track_floor=self.track_floor)


def _moved(prompts: Sequence[PromptSpan], by: int) -> tuple[PromptSpan, ...]:
    return tuple(replace(span, start=span.start + by, stop=span.stop + by) for span in prompts)


def _moved_cuts(footage: Footage, by: int) -> tuple[int, ...]:
    return tuple(cut + by for cut in footage.cuts)


def _with_rows_of(first: Footage, second: Footage) -> Footage:
    """The second with the objects that look most like the first's in the same rows."""
    if first.tracks is None or second.tracks is None:
        return second
    assert first.track_config is not None  # they have tracks
    thing = first.track_config.thing
    ours, theirs = (tracks[0, thing, :, :-1].mean(1) for tracks in (first.tracks, second.tracks))
    fit = theirs.T @ ours
    return replace(second, tracks=second.tracks[..., [*best_rows(fit), len(fit)]])


def _crossing(ours: Tensor, theirs: Tensor, share: Tensor) -> Tensor:
    """Tracks (1 n t o) that turn into others; what one of both lacks stands where the other has it, and fades
    in or out."""
    there = (ours[:, :1] > 0, theirs[:, :1] > 0)
    mixed = torch.lerp(torch.where(there[0], ours, theirs), torch.where(there[1], theirs, ours), share)
    mixed[:, 0] = torch.lerp(ours[:, 0], theirs[:, 0], share)
    return mixed


def _under(packed: Tensor, mask: Tensor, config: TrackConfig) -> Tensor:
    """Which objects (b o) have their middle under a mask (h w) for most of the time."""
    tracks = unpack(packed, config)
    places = tracks.boxes[:, :, :, -1, :2]  # b t o 2
    height, width = mask.shape
    step = 2 / min(height, width)
    across = (places[..., 0] / step + width / 2).floor().long()
    down = (places[..., 1] / step + height / 2).floor().long()
    inside = (across >= 0) & (across < width) & (down >= 0) & (down < height)
    under = mask[down.clamp(0, height - 1), across.clamp(0, width - 1)] > 0
    covered = (under & inside).float() * tracks.present
    return covered.mean(1) > 0.5 * tracks.present.mean(1).clamp_min(1e-6)

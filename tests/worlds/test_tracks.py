"""Boxes are held against what is rendered: they come from geometry, the segmentation from tracing rays."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tenku.worlds import SimulatedClip, Truth, WorldConfig, simulate_clip
from tenku.worlds.shapes import Floats, dimensions, reach
from tenku.worlds.tracks import TRACK_DISTANCE
from tenku.worlds.truth import bounding_boxes
from tenku.worlds.vocabulary import SHAPES

ALONE = WorldConfig(object_counts={1: 1.0}, cut_probability=0.0)
CUT = WorldConfig(cut_probability=1.0)


def in_pixels(boxes: NDArray[np.float32], height: int, width: int) -> Floats:
    """Left, top, right, bottom (… 4) of boxes (… 5) in pixels."""
    x, y, across, down, _ = np.moveaxis(boxes.astype(float), -1, 0)
    edges = np.stack([x - across / 2, y - down / 2, x + across / 2, y + down / 2], -1)
    pixels: Floats = np.array([width, height, width, height]) / 2 + edges * min(height, width) / 2
    return pixels


def shots(clip: SimulatedClip) -> Iterator[tuple[Truth, NDArray[np.float32]]]:
    """The truth about each shot and the boxes (t n 5) of its objects, in their frames."""
    truth, frame, first = clip.truth, 0, 0
    while truth is not None:
        t, n = truth.trajectory.num_frames, len(truth.described)
        yield truth, clip.boxes[frame : frame + t, first : first + n]
        truth, frame, first = truth.next_shot, frame + t, first + n
    assert clip.boxes.shape == (frame, first, 5)


def seen_boxes(truth: Truth) -> Floats:
    """Pixel boxes (t n 4) around what is seen of the described objects."""
    return truth.boxes[:, list(truth.described)].astype(float)


def whole(seen: Floats, height: int, width: int) -> NDArray[np.bool_]:
    """Where (t n) something is seen and does not touch the frame."""
    left, top, right, bottom = np.moveaxis(seen, -1, 0)
    inside: NDArray[np.bool_] = (left > 0) & (top > 0) & (right < width) & (bottom < height) & (right > 0)
    return inside


@pytest.mark.parametrize(("height", "width"), [(128, 128), (96, 160), (160, 96)])
def test_boxes_lie_around_what_is_rendered(height: int, width: int) -> None:
    errors = defaultdict(list)
    for seed in range(50):
        clip = simulate_clip(seed, num_frames=9, height=height, width=width, world=ALONE, with_truth=True)
        ((truth, boxes),) = shots(clip)
        seen = seen_boxes(truth)
        error = np.abs(in_pixels(boxes, height, width) - seen).max(-1)
        errors[clip.description.objects[0].shape] += error[whole(seen, height, width)].tolist()
    assert set(errors) == set(SHAPES)
    for shape, found in errors.items():
        assert len(found) >= 5
        assert np.median(found) < 2.5, shape
    # The near side of what is large and close looks larger than a box at the depth of its middle.
    everything = np.concatenate(list(errors.values()))
    assert np.quantile(everything, 0.95) < 4.5
    assert everything.max() < 10


def test_boxes_belong_to_the_described_objects_in_their_order(clips: list[SimulatedClip]) -> None:
    """Boxes hold hidden parts too, so what is seen of an object lies in its box, and often fills it."""
    close = 0
    for clip in clips:
        for truth, boxes in shots(clip):
            seen, held = seen_boxes(truth), np.clip(in_pixels(boxes, 64, 64), 0, 64)
            visible = seen[..., 2] > 0
            assert (held[visible][:, :2] < seen[visible][:, :2] + 5).all()
            assert (held[visible][:, 2:] > seen[visible][:, 2:] - 5).all()
            close += int((np.abs(held - seen).max(-1) < 1.5)[visible].sum())
    assert close > 3000


def test_what_is_out_of_sight_has_its_box_outside() -> None:
    outside, entering = 0, replace(ALONE, behaviours={"rolls_in": 1.0, "slides_in": 1.0, "falls": 1.0})
    for seed in range(30):
        clip = simulate_clip(seed, height=64, width=64, world=entering, with_truth=True)
        ((truth, boxes),) = shots(clip)
        gone = truth.visible_pixels[:, truth.described[0]] == 0
        left, top, right, bottom = np.moveaxis(in_pixels(boxes[:, 0], 64, 64), -1, 0)
        overlap = np.minimum(np.minimum(right, 64 - left), np.minimum(bottom, 64 - top))
        assert (overlap[gone] < 2).all()
        assert (overlap[~gone] > 0).all()
        outside += int(gone.sum())
    assert outside > 5


def test_depth_is_that_of_the_rendering() -> None:
    for seed in range(10):
        clip = simulate_clip(seed, num_frames=9, height=64, width=64, world=ALONE, with_truth=True)
        ((truth, boxes),) = shots(clip)
        for frame in range(9):
            mask = truth.segmentation[frame] == truth.described[0]
            if mask.sum() > 60:
                nearest = float(truth.depth[frame][mask].min())
                assert -0.05 < TRACK_DISTANCE * np.exp(boxes[frame, 0, 4]) - nearest < 0.8


def test_a_mirrored_clip_has_mirrored_boxes() -> None:
    errors: list[float] = []
    for seed in range(15):
        clip = simulate_clip(seed, num_frames=5, height=96, width=128, world=ALONE, with_truth=True)
        ((truth, boxes),) = shots(clip)
        mirrored = boxes * np.float32([-1, 1, 1, 1, 1])
        flipped = bounding_boxes(truth.segmentation[:, :, ::-1], 1).astype(float)
        inside = whole(flipped, 96, 128)
        errors += np.abs(in_pixels(mirrored, 96, 128) - flipped)[inside].max(-1).tolist()
    assert len(errors) > 20
    assert np.median(errors) < 2


def test_boxes_are_zero_while_another_shot_is_on() -> None:
    for seed in range(6):
        clip = simulate_clip(seed, height=32, width=32, world=CUT, with_truth=True)
        assert clip.truth is not None
        assert clip.description.next_shot is not None
        cut, first = clip.truth.trajectory.num_frames, len(clip.description.objects)
        second = len(clip.description.next_shot.objects)
        assert clip.boxes.shape == (33, first + second, 5)
        on = np.zeros((33, first + second), bool)
        on[:cut, :first] = on[cut:, first:] = True
        assert (clip.boxes[~on] == 0).all()
        assert (clip.boxes[on][:, 2:4] > 0).all()


@pytest.mark.parametrize(("small", "large"), [((64, 64), (128, 128)), ((48, 80), (96, 160))])
def test_boxes_do_not_depend_on_the_number_of_pixels(small: tuple[int, int], large: tuple[int, int]) -> None:
    for seed in range(4):
        one, two = (simulate_clip(seed, num_frames=5, height=h, width=w) for h, w in (small, large))
        assert one.description.objects == two.description.objects
        assert np.allclose(one.boxes, two.boxes, atol=1e-5)


def test_a_picture_has_boxes_too() -> None:
    clip = simulate_clip(3, num_frames=1, height=64, width=64)
    assert clip.boxes.shape == (1, len(clip.description.objects), 5)
    assert clip.boxes.dtype == np.float32


def circle(radius: float, height: float) -> Floats:
    angle = np.linspace(0, 2 * np.pi, 721)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), np.full_like(angle, height)], -1)


def test_solids_reach_as_far_as_their_farthest_point() -> None:
    directions = np.random.default_rng(0).normal(size=(200, 3))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    extent = 0.7
    corners: dict[Any, Floats] = {}
    a, _, _ = dimensions("cube", extent)
    corners["cube"] = a * np.stack(np.meshgrid(*[[-1, 1]] * 3), -1).reshape(-1, 3)
    a, b, _ = dimensions("cylinder", extent)
    corners["cylinder"] = np.concatenate([circle(a, b), circle(a, -b)])
    a, b, _ = dimensions("cone", extent)
    corners["cone"] = np.concatenate([circle(0, 0.75 * b), circle(a, -0.25 * b)])
    a, b, _ = dimensions("capsule", extent)
    ends = np.concatenate([circle(0, b), circle(0, -b)])
    for shape, points in corners.items():
        farthest = (directions @ points.T).max(-1)
        assert np.allclose(reach(shape, extent, directions), farthest, atol=1e-4), shape
    assert np.allclose(reach("capsule", extent, directions), (directions @ ends.T).max(-1) + a)
    a, b, _ = dimensions("ring", extent)
    assert np.allclose(
        reach("ring", extent, directions), (directions @ circle(a, 0).T).max(-1) + b, atol=1e-4
    )
    a, _, _ = dimensions("sphere", extent)
    assert np.allclose(reach("sphere", extent, directions), a)

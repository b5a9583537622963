"""Boxes are held against what is rendered: they come from geometry, the segmentation from tracing rays.

Axes and settings are held against the scene and the trajectory that they come from.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tenku.worlds import SimulatedClip, Truth, WorldConfig, simulate_clip
from tenku.worlds.shapes import Floats, dimensions, reach
from tenku.worlds.tracks import (
    CAMERA_SIZE,
    POSE_SIZE,
    SETTING_SIZE,
    SURROUNDINGS,
    TRACK_DISTANCE,
    setting,
    track,
)
from tenku.worlds.truth import bounding_boxes
from tenku.worlds.vocabulary import FLOORS, SHAPES

ALONE = WorldConfig(object_counts={1: 1.0}, cut_probability=0.0)
CUT = WorldConfig(cut_probability=1.0)
RESTING = WorldConfig(behaviours={"rests": 1.0}, hit_probability=0.0, cut_probability=0.0)
GLIDING = WorldConfig(camera_move_probability=1.0, cut_probability=0.0)


def in_pixels(boxes: NDArray[np.float32], height: int, width: int) -> Floats:
    """Left, top, right, bottom (… 4) of boxes, with which poses (… 11) begin, in pixels."""
    x, y, across, down = np.moveaxis(boxes[..., :4].astype(float), -1, 0)
    edges = np.stack([x - across / 2, y - down / 2, x + across / 2, y + down / 2], -1)
    pixels: Floats = np.array([width, height, width, height]) / 2 + edges * min(height, width) / 2
    return pixels


def shots(clip: SimulatedClip) -> Iterator[tuple[Truth, NDArray[np.float32]]]:
    """The truth about each shot and the poses (t n 11) of its objects, in their frames."""
    truth, frame, first = clip.truth, 0, 0
    while truth is not None:
        t, n = truth.trajectory.num_frames, len(truth.described)
        yield truth, clip.poses[frame : frame + t, first : first + n]
        truth, frame, first = truth.next_shot, frame + t, first + n
    assert clip.poses.shape == (frame, first, POSE_SIZE)


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
    errors: dict[str, list[float]] = defaultdict(list)
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
        mirrored = boxes[..., :5] * np.array([-1, 1, 1, 1, 1], np.float32)
        flipped = bounding_boxes(truth.segmentation[:, :, ::-1], 1).astype(float)
        inside = whole(flipped, 96, 128)
        errors += np.abs(in_pixels(mirrored, 96, 128) - flipped)[inside].max(-1).tolist()
    assert len(errors) > 20
    assert np.median(errors) < 2


def test_poses_are_zero_while_another_shot_is_on() -> None:
    for seed in range(6):
        clip = simulate_clip(seed, height=32, width=32, world=CUT, with_truth=True)
        assert clip.truth is not None
        assert clip.description.next_shot is not None
        cut, first = clip.truth.trajectory.num_frames, len(clip.description.objects)
        second = len(clip.description.next_shot.objects)
        assert clip.poses.shape == (33, first + second, POSE_SIZE)
        on = np.zeros((33, first + second), bool)
        on[:cut, :first] = on[cut:, first:] = True
        assert (clip.poses[~on] == 0).all()
        assert (clip.poses[on][:, 2:4] > 0).all()


@pytest.mark.parametrize(("small", "large"), [((64, 64), (128, 128)), ((48, 80), (96, 160))])
def test_tracks_do_not_depend_on_the_number_of_pixels(small: tuple[int, int], large: tuple[int, int]) -> None:
    for seed in range(4):
        one, two = (simulate_clip(seed, num_frames=5, height=h, width=w) for h, w in (small, large))
        assert one.description.objects == two.description.objects
        assert np.allclose(one.poses, two.poses, atol=1e-5)
        assert np.array_equal(one.setting, two.setting)


def test_a_picture_has_tracks_too() -> None:
    clip = simulate_clip(3, num_frames=1, height=64, width=64)
    assert clip.poses.shape == (1, len(clip.description.objects), POSE_SIZE)
    assert clip.setting.shape == (1, SETTING_SIZE)
    assert clip.poses.dtype == clip.setting.dtype == np.float32


def axes(poses: NDArray[np.float32]) -> Floats:
    """The two axes (… 2 3) of poses (… 11), each to the right, up and forward."""
    return poses[..., 5:].reshape(*poses.shape[:-1], 2, 3).astype(float)


def test_axes_are_those_of_a_rigid_body() -> None:
    """Unit vectors at right angles that stay where they are in the solid, however it and the camera turn."""
    spinning = replace(GLIDING, behaviours={"spins": 0.5, "falls": 0.5})
    seen, turned = set(), 0.0
    for seed in range(40):
        clip = simulate_clip(seed, num_frames=17, height=32, width=32, world=spinning, with_truth=True)
        ((truth, poses),) = shots(clip)
        found = axes(poses)
        assert np.allclose(found @ found.swapaxes(-1, -2), np.eye(2), atol=1e-5)
        rotations = truth.trajectory.rotations[:, list(truth.described)]
        in_the_solid = found @ np.einsum("tij,tnjk->tnik", truth.cameras.axes, rotations)
        assert np.allclose(in_the_solid, in_the_solid[:1], atol=1e-5)
        for place, index in enumerate(truth.described):
            shape = truth.scene.objects[index].shape
            own, across = in_the_solid[0, place]
            assert np.allclose(np.abs(own), [0, 0, 1], atol=1e-5)  # no cube begins on its side
            assert own[2] > 0 or shape in ("cylinder", "capsule", "ring")
            assert shape == "cube" or np.allclose(across, [1, 0, 0], atol=1e-5)
            seen.add(shape)
        turned = max(turned, np.abs(found[-1] - found[0]).max())
    assert seen == set(SHAPES)
    assert turned > 1


def test_the_own_axis_of_what_stands_points_up_in_the_picture() -> None:
    standing, lying = 0, 0
    for seed in range(40):
        clip = simulate_clip(seed, num_frames=5, height=32, width=32, world=RESTING, with_truth=True)
        ((truth, poses),) = shots(clip)
        elevation = float(clip.setting[0, 2])
        upright = np.array([0, np.cos(elevation), -np.sin(elevation)])  # up and to the camera, not to a side
        for (own, across), index in zip(axes(poses)[0], truth.described, strict=True):
            rotation, shape = truth.trajectory.rotations[0, index], truth.scene.objects[index].shape
            if shape in ("cone", "cube") or (shape in ("cylinder", "ring") and rotation[2, 2] > 0.99):
                assert np.allclose(own, upright, atol=1e-5), shape
                standing += 1
            elif shape != "sphere":
                assert abs(own @ upright) < 1e-5, shape
                lying += 1
            if shape == "cube":  # of the level sides, the one that the camera sees best
                assert abs(across @ upright) < 1e-5
                assert across[2] < -np.cos(np.pi / 4) * np.cos(elevation) + 1e-5
    assert standing > 20
    assert lying > 5


def turned_by(clip: SimulatedClip, shape: str, turn: Floats) -> tuple[Floats, Floats]:
    """Axes of the objects of a shape as they are, and when each is turned within itself before it begins."""
    assert clip.truth is not None
    scene, trajectory = clip.truth.scene, clip.truth.trajectory
    chosen = [index for index, thing in enumerate(scene.objects) if thing.shape == shape]
    other = replace(trajectory, rotations=trajectory.rotations @ turn)
    one, two = (axes(track(scene, t, 1.0)[:, chosen]) for t in (trajectory, other))
    return one, two


@pytest.mark.parametrize("shape", SHAPES)
def test_of_the_poses_that_look_the_same_one_is_taken(shape: str) -> None:
    """Quarter turns of a cube and the two ends of what has no foot make no difference, those of a cone do."""
    upside_down = np.diag([1.0, -1.0, -1.0])
    quarters = [
        np.array(m, float) for m in ([[0, -1, 0], [1, 0, 0], [0, 0, 1]], [[0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    ]
    turns = [upside_down, *quarters, quarters[0] @ quarters[1]] if shape == "cube" else [upside_down]
    compared = 0
    for seed in range(12):
        clip = simulate_clip(seed, num_frames=9, height=32, width=32, world=GLIDING, with_truth=True)
        for turn in turns:
            one, two = turned_by(clip, shape, turn)
            alike = np.abs(one - two).max((0, 2, 3)) < 1e-5
            assert (alike == (shape not in ("cone", "sphere"))).all()
            compared += len(alike)
    assert compared > 0


def test_a_setting_is_that_of_its_scene() -> None:
    moves = set()
    for seed in range(12):
        clip = simulate_clip(seed, num_frames=9, height=32, width=48, world=GLIDING, with_truth=True)
        assert clip.truth is not None
        assert clip.setting.shape == (9, SETTING_SIZE)
        scene, cameras = clip.truth.scene, clip.truth.cameras
        path, found = scene.camera, clip.setting.astype(float)
        for frame, pose in ((0, path.start), (8, path.end)):
            camera = [np.sin(pose.azimuth), np.cos(pose.azimuth)]
            camera += [pose.elevation, pose.distance, pose.target_height]
            assert np.allclose(found[frame, :5], camera, atol=1e-5)
        assert np.allclose(np.diff(found[:, 2:5], n=2, axis=0), 0, atol=1e-5)  # it glides evenly
        # The lamp stays where it is in the world while the camera travels around it.
        right, forward = cameras.axes[:, 0], cameras.axes[:, 2]
        ahead = forward * [1, 1, 0] / np.linalg.norm(forward[:, :2], axis=-1, keepdims=True)
        lamp = found[:, 5, None] * right + found[:, 6, None] * ahead + found[:, 7, None] * [0, 0, 1]
        assert np.allclose(lamp, scene.light.direction, atol=1e-5)
        floor = found[:, CAMERA_SIZE : CAMERA_SIZE + len(FLOORS)]
        assert (floor == [scene.floor.kind == kind for kind in FLOORS]).all()
        assert (np.delete(np.abs(found[:, CAMERA_SIZE:]), SURROUNDINGS.index("scale"), 1) < 1.5).all()
        moves.add(path.move)
    assert len(moves) > 2


@pytest.mark.parametrize("name", SURROUNDINGS[len(FLOORS) :])
def test_each_of_the_surroundings_has_a_number_of_its_own(name: str) -> None:
    clip = simulate_clip(1, num_frames=1, height=32, width=32, with_truth=True)
    assert clip.truth is not None
    scene = clip.truth.scene
    field = {"scale": "pattern_scale", "contrast": "pattern_contrast", "light_warmth": "warmth"}.get(
        name, name
    )
    part = "floor" if SURROUNDINGS.index(name) < SURROUNDINGS.index("intensity") else "light"
    changed = replace(getattr(scene, part), **{field: getattr(getattr(scene, part), field) + 0.1})
    before, after = (setting(s, 1, 1.0)[0] for s in (scene, replace(scene, **{part: changed})))
    assert np.flatnonzero(before != after).tolist() == [CAMERA_SIZE + SURROUNDINGS.index(name)]
    assert (after >= before).all()


def test_settings_change_with_the_shot() -> None:
    clip = simulate_clip(2, height=32, width=32, world=CUT, with_truth=True)
    assert clip.truth is not None
    cut = clip.truth.trajectory.num_frames
    around = clip.setting[:, CAMERA_SIZE:]
    assert (around[:cut] == around[0]).all()
    assert (around[cut:] == around[-1]).all()
    assert (around[0] != around[-1]).any()
    assert np.abs(np.diff(clip.setting[:, :2], axis=0)).max(1).argmax() == cut - 1


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

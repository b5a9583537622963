"""Every sentence that a description allows is checked against the simulation it came from."""

from collections import Counter
from collections.abc import Iterator

import numpy as np

from tenku.worlds import Event, SceneDescription, SimulatedClip, Truth
from tenku.worlds.physics import FLOOR
from tenku.worlds.shapes import Floats, lowest_point


def shots(clips: list[SimulatedClip]) -> Iterator[tuple[SceneDescription, Truth]]:
    for clip in clips:
        description: SceneDescription | None = clip.description
        truth = clip.truth
        while description is not None and truth is not None:
            yield description, truth
            description, truth = description.next_shot, truth.next_shot


def events(clips: list[SimulatedClip], *kinds: str) -> Iterator[tuple[Event, int, Truth]]:
    """Events of some kinds with the index of their object in the scene."""
    for description, truth in shots(clips):
        for thing, index in zip(description.objects, truth.described, strict=True):
            for event in thing.events:
                if event.kind in kinds:
                    yield event, index, truth


def lowest(truth: Truth, index: int) -> Floats:
    thing, trajectory = truth.scene.objects[index], truth.trajectory
    return lowest_point(
        thing.shape, thing.extent, trajectory.positions[:, index, 2], trajectory.rotations[:, index]
    )


def test_all_kinds_of_events_happen(clips: list[SimulatedClip]) -> None:
    kinds = Counter(
        event.kind
        for description, _ in shots(clips)
        for thing in description.objects
        for event in thing.events
    )
    for kind in ("falls", "bounces", "rolls_in", "slides_in", "hits", "rests", "spins"):
        assert kinds[kind] >= 3, kinds


def test_descriptions_name_the_objects_of_the_scene(clips: list[SimulatedClip]) -> None:
    for description, truth in shots(clips):
        for thing, index in zip(description.objects, truth.described, strict=True):
            spec = truth.scene.objects[index]
            assert (thing.colour, thing.shape, thing.material, thing.size) == (
                spec.colour,
                spec.shape,
                spec.material,
                spec.size,
            )


def test_events_are_in_order_and_inside_the_shot(clips: list[SimulatedClip]) -> None:
    for description, truth in shots(clips):
        end = (truth.trajectory.num_frames - 1) / truth.trajectory.fps
        for thing in description.objects:
            seconds = [event.seconds for event in thing.events]
            assert seconds == sorted(seconds)
            assert all(0 <= second <= end for second in seconds)


def test_what_falls_comes_down(clips: list[SimulatedClip]) -> None:
    for _, index, truth in events(clips, "falls"):
        heights = lowest(truth, index)
        assert heights[0] > 0.2
        assert heights.min() < heights[0] - 0.3


def test_what_bounces_touches_the_floor_and_rises(clips: list[SimulatedClip]) -> None:
    for event, index, truth in events(clips, "bounces"):
        assert any(
            contact.first == index and contact.second == FLOOR and contact.seconds == event.seconds
            for contact in truth.trajectory.contacts
        )
        after = np.arange(truth.trajectory.num_frames) / truth.trajectory.fps > event.seconds
        assert lowest(truth, index)[after].max() >= 0.12


def test_what_comes_from_a_side_moves_away_from_it(clips: list[SimulatedClip]) -> None:
    for event, index, truth in events(clips, "rolls_in", "slides_in"):
        frames = np.flatnonzero(truth.visible_pixels[:, index] > 12)
        first = frames[0]
        # The camera of the first frame watches the whole way.
        seen = (truth.trajectory.positions[:, index] - truth.cameras.positions[0]) @ truth.cameras.axes[0].T
        soon = min(first + 6, len(seen) - 1)
        moved = seen[soon] - seen[first]
        match event.direction:
            case "left":
                assert moved[0] > 0.05
            case "right":
                assert moved[0] < -0.05
            case "front":
                assert moved[2] > 0.05
            case "back":
                assert moved[2] < -0.05


def test_what_comes_from_left_or_right_enters_at_that_side(clips: list[SimulatedClip]) -> None:
    for event, index, truth in events(clips, "rolls_in", "slides_in"):
        first = int(np.flatnonzero(truth.visible_pixels[:, index] > 12)[0])
        left, _, right, _ = truth.boxes[first, index]
        middle = (left + right) / 2
        if event.direction == "left":
            assert middle < 40
        if event.direction == "right":
            assert middle > 24


def test_what_rolls_turns_and_what_slides_does_not(clips: list[SimulatedClip]) -> None:
    for event, index, truth in events(clips, "rolls_in", "slides_in"):
        shape = truth.scene.objects[index].shape
        if event.kind == "rolls_in":
            assert shape in ("sphere", "cylinder", "capsule", "ring")
        else:
            assert shape != "sphere"


def test_who_hits_really_touches_its_target(clips: list[SimulatedClip]) -> None:
    for event, index, truth in events(clips, "hits"):
        assert event.target is not None
        target = truth.described[event.target]
        assert target != index
        assert any(
            {contact.first, contact.second} == {index, target} and contact.seconds == event.seconds
            for contact in truth.trajectory.contacts
        )


def test_what_rests_does_not_move(clips: list[SimulatedClip]) -> None:
    for _, index, truth in events(clips, "rests"):
        positions = truth.trajectory.positions[:, index]
        assert np.abs(positions - positions[0]).max() < 0.05


def test_what_spins_turns_on_the_spot(clips: list[SimulatedClip]) -> None:
    for _, index, truth in events(clips, "spins"):
        assert abs(truth.trajectory.angular_velocities[:4, index, 2]).min() > 1.0
        assert np.linalg.norm(truth.trajectory.velocities[:4, index], axis=-1).max() < 0.5


def test_relations_hold_in_the_picture(clips: list[SimulatedClip]) -> None:
    checked = 0
    for description, truth in shots(clips):
        for relation in description.relations:
            one, two = truth.described[relation.first], truth.described[relation.second]
            both = (truth.visible_pixels[:, one] > 12) & (truth.visible_pixels[:, two] > 12)
            frame = int(np.flatnonzero(both)[0])
            seen = truth.cameras.to_camera(truth.trajectory.positions)[frame]
            match relation.kind:
                case "left_of":
                    assert seen[one, 0] < seen[two, 0]
                case "right_of":
                    assert seen[one, 0] > seen[two, 0]
                case "in_front_of":
                    assert seen[one, 2] < seen[two, 2]
                case "behind":
                    assert seen[one, 2] > seen[two, 2]
            checked += 1
    assert checked > 20


def test_segmentation_lies_where_the_objects_are(clips: list[SimulatedClip]) -> None:
    for _, truth in shots(clips):
        projected = truth.cameras.project(truth.trajectory.positions)
        height, width = truth.segmentation.shape[1:]
        for index in range(len(truth.scene.objects)):
            left, top, right, bottom = np.moveaxis(truth.boxes[:, index].astype(float), -1, 0)
            whole = (left > 0) & (top > 0) & (right < width) & (bottom < height) & (right > 0)
            x = (projected[:, index, 0] + 1) / 2 * width
            y = (1 - projected[:, index, 1]) / 2 * height
            # Objects in front may hide a side, but the middle is never far from what is seen.
            assert (x[whole] > left[whole] - 12).all()
            assert (x[whole] < right[whole] + 12).all()
            assert (y[whole] > top[whole] - 12).all()
            assert (y[whole] < bottom[whole] + 12).all()


def test_depth_agrees_with_the_position_of_the_objects(clips: list[SimulatedClip]) -> None:
    for _, truth in shots(clips):
        seen = truth.cameras.to_camera(truth.trajectory.positions)
        for index in range(len(truth.scene.objects)):
            for frame in (0, truth.trajectory.num_frames - 1):
                mask = truth.segmentation[frame] == index
                if mask.sum() > 30:
                    depth = float(np.median(truth.depth[frame][mask]))
                    assert -0.1 < seen[frame, index, 2] - depth < 0.8

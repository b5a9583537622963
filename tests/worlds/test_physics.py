from dataclasses import replace

import numpy as np
import pytest

from tenku.worlds.camera import CameraPath, CameraPose
from tenku.worlds.physics import FLOOR, Trajectory, build_model, simulate
from tenku.worlds.scene import FloorSpec, Light, ObjectSpec, Scene, Vector, turn
from tenku.worlds.shapes import lowest_point, resting_height
from tenku.worlds.vocabulary import SHAPES, Material, Shape

UPRIGHT: tuple[Vector, Vector, Vector] = ((1, 0, 0), (0, 1, 0), (0, 0, 1))


def scene_of(*objects: ObjectSpec) -> Scene:
    pose = CameraPose(azimuth=np.pi / 2, elevation=0.4, distance=5.0, target_height=0.5)
    return Scene(
        objects=objects,
        floor=FloorSpec(
            kind="plain", brightness=0.5, warmth=0, gloss=0, pattern_scale=1, pattern_contrast=0.5
        ),
        light=Light(direction=(0, 0, 1), intensity=2, warmth=0, softness=8, ambient=1, background=0.6),
        camera=CameraPath.still(pose),
    )


def solid(shape: Shape, height: float, *, material: Material = "wood", x: float = 0.0) -> ObjectSpec:
    return ObjectSpec(
        shape=shape,
        colour="red",
        material=material,
        size="large",
        extent=0.46,
        position=(x, 0.0, height),
        rotation=UPRIGHT,
    )


def rebound(material: Material) -> float:
    """How high a ball rises again after a fall of one metre."""
    trajectory = simulate(scene_of(solid("sphere", 1.46, material=material)), 49, 24)
    bottom = trajectory.positions[:, 0, 2] - 0.46
    landed = int(np.argmin(bottom[:15]))
    return float(bottom[landed:].max())


def test_rubber_bounces_higher_than_wood_and_wood_higher_than_metal() -> None:
    rubber, wood, metal = rebound("rubber"), rebound("wood"), rebound("metal")
    assert 0.5 < rubber < 0.95
    assert 0.12 < wood < 0.4
    assert metal < 0.1


@pytest.mark.parametrize("fps", [8, 12.5, 16, 24, 30])
def test_the_frame_rate_does_not_change_the_fall(fps: float) -> None:
    trajectory = simulate(scene_of(solid("sphere", 2.46)), 1 + int(0.5 * fps), fps)
    seconds = (trajectory.num_frames - 1) / fps
    fallen = 2.46 - trajectory.positions[-1, 0, 2]
    assert fallen == pytest.approx(0.5 * 9.81 * seconds**2, rel=0.02)


def test_steps_divide_the_frame_time() -> None:
    for fps in (7, 16, 25, 29.97):
        model, _ = build_model(scene_of(solid("cube", 1)), fps)
        steps = 1 / (fps * model.opt.timestep)
        assert steps == pytest.approx(round(steps))
        assert model.opt.timestep <= 1 / 1024 + 1e-12


@pytest.mark.parametrize("shape", SHAPES)
def test_every_solid_rests_where_it_is_said_to(shape: Shape) -> None:
    standing = shape in ("cube", "cylinder", "cone", "ring")
    rotation = np.eye(3) if standing else turn((0, 1, 0), np.pi / 2)
    height = resting_height(shape, 0.46, rotation)
    rows = tuple(tuple(map(float, row)) for row in rotation)
    thing = replace(solid(shape, height), rotation=rows)
    trajectory = simulate(scene_of(thing), 17, 16)
    assert np.abs(trajectory.positions[:, 0] - trajectory.positions[0, 0]).max() < 0.01
    assert trajectory.contacts == ()


def test_a_ring_has_a_hole() -> None:
    # A ball that fits through the hole of a ring lying on the floor reaches the floor.
    ring = solid("ring", resting_height("ring", 0.46, np.eye(3)))
    ball = replace(solid("sphere", 1.0, material="metal"), extent=0.2)
    trajectory = simulate(scene_of(ring, ball), 33, 16)
    assert trajectory.positions[-1, 1, 2] == pytest.approx(0.2, abs=0.02)
    assert any(contact.first == 1 and contact.second == FLOOR for contact in trajectory.contacts)


def test_contacts_tell_who_meets_whom() -> None:
    mover = replace(solid("sphere", 0.46, x=-1.5), velocity=(3.0, 0.0, 0.0))
    target = solid("sphere", 0.46, x=0.0)
    trajectory = simulate(scene_of(mover, target), 33, 16)
    meetings = [contact for contact in trajectory.contacts if contact.second != FLOOR]
    assert len(meetings) == 1
    assert {meetings[0].first, meetings[0].second} == {0, 1}
    assert meetings[0].seconds == pytest.approx((1.5 - 0.92) / 3.0, abs=0.03)
    # The frame right after the blow: later the floor slows the target until it rolls.
    after = trajectory.velocities[int(meetings[0].seconds * 16) + 1, 1, 0]
    assert meetings[0].impulse == pytest.approx(trajectory.masses[1] * after, rel=0.15)


def test_nothing_sinks_into_the_floor() -> None:
    things = [solid(shape, 1.2, x=1.2 * i) for i, shape in enumerate(SHAPES[:4])]
    trajectory: Trajectory = simulate(scene_of(*things), 33, 16)
    for index, thing in enumerate(things):
        heights = lowest_point(
            thing.shape, thing.extent, trajectory.positions[:, index, 2], trajectory.rotations[:, index]
        )
        assert heights.min() > -0.05


def test_a_picture_needs_no_physics() -> None:
    trajectory = simulate(scene_of(solid("cone", 1.0)), 1, 16)
    assert trajectory.positions.shape == (1, 1, 3)
    assert trajectory.positions[0, 0, 2] == 1.0

import math

import numpy as np
import pytest

from tenku.worlds.phyworld import (
    LAWS,
    NUM_FRAMES,
    WORLD_SIZE,
    Law,
    Motions,
    draw,
    draw_scene,
    num_balls,
    simulate,
)

SEEDS = range(7_000, 7_040)


@pytest.fixture(scope="module")
def motions() -> dict[Law, Motions]:
    return {law: simulate(law, "id", SEEDS) for law in LAWS}


@pytest.mark.parametrize("law", LAWS)
def test_the_same_seed_gives_the_same_clip(law: Law, motions: dict[Law, Motions]) -> None:
    again = simulate(law, "id", [SEEDS[3]])
    assert np.array_equal(again.positions[0], motions[law].positions[3])
    assert not np.array_equal(again.positions[0], motions[law].positions[4])


@pytest.mark.parametrize("law", LAWS)
def test_scenes_lie_in_the_published_ranges(law: Law) -> None:
    for seed in range(200):
        scene = draw_scene(law, "id", np.random.default_rng(seed))
        speeds = [abs(x) for x, _ in scene.velocities]
        assert all(0.7 <= radius <= 1.5 for radius in scene.radii)
        assert all(1 <= speed <= 4 for speed in speeds)
        assert scene.strange == ""


@pytest.mark.parametrize("law", LAWS)
def test_strange_scenes_lie_outside_of_them_where_they_say_so(law: Law) -> None:
    seen = set()
    for seed in range(300):
        scene = draw_scene(law, "ood", np.random.default_rng(seed))
        seen.add(scene.strange)
        usual_radii = all(0.7 <= radius <= 1.5 for radius in scene.radii)
        usual_speeds = all(1 <= abs(x) <= 4 for x, _ in scene.velocities)
        assert usual_radii == ("r" not in scene.strange)
        assert usual_speeds == ("v" not in scene.strange)
        assert all(0.3 <= radius <= 2 for radius in scene.radii)
        assert all(abs(x) <= 6 for x, _ in scene.velocities)
    assert seen == {"r", "v", "rv"}


def test_uniform_motion_is_even(motions: dict[Law, Motions]) -> None:
    steps = np.diff(motions["uniform"].positions[:, :, 0], axis=1)
    assert np.abs(steps - steps[:, :1]).max() < 1e-4
    assert np.abs(steps[..., 1]).max() == 0
    assert (steps[..., 0] > 0.099).all()


def test_a_parabola_falls_as_box2d_does(motions: dict[Law, Motions]) -> None:
    places = motions["parabola"].positions[:, :, 0].astype(np.float64)
    assert np.abs(np.diff(places[..., 1], n=2, axis=1) + 2.5 * 0.1**2).max() < 1e-4
    assert np.abs(np.diff(places[..., 0], n=2, axis=1)).max() < 1e-4


def test_collisions_keep_momentum_and_energy(motions: dict[Law, Motions]) -> None:
    collisions = motions["collision"]
    mass = collisions.radii.astype(np.float64) ** 2
    velocity = np.diff(collisions.positions[..., 0].astype(np.float64), axis=1) / 0.1
    before, after = velocity[:, 0], velocity[:, -1]
    assert np.abs((mass * (after - before)).sum(1)).max() < 1e-3
    energy = [(mass * speed**2).sum(1) for speed in (before, after)]
    assert np.abs(energy[1] / energy[0] - 1).max() < 1e-3
    assert (np.abs(after - before).max(1) > 0.5).all()  # they did meet


def test_a_drawn_ball_has_its_area_and_its_centre() -> None:
    centre, radius, size = np.array([4.321, 6.789]), 0.837, 64
    frames = draw(np.array(centre, np.float32).reshape(1, 1, 1, 2), np.full((1, 1), radius, np.float32), size)
    share = 1 - frames[0, 0, ..., 2] / 255.0
    unit = WORLD_SIZE / size
    assert share.sum() * unit**2 == pytest.approx(math.pi * radius**2, rel=1e-3)
    places = (np.arange(size) + 0.5) * unit
    x, y = (share.sum(0) * places).sum() / share.sum(), (share.sum(1) * places).sum() / share.sum()
    assert (x, WORLD_SIZE - y) == pytest.approx(tuple(centre), abs=5e-4)
    assert frames[0, 0, 0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize(
    ("x", "y", "radius"), [(4.0, 4.0, 0.6), (3.9, 4.35, 1.7), (0.1, 7.9, 2.5), (4.2, 4.7, 0.3)]
)
def test_every_pixel_is_covered_as_far_as_it_is(x: float, y: float, radius: float) -> None:
    size, fine = 8, 64
    frames = draw(
        np.array([x, y], np.float32).reshape(1, 1, 1, 2) * 1.25,
        np.full((1, 1), radius * 1.25, np.float32),
        size,
    )
    middles = (np.arange(size * fine) + 0.5) / fine
    inside = (middles - x) ** 2 + (size - middles[:, None] - y) ** 2 < radius**2
    share = inside.reshape(size, fine, size, fine).mean((1, 3))
    assert np.abs(1 - frames[0, 0, ..., 2] / 255.0 - share).max() < 0.006


def test_two_balls_are_red_and_blue() -> None:
    positions = np.array([[[[3.0, 5.0], [7.0, 5.0]]]], np.float32)
    frames = draw(positions, np.ones((1, 2), np.float32), 40)
    assert frames[0, 0, 20, 12].tolist() == [255, 0, 0]
    assert frames[0, 0, 20, 28].tolist() == [0, 0, 255]
    with pytest.raises(ValueError, match="colours for 2 balls"):
        draw(np.zeros((1, 1, 3, 2), np.float32), np.ones((1, 3), np.float32), 40)


@pytest.mark.parametrize("law", LAWS)
def test_motions_have_their_shapes(law: Law, motions: dict[Law, Motions]) -> None:
    balls = num_balls(law)
    assert motions[law].positions.shape == (len(SEEDS), NUM_FRAMES, balls, 2)
    assert motions[law].radii.shape == (len(SEEDS), balls)
    assert np.array_equal(motions[law].take([5, 2]).radii, motions[law].radii[[5, 2]])
    assert len(motions[law].take([])) == 0

import numpy as np
import pytest

from tenku.worlds import tracer
from tenku.worlds.camera import CameraPath, CameraPose
from tenku.worlds.physics import simulate
from tenku.worlds.render import COLOUR_SRGB, render
from tenku.worlds.scene import FloorSpec, Light, ObjectSpec, Scene
from tenku.worlds.shapes import Floats, bounding_radius, dimensions, lowest_point, resting_height
from tenku.worlds.vocabulary import COLOURS, MATERIALS, SHAPES, Colour, Material, Shape


def scene_of(shape: Shape, colour: Colour = "red", material: Material = "rubber") -> Scene:
    pose = CameraPose(azimuth=np.pi / 2, elevation=0.42, distance=4.0, target_height=0.4)
    thing = ObjectSpec(
        shape=shape,
        colour=colour,
        material=material,
        size="large",
        extent=0.46,
        position=(0.0, 0.0, resting_height(shape, 0.46, np.eye(3))),
        rotation=((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    )
    return Scene(
        objects=(thing,),
        floor=FloorSpec(
            kind="plain", brightness=0.45, warmth=0, gloss=0, pattern_scale=1, pattern_contrast=0.5
        ),
        light=Light(
            direction=(-0.5, -0.5, 0.7071), intensity=2.3, warmth=0, softness=8, ambient=1, background=0.6
        ),
        camera=CameraPath.still(pose),
    )


def distances(shape: Shape, points: Floats) -> Floats:
    a, b, c = dimensions(shape, 0.46)
    scale = tracer.cone_scale(a, b) if shape == "cone" else 0.0
    kind = SHAPES.index(shape)
    return np.array([tracer.distance(kind, *point, a, b, c, scale) for point in points])


@pytest.mark.parametrize("shape", SHAPES)
def test_distances_never_overshoot(shape: Shape) -> None:
    # A distance field may change by no more than one metre per metre; else rays would jump through.
    rng = np.random.default_rng(0)
    here = rng.uniform(-1, 1, (500, 3))
    there = here + rng.normal(0, 0.05, (500, 3))
    change = np.abs(distances(shape, here) - distances(shape, there))
    assert (change <= np.linalg.norm(here - there, axis=1) + 1e-9).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_drawn_is_what_the_physics_knows(shape: Shape) -> None:
    rng = np.random.default_rng(1)
    points = rng.uniform(-1, 1, (4000, 3))
    inside = points[distances(shape, points) < 0]
    assert len(inside) > 50
    assert np.linalg.norm(inside, axis=1).max() <= bounding_radius(shape, 0.46) + 1e-9
    lowest = float(lowest_point(shape, 0.46, np.zeros(()), np.eye(3)))
    assert lowest <= inside[:, 2].min() <= lowest + 0.06


def test_a_ring_shows_the_floor_through_its_hole() -> None:
    scene = scene_of("ring")
    segmentation = render(scene, simulate(scene, 1, 16), 96, 96).segmentation[0]
    rows, columns = np.nonzero(segmentation == 0)
    middle = int(columns.mean())
    column = segmentation[rows.min() : rows.max() + 1, middle]
    assert (column == -1).sum() >= 3


@pytest.mark.parametrize("material", MATERIALS)
def test_colours_stay_apart_in_every_material(material: Material) -> None:
    seen = []
    for colour in COLOURS:
        scene = scene_of("sphere", colour, material)
        rendering = render(scene, simulate(scene, 1, 16), 64, 64)
        seen.append(rendering.frames[0][rendering.segmentation[0] == 0].mean(0))
    colours = np.array(seen)
    apart = np.linalg.norm(colours[:, None] - colours[None], axis=-1) + 1e3 * np.eye(len(COLOURS))
    assert apart.min() > 35
    assert set(COLOUR_SRGB) == set(COLOURS)


def test_more_pixels_show_the_same_scene() -> None:
    scene = scene_of("cube")
    trajectory = simulate(scene, 1, 16)
    small = render(scene, trajectory, 64, 64).frames[0].astype(float)
    large = render(scene, trajectory, 128, 128).frames[0].astype(float)
    shrunk = large.reshape(64, 2, 64, 2, 3).mean((1, 3))
    assert np.abs(small - shrunk).mean() < 2.0


def test_the_tracer_is_deterministic() -> None:
    scene = scene_of("capsule", material="metal")
    trajectory = simulate(scene, 1, 16)
    one, two = render(scene, trajectory, 64, 48), render(scene, trajectory, 64, 48)
    assert one.frames.tobytes() == two.frames.tobytes()
    assert one.depth.tobytes() == two.depth.tobytes()


def test_kernels_compile_where_no_cache_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    njit = tracer.numba.njit

    def read_only(*arguments: object, cache: bool = False, **options: object) -> object:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return njit(*arguments, **options)

    monkeypatch.setattr(tracer.numba, "njit", read_only)

    def double(value: float) -> float:
        return 2.0 * value

    assert tracer.kernel(double)(1.5) == 3.0

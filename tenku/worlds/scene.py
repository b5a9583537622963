"""What a shot is made of before anything moves: objects, floor, light and camera, drawn at random.

Plans are laid out on the *stage*: x to the right and y away from the camera of the first frame, in metres,
the middle of the picture near the origin. A scene holds world coordinates, the stage turned by the camera's
azimuth, so that floor patterns and light come from any side.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, TypeVar, get_args

import numpy as np

from tenku.worlds.camera import CameraPath, CameraPose, tan_half_height
from tenku.worlds.shapes import (
    EXTENT,
    EXTENT_JITTER,
    Floats,
    bounding_radius,
    ground_radius,
    resting_height,
)
from tenku.worlds.vocabulary import (
    CAMERA_MOVES,
    COLOURS,
    FLOORS,
    HELD_OUT_PAIRS,
    MATERIALS,
    SHAPES,
    SIZES,
    CameraMove,
    Colour,
    Direction,
    Floor,
    Material,
    Shape,
    Size,
)

Vector = tuple[float, float, float]
Behaviour = Literal["falls", "rolls_in", "slides_in", "rests", "spins"]
Pairs = Literal["seen", "held_out", "any"]
Choice = TypeVar("Choice")

BEHAVIOURS: Final[tuple[Behaviour, ...]] = get_args(Behaviour)
GRAVITY: Final = 9.81
SLIDING_FRICTION: Final[dict[Material, float]] = {"metal": 0.2, "rubber": 0.4, "wood": 0.3}

# Only what is seen to turn may be said to spin: a ball or an upright cylinder looks the same at every angle.
_BEHAVIOURS_OF: Final[dict[Shape, tuple[Behaviour, ...]]] = {
    "sphere": ("falls", "rolls_in", "rests"),
    "cube": ("falls", "slides_in", "rests", "spins"),
    "cylinder": ("falls", "rolls_in", "slides_in", "rests", "spins"),
    "cone": ("falls", "slides_in", "rests"),
    "capsule": ("falls", "rolls_in", "slides_in", "rests", "spins"),
    "ring": ("falls", "rolls_in", "slides_in", "rests", "spins"),
}


def _weights(values: Mapping[Choice, float]) -> Mapping[Choice, float]:
    return MappingProxyType(dict(values))


@dataclass(frozen=True, kw_only=True, slots=True)
class WorldConfig:
    """How often things happen in the simulated world. Weights need not sum to one.

    `pairs` says which colour–shape pairs appear: "seen" never shows one of HELD_OUT_PAIRS, "held_out" shows
    at least one of them in every shot, "any" ignores the distinction.
    """

    object_counts: Mapping[int, float] = field(
        default_factory=lambda: _weights({1: 0.3, 2: 0.4, 3: 0.22, 4: 0.08})
    )
    behaviours: Mapping[Behaviour, float] = field(
        default_factory=lambda: _weights(
            {"falls": 0.36, "rolls_in": 0.34, "slides_in": 0.24, "rests": 0.16, "spins": 0.16}
        )
    )
    floors: Mapping[Floor, float] = field(
        default_factory=lambda: _weights({"plain": 0.5, "checkerboard": 0.25, "wooden": 0.25})
    )
    hit_probability: float = 0.45
    camera_move_probability: float = 0.4
    cut_probability: float = 0.04
    pairs: Pairs = "seen"

    def __post_init__(self) -> None:
        for name in ("hit_probability", "camera_move_probability", "cut_probability"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must lie between 0 and 1, but is {getattr(self, name)}")
        _check_weights("object_counts", self.object_counts, (1, 2, 3, 4))
        _check_weights("behaviours", self.behaviours, BEHAVIOURS)
        _check_weights("floors", self.floors, FLOORS)
        if self.pairs not in get_args(Pairs):
            raise ValueError(f'pairs must be "seen", "held_out" or "any", but is {self.pairs!r}')

    def __reduce__(self) -> tuple[object, ...]:
        # Read-only mappings cannot be pickled, but workers need the configuration.
        values = {name: getattr(self, name) for name in self.__slots__}
        plain = {name: dict(value) if isinstance(value, Mapping) else value for name, value in values.items()}
        return _world_config, (plain,)


def _world_config(values: dict[str, object]) -> WorldConfig:
    return WorldConfig(**values)  # type: ignore[arg-type]


def _check_weights(name: str, weights: Mapping[Choice, float], allowed: Sequence[Choice]) -> None:
    unknown = [key for key in weights if key not in allowed]
    if unknown:
        raise ValueError(
            f"{name} knows only {', '.join(map(str, allowed))}, not {', '.join(map(str, unknown))}"
        )
    if any(weight < 0 for weight in weights.values()) or sum(weights.values()) <= 0:
        raise ValueError(f"{name} needs weights that are not negative and not all zero, not {dict(weights)}")


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectSpec:
    """One solid at the first frame: what it is, where it is and how it moves.

    `rotation` are the rows of the matrix that turns the solid's own frame into the world's; velocity in m/s
    and angular velocity in rad/s, both in world axes. `behaviour` is what the plan wanted, which is not
    always what happens.
    """

    shape: Shape
    colour: Colour
    material: Material
    size: Size
    extent: float
    position: Vector
    rotation: tuple[Vector, Vector, Vector]
    velocity: Vector = (0.0, 0.0, 0.0)
    angular_velocity: Vector = (0.0, 0.0, 0.0)
    behaviour: Behaviour = "rests"
    texture_phase: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class FloorSpec:
    """The floor: its pattern, how bright and how warm it is, and how much it reflects."""

    kind: Floor
    brightness: float
    warmth: float
    gloss: float
    pattern_scale: float
    pattern_contrast: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Light:
    """The lamp far away in `direction` (a unit vector), and the even light of the room."""

    direction: Vector
    intensity: float
    warmth: float
    softness: float
    ambient: float
    background: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """Everything that determines a shot."""

    objects: tuple[ObjectSpec, ...]
    floor: FloorSpec
    light: Light
    camera: CameraPath


def choose(rng: np.random.Generator, weights: Mapping[Choice, float]) -> Choice:
    """Draw one key with probability proportional to its weight."""
    keys = list(weights)
    shares = np.array([weights[key] for key in keys], dtype=float)
    return keys[int(rng.choice(len(keys), p=shares / shares.sum()))]


def _pick(rng: np.random.Generator, choices: Sequence[Choice]) -> Choice:
    return choices[int(rng.integers(len(choices)))]


def sample_scene(
    rng: np.random.Generator,
    config: WorldConfig,
    *,
    duration: float,
    aspect: float = 1.0,
    object_count: int | None = None,
) -> Scene:
    """Draw a scene for a shot of `duration` seconds; with duration 0 it is a picture and nothing moves."""
    count = object_count or choose(rng, config.object_counts)
    camera = _sample_camera(rng, config, duration)
    stage = _Stage(camera.start, aspect)
    looks = _sample_looks(rng, config, count)
    plans = _sample_plans(rng, config, looks, duration)
    spots = _sample_spots(rng, plans, aspect)
    _plan_hit(rng, config, plans, spots)
    objects = tuple(_place(rng, stage, plan, spot, duration) for plan, spot in zip(plans, spots, strict=True))
    return Scene(
        objects=objects,
        floor=_sample_floor(rng, config),
        light=_sample_light(rng, camera.start.azimuth),
        camera=camera,
    )


def objects_overlap(scene: Scene) -> bool:
    """Whether two objects might be inside each other at the first frame."""
    things = scene.objects
    return any(
        math.dist(things[i].position, things[j].position)
        < 0.9 * sum(bounding_radius(thing.shape, thing.extent) for thing in (things[i], things[j]))
        for i in range(len(things))
        for j in range(i)
    )


# --- what things look like ---------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class _Look:
    shape: Shape
    colour: Colour
    material: Material
    size: Size
    extent: float


@dataclass(kw_only=True, slots=True)
class _Plan:
    look: _Look
    behaviour: Behaviour
    target: int | None = None  # index of the object that this one is aimed at

    @property
    def radius(self) -> float:
        return ground_radius(self.look.shape, self.look.extent)

    @property
    def moves_in(self) -> bool:
        return self.behaviour in ("rolls_in", "slides_in")


def _sample_looks(rng: np.random.Generator, config: WorldConfig, count: int) -> list[_Look]:
    """Objects of one shot; nearly always of different colours so that words can tell them apart."""
    distinct = rng.random() < 0.9
    looks: list[_Look] = []
    while len(looks) < count:
        only_held_out = config.pairs == "held_out" and not looks
        shape, colour = _sample_pair(rng, config.pairs, only_held_out)
        if any(
            colour == other.colour and (distinct or shape == other.shape or rng.random() < 0.5)
            for other in looks
        ):
            continue
        size = _pick(rng, SIZES)
        extent = EXTENT[size] * (1 + EXTENT_JITTER * rng.uniform(-1, 1))
        looks.append(
            _Look(shape=shape, colour=colour, material=_pick(rng, MATERIALS), size=size, extent=extent)
        )
    return [looks[int(index)] for index in rng.permutation(count)]


def _sample_pair(rng: np.random.Generator, pairs: Pairs, only_held_out: bool) -> tuple[Shape, Colour]:
    while True:
        shape, colour = _pick(rng, SHAPES), _pick(rng, COLOURS)
        held_out = (colour, shape) in HELD_OUT_PAIRS
        if held_out if only_held_out else not (held_out and pairs == "seen"):
            return shape, colour


def _sample_floor(rng: np.random.Generator, config: WorldConfig) -> FloorSpec:
    kind = choose(rng, config.floors)
    return FloorSpec(
        kind=kind,
        brightness=float(rng.uniform(0.7, 1.0) if kind == "wooden" else rng.uniform(0.27, 0.58)),
        warmth=float(rng.uniform(-0.06, 0.06)),
        gloss=float(rng.choice([0.0, 0.0, 0.25])),
        pattern_scale=float(rng.uniform(1.2, 1.6) if kind == "checkerboard" else rng.uniform(2.0, 2.6)),
        pattern_contrast=float(rng.uniform(0.5, 0.62)),
    )


def _sample_light(rng: np.random.Generator, camera_azimuth: float) -> Light:
    """A lamp above and beside the camera, so that the sides that are seen are lit."""
    azimuth = camera_azimuth + math.pi + float(rng.choice([-1, 1]) * rng.uniform(0.25, 1.7))
    elevation = math.radians(rng.uniform(45, 65))
    return Light(
        direction=(
            math.cos(azimuth) * math.cos(elevation),
            math.sin(azimuth) * math.cos(elevation),
            math.sin(elevation),
        ),
        intensity=float(rng.uniform(2.1, 2.6)),
        warmth=float(rng.uniform(-0.06, 0.08)),
        softness=float(rng.uniform(5, 12)),
        ambient=float(rng.uniform(0.95, 1.2)),
        background=float(rng.uniform(0.45, 0.8)),
    )


# --- the camera and what it frames -------------------------------------------------------------------------


def _sample_camera(rng: np.random.Generator, config: WorldConfig, duration: float) -> CameraPath:
    start = CameraPose(
        azimuth=float(rng.uniform(0, 2 * math.pi)),
        elevation=math.radians(rng.uniform(21, 29)),
        distance=float(rng.uniform(4.5, 5.0)),
        target_height=float(rng.uniform(0.45, 0.6)),
    )
    if duration <= 0 or rng.random() >= config.camera_move_probability:
        return CameraPath.still(start)
    return _moving_camera(rng, start, _pick(rng, CAMERA_MOVES[1:]), duration)


def _moving_camera(
    rng: np.random.Generator, start: CameraPose, move: CameraMove, duration: float
) -> CameraPath:
    if move in ("orbits_left", "orbits_right"):
        turn = math.radians(min(max(rng.uniform(13, 22) * duration, 12), 70))
        azimuth = start.azimuth + (turn if move == "orbits_right" else -turn)
        return CameraPath(start=start, end=_moved(start, azimuth=azimuth))
    near, far = float(rng.uniform(3.7, 4.1)), float(rng.uniform(5.0, 5.5))
    first, last = (far, near) if move == "moves_in" else (near, far)
    return CameraPath(start=_moved(start, distance=first), end=_moved(start, distance=last))


def _moved(pose: CameraPose, *, azimuth: float | None = None, distance: float | None = None) -> CameraPose:
    return CameraPose(
        azimuth=pose.azimuth if azimuth is None else azimuth,
        elevation=pose.elevation,
        distance=pose.distance if distance is None else distance,
        target_height=pose.target_height,
    )


@dataclass(frozen=True, slots=True)
class _Stage:
    """Where the frame of the first camera ends, in stage coordinates."""

    camera: CameraPose
    aspect: float

    def to_world(self, x: float, y: float, z: float) -> Vector:
        """Turn a point or a direction of the stage into world coordinates."""
        cos, sin = math.cos(self.camera.azimuth), math.sin(self.camera.azimuth)
        return x * sin + y * cos, -x * cos + y * sin, z

    def half_width(self, y: float, z: float) -> float:
        """How far to the right a point at depth `y` and height `z` may be before it leaves the frame."""
        pose = self.camera
        depth = (
            pose.distance + y * math.cos(pose.elevation) + (pose.target_height - z) * math.sin(pose.elevation)
        )
        return depth * tan_half_height(self.aspect) * self.aspect

    def edge(self, z: float, *, above: bool) -> float:
        """Depth y at which the lower edge, or height at which the upper edge, of the frame lies."""
        pose, tangent = self.camera, tan_half_height(self.aspect)
        cos, sin = math.cos(pose.elevation), math.sin(pose.elevation)
        if above:
            return pose.target_height + tangent * pose.distance / (cos + tangent * sin)
        lift = (pose.target_height - z) * (cos - tangent * sin)
        return (lift - tangent * pose.distance) / (sin + tangent * cos)


# --- what things do ----------------------------------------------------------------------------------------


def _sample_plans(
    rng: np.random.Generator, config: WorldConfig, looks: Sequence[_Look], duration: float
) -> list[_Plan]:
    if duration <= 0:
        return [_Plan(look=look, behaviour="falls" if rng.random() < 0.3 else "rests") for look in looks]
    plans = [_Plan(look=look, behaviour=_sample_behaviour(rng, config, look)) for look in looks]
    if all(plan.behaviour == "rests" for plan in plans) and rng.random() < 0.8:
        plan = _pick(rng, plans)
        moving: dict[Behaviour, float] = {**config.behaviours, "rests": 0.0}
        plan.behaviour = _sample_behaviour(rng, config, plan.look, moving)
    return plans


def _sample_behaviour(
    rng: np.random.Generator,
    config: WorldConfig,
    look: _Look,
    weights: Mapping[Behaviour, float] | None = None,
) -> Behaviour:
    chosen = weights if weights else config.behaviours
    possible = {name: chosen.get(name, 0.0) for name in _BEHAVIOURS_OF[look.shape]}
    return choose(rng, possible) if sum(possible.values()) > 0 else "rests"


Spot = tuple[float, float]


def _sample_spots(rng: np.random.Generator, plans: Sequence[_Plan], aspect: float) -> list[Spot]:
    """Places on the stage, apart from each other and not behind each other."""
    width = 1.2 * min(max(aspect, 0.7), 1.7)
    best: tuple[float, list[Spot]] = (-math.inf, [])
    for _ in range(60):
        spots: list[Spot] = [
            (
                float(rng.uniform(-1, 1) * (width - 0.3 * plan.radius)),
                float(rng.uniform(-0.85, 0.95)),
            )
            for plan in plans
        ]
        slack = min(
            (
                _separation(plans[i], spots[i], plans[j], spots[j])
                for i in range(len(plans))
                for j in range(i)
            ),
            default=math.inf,
        )
        if slack > best[0]:
            best = (slack, spots)
        if slack > 0:
            break
    return best[1]


def _separation(first: _Plan, here: Spot, second: _Plan, there: Spot) -> float:
    """Positive if two objects stand apart on the floor and beside each other in the picture."""
    reach = first.radius + second.radius
    apart = math.dist(here, there) - 1.1 * reach - 0.08
    beside = abs(here[0] - there[0]) - 0.75 * reach
    return min(apart, beside)


def _plan_hit(
    rng: np.random.Generator, config: WorldConfig, plans: Sequence[_Plan], spots: list[Spot]
) -> None:
    """Often aim one moving object at one that waits."""
    movers = [i for i, plan in enumerate(plans) if plan.moves_in or plan.behaviour == "falls"]
    waiting = [i for i, plan in enumerate(plans) if plan.behaviour in ("rests", "spins")]
    if not movers or rng.random() >= config.hit_probability:
        return
    mover = _pick(rng, movers)
    if not waiting:
        waiting = [i for i in range(len(plans)) if i != mover]
        if not waiting:
            return
    target = _pick(rng, waiting)
    if plans[target].behaviour not in ("rests", "spins"):
        plans[target].behaviour = "rests"
    if plans[mover].behaviour == "falls" and rng.random() < 0.5:
        return
    plans[mover].target = target
    spots[mover] = spots[target]


def _place(rng: np.random.Generator, stage: _Stage, plan: _Plan, spot: Spot, duration: float) -> ObjectSpec:
    match plan.behaviour:
        case "falls":
            return _falling(rng, stage, plan, spot, duration)
        case "rolls_in" | "slides_in":
            return _entering(rng, stage, plan, spot, duration)
        case _:
            return _standing(rng, stage, plan, spot)


def _object(
    rng: np.random.Generator,
    stage: _Stage,
    plan: _Plan,
    *,
    position: Vector,
    rotation: Floats,
    velocity: Vector = (0.0, 0.0, 0.0),
    angular_velocity: Vector = (0.0, 0.0, 0.0),
) -> ObjectSpec:
    """An object from stage coordinates."""
    columns = [stage.to_world(*map(float, rotation[:, column])) for column in range(3)]
    rows = [(columns[0][i], columns[1][i], columns[2][i]) for i in range(3)]
    look = plan.look
    return ObjectSpec(
        shape=look.shape,
        colour=look.colour,
        material=look.material,
        size=look.size,
        extent=look.extent,
        position=stage.to_world(*position),
        rotation=(rows[0], rows[1], rows[2]),
        velocity=stage.to_world(*velocity),
        angular_velocity=stage.to_world(*angular_velocity),
        behaviour=plan.behaviour,
        texture_phase=float(rng.random()),
    )


def turn(axis: Sequence[float] | Floats, angle: float) -> Floats:
    """The rotation (3 3) by `angle` radians about `axis`."""
    x, y, z = np.asarray(axis, dtype=float) / np.linalg.norm(axis)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    rotation: Floats = np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * (cross @ cross)
    return rotation


def _lying(heading: float) -> Floats:
    """Turns the solid's own axis z to lie on the floor, pointing to `heading` (0 is right)."""
    return turn((0, 0, 1), heading) @ turn((0, 1, 0), math.pi / 2)


def _upright(rng: np.random.Generator) -> Floats:
    return turn((0, 0, 1), rng.uniform(0, 2 * math.pi))


def _any_rotation(rng: np.random.Generator) -> Floats:
    return turn(rng.normal(size=3), rng.uniform(0, math.pi))


def _resting_pose(rng: np.random.Generator, shape: Shape, *, spinning: bool = False) -> Floats:
    """A pose in which the solid can rest and in which its shape is plain to see."""
    side = float(rng.choice([-1, 1]))
    match shape:
        case "sphere":
            return _any_rotation(rng)
        case "capsule":
            return _lying(rng.uniform(-0.75, 0.75)) @ _upright(rng)
        case "cylinder":
            if spinning or rng.random() < 0.3:
                return _lying(side * rng.uniform(0.35, 0.85)) @ _upright(rng)
            return _upright(rng)
        case "ring":
            if spinning or rng.random() < 0.5:  # standing on its rim, its axis towards the camera
                return _lying(side * math.pi / 2 + rng.uniform(-0.8, 0.8)) @ _upright(rng)
            return _upright(rng)
        case _:
            return _upright(rng)


def _standing(rng: np.random.Generator, stage: _Stage, plan: _Plan, spot: Spot) -> ObjectSpec:
    spinning = plan.behaviour == "spins"
    rotation = _resting_pose(rng, plan.look.shape, spinning=spinning)
    height = resting_height(plan.look.shape, plan.look.extent, rotation)
    spin = float(rng.choice([-1, 1]) * rng.uniform(3.5, 7.5)) if spinning else 0.0
    return _object(
        rng,
        stage,
        plan,
        position=(*spot, height),
        rotation=rotation,
        angular_velocity=(0.0, 0.0, spin),
    )


def _falling(rng: np.random.Generator, stage: _Stage, plan: _Plan, spot: Spot, duration: float) -> ObjectSpec:
    look = plan.look
    tilt = turn((math.cos(angle := rng.uniform(0, 2 * math.pi)), math.sin(angle), 0), abs(rng.normal(0, 0.2)))
    rotation = tilt @ _resting_pose(rng, look.shape)
    top = stage.edge(0.0, above=True) + 0.3 * spot[1]
    clearance = float(rng.uniform(0.8, max(0.9, top - 2.0 * look.extent)))
    if duration > 0.7 and rng.random() < 0.2:
        clearance = float(top + rng.uniform(-0.2, 0.5))  # enters from above the frame
    height = resting_height(look.shape, look.extent, rotation) + clearance
    if plan.target is not None:
        height += 0.5
    offset = rng.normal(0, 0.06, 2) if plan.target is not None else (0.0, 0.0)
    moving = 1.0 if duration > 0 else 0.0
    drift, swing = moving * rng.normal(0, 0.15, 2), moving * rng.normal(0, 0.7, 3)
    return _object(
        rng,
        stage,
        plan,
        position=(spot[0] + float(offset[0]), spot[1] + float(offset[1]), height),
        rotation=rotation,
        velocity=(float(drift[0]), float(drift[1]), 0.0),
        angular_velocity=(float(swing[0]), float(swing[1]), float(swing[2])),
    )


def _entry_sides(plan: _Plan) -> tuple[Direction, ...]:
    """Sides from which a solid may come in so that its shape is seen: never the end of a capsule."""
    shape = plan.look.shape
    if plan.behaviour == "rolls_in":
        if shape in ("capsule", "cylinder"):
            return ("front", "front", "back")
        if shape == "ring":
            return ("left", "right")
    elif shape == "capsule":  # across its axis it would roll
        return ("left", "right")
    return ("left", "right", "left", "right", "front", "back")


# Where an object travels to, as an angle on the stage, if it comes from that side.
_HEADING: Final[dict[Direction, float]] = {
    "left": 0.0,
    "right": math.pi,
    "front": math.pi / 2,
    "back": -math.pi / 2,
}


def _entering(
    rng: np.random.Generator, stage: _Stage, plan: _Plan, spot: Spot, duration: float
) -> ObjectSpec:
    look = plan.look
    side = _pick(rng, _entry_sides(plan))
    rotation = _entering_pose(rng, plan, _HEADING[side])
    height = resting_height(look.shape, look.extent, rotation)
    distance = _entry_distance(rng, stage, plan, spot, height, side)
    heading = _HEADING[side] + float(rng.uniform(-0.2, 0.2)) * (0.5 if plan.target is not None else 1.0)
    ahead = (math.cos(heading), math.sin(heading))
    rotation = turn((0, 0, 1), heading - _HEADING[side]) @ rotation
    speed = _entry_speed(rng, plan, distance, duration)
    rolling = speed / height if plan.behaviour == "rolls_in" else 0.0
    return _object(
        rng,
        stage,
        plan,
        position=(spot[0] - distance * ahead[0], spot[1] - distance * ahead[1], height),
        rotation=rotation,
        velocity=(speed * ahead[0], speed * ahead[1], 0.0),
        # Rolling forwards turns about the axis that lies to the left of the heading.
        angular_velocity=(-ahead[1] * rolling, ahead[0] * rolling, 0.0),
    )


def _entering_pose(rng: np.random.Generator, plan: _Plan, heading: float) -> Floats:
    shape = plan.look.shape
    if plan.behaviour == "rolls_in":
        if shape == "sphere":
            return _any_rotation(rng)
        return _lying(heading + math.pi / 2) @ _upright(rng)
    if shape == "capsule":
        return _lying(heading) @ _upright(rng)
    if shape == "cube":
        return turn((0, 0, 1), heading + rng.uniform(-0.6, 0.6))
    return _upright(rng)


def _entry_distance(
    rng: np.random.Generator, stage: _Stage, plan: _Plan, spot: Spot, height: float, side: Direction
) -> float:
    """How far from its spot the object starts: half in the frame, or just outside."""
    outside = float(rng.uniform(-0.3, 0.9)) * plan.radius
    if side in ("left", "right"):
        edge = stage.half_width(spot[1], height)
        return edge + outside + (spot[0] if side == "left" else -spot[0])
    if side == "front":
        return spot[1] - stage.edge(height, above=False) + outside
    return float(rng.uniform(2.0, 3.0)) - spot[1]


def _entry_speed(rng: np.random.Generator, plan: _Plan, distance: float, duration: float) -> float:
    seconds = float(rng.uniform(0.75, 1.3)) * min(max(duration / 2, 0.6), 1.25)
    if plan.behaviour == "rolls_in":
        return min(max(distance / seconds, 1.3), 4.0)
    # Friction stops what slides: choose how far it gets.
    reach = distance + (0.9 if plan.target is not None else float(rng.uniform(-0.2, 0.5)))
    deceleration = SLIDING_FRICTION[plan.look.material] * GRAVITY
    return math.sqrt(2 * deceleration * max(reach, 0.8))

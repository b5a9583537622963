"""Rigid-body physics with MuJoCo: from a scene to the trajectory of every object and every contact."""

import os
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

# No window and no GL driver is ever needed here; MuJoCo looks for one unless told not to.
os.environ.setdefault("MUJOCO_GL", "disable")

import mujoco
from mujoco import rollout

from tenku.worlds.scene import GRAVITY, SLIDING_FRICTION, ObjectSpec, Scene
from tenku.worlds.shapes import Floats, cone_vertices, dimensions
from tenku.worlds.vocabulary import Material

FLOOR: Final = -1  # the floor as a partner of contacts
MAX_STEP_SECONDS: Final = 1 / 1024
RING_SEGMENTS: Final = 24
MIN_CONTACT_GAP: Final = 0.03  # s; contacts that resume sooner are the same contact
MIN_CONTACT_SPEED: Final = 0.1  # m/s by which a contact must change the lighter partner's velocity
_IMPULSE_SECONDS: Final = 0.015  # over which the force of a contact is summed

_DENSITY: Final[dict[Material, float]] = {"metal": 2700.0, "rubber": 1100.0, "wood": 700.0}  # kg/m³
# MuJoCo's direct contact model: stiffness 1/s² and damping 1/s, both per unit of mass. The damping ratio
# ζ = damping / (2 √stiffness) gives a restitution near exp(−πζ / √(1−ζ²)).
_STIFFNESS: Final = 9e4
_DAMPING_RATIO: Final[dict[Material, float]] = {"metal": 0.6, "rubber": 0.06, "wood": 0.26}


@dataclass(frozen=True, kw_only=True, slots=True)
class Contact:
    """Two things touch: when (s), which objects (`second` may be FLOOR), and how hard (N·s)."""

    seconds: float
    first: int
    second: int
    impulse: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Trajectory:
    """How `n` objects move over `t` frames, in world coordinates and SI units.

    positions (t n 3), rotations (t n 3 3), velocities and angular_velocities (t n 3), masses (n).
    """

    fps: float
    positions: Floats
    rotations: Floats
    velocities: Floats
    angular_velocities: Floats
    masses: Floats
    contacts: tuple[Contact, ...] = ()

    @property
    def num_frames(self) -> int:
        """Number of frames, the first one included."""
        return len(self.positions)


def simulate(scene: Scene, num_frames: int, fps: float) -> Trajectory:
    """Let the scene run for `num_frames` frames; the first frame is the scene as it was planned."""
    if num_frames == 1:
        return _motionless(scene, fps)
    model, data = build_model(scene, fps)
    steps_per_frame = round(1 / (fps * model.opt.timestep))
    states, forces = _run(model, data, (num_frames - 1) * steps_per_frame)
    frames = states[::steps_per_frame]
    count = len(scene.objects)
    # A full physics state is time, then positions and quaternions, then velocities.
    poses = frames[:, 1 : 1 + 7 * count].reshape(-1, count, 7)
    speeds = frames[:, 1 + 7 * count : 1 + 13 * count].reshape(-1, count, 6)
    rotations = _matrices(poses[..., 3:])
    masses = np.array(model.body_mass[1:])
    return Trajectory(
        fps=fps,
        positions=np.ascontiguousarray(poses[..., :3]),
        rotations=rotations,
        velocities=np.ascontiguousarray(speeds[..., :3]),
        angular_velocities=np.einsum("tnij,tnj->tni", rotations, speeds[..., 3:]),
        masses=masses,
        contacts=_contacts(forces, masses, model.opt.timestep),
    )


def _motionless(scene: Scene, fps: float) -> Trajectory:
    objects = scene.objects
    return Trajectory(
        fps=fps,
        positions=np.array([[thing.position for thing in objects]]),
        rotations=np.array([[thing.rotation for thing in objects]]),
        velocities=np.array([[thing.velocity for thing in objects]]),
        angular_velocities=np.array([[thing.angular_velocity for thing in objects]]),
        masses=np.ones(len(objects)),
    )


def build_model(scene: Scene, fps: float) -> tuple[Any, Any]:
    """The MuJoCo model and data of a scene, at its first frame."""
    steps_per_frame = int(np.ceil(1 / (fps * MAX_STEP_SECONDS) - 1e-9))
    model = mujoco.MjModel.from_xml_string(_xml(scene, 1 / (fps * steps_per_frame)))
    data = mujoco.MjData(model)
    for index, thing in enumerate(scene.objects):
        rotation = np.array(thing.rotation)
        data.qvel[6 * index : 6 * index + 3] = thing.velocity
        data.qvel[6 * index + 3 : 6 * index + 6] = rotation.T @ np.array(thing.angular_velocity)
    return model, data


def _pairs(count: int) -> list[tuple[int, int]]:
    """Who may touch whom: every object the floor, and every other object."""
    return [(i, FLOOR) for i in range(count)] + [(j, i) for i in range(count) for j in range(i)]


def _xml(scene: Scene, timestep: float) -> str:
    count = len(scene.objects)
    bodies = "".join(_body_xml(index, thing) for index, thing in enumerate(scene.objects))
    meshes = "".join(
        f'<mesh name="m{index}" vertex="{_numbers(cone_vertices(thing.extent).ravel())}"/>'
        for index, thing in enumerate(scene.objects)
        if thing.shape == "cone"
    )
    sensors = "".join(_sensor_xml(first, second) for first, second in _pairs(count))
    return (
        f'<mujoco><option timestep="{timestep!r}" cone="elliptic" integrator="implicitfast"/>'
        f"<asset>{meshes}</asset><worldbody>"
        f'<geom name="floor" type="plane" size="50 50 1"/>{bodies}</worldbody>'
        f"<sensor>{sensors}</sensor></mujoco>"
    )


def _sensor_xml(first: int, second: int) -> str:
    partner = 'geom2="floor"' if second == FLOOR else f'body2="o{second}"'
    return f'<contact body1="o{first}" {partner} data="force" reduce="netforce" num="1"/>'


def _numbers(values: Any) -> str:
    return " ".join(f"{float(value):.9g}" for value in values)


def _body_xml(index: int, thing: ObjectSpec) -> str:
    quaternion = np.empty(4)
    mujoco.mju_mat2Quat(quaternion, np.array(thing.rotation).ravel())
    damping = 2 * _DAMPING_RATIO[thing.material] * np.sqrt(_STIFFNESS)
    # A top needs a smooth tip: with ordinary friction nothing would turn on the spot for long.
    friction = 0.004 if thing.behaviour == "spins" else SLIDING_FRICTION[thing.material]
    priority = 2 if thing.behaviour == "spins" else 1
    surface = (
        f'density="{_DENSITY[thing.material]}" friction="{friction} 0.005 0.0001" condim="3"'
        f' solref="{-_STIFFNESS} {-damping:.9g}" solimp="0.95 0.99 0.001" priority="{priority}"'
    )
    return (
        f'<body name="o{index}" pos="{_numbers(thing.position)}" quat="{_numbers(quaternion)}"><freejoint/>'
        + "".join(f"<geom {geometry} {surface}/>" for geometry in _geometries(index, thing))
        + "</body>"
    )


def _geometries(index: int, thing: ObjectSpec) -> list[str]:
    a, b, c = dimensions(thing.shape, thing.extent)
    match thing.shape:
        case "sphere":
            return [f'type="sphere" size="{a}"']
        case "cube":
            return [f'type="box" size="{a} {b} {c}"']
        case "cylinder":
            return [f'type="cylinder" size="{a} {b}"']
        case "capsule":
            return [f'type="capsule" size="{a} {b}"']
        case "cone":
            return [f'type="mesh" mesh="m{index}"']
        case "ring":
            return _ring_geometries(a, b)


def _ring_geometries(radius: float, tube: float) -> list[str]:
    """Capsules along the ring's circle: a convex hull would close the hole."""
    angle = np.arange(RING_SEGMENTS + 1) * (2 * np.pi / RING_SEGMENTS)
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    return [
        f'type="capsule" size="{tube}" fromto="{_numbers((x[i], y[i], 0, x[i + 1], y[i + 1], 0))}"'
        for i in range(RING_SEGMENTS)
    ]


def _run(model: Any, data: Any, num_steps: int) -> tuple[Floats, Floats]:
    """All states (steps + 1, …), the initial one first, and contact forces (steps, pairs) in newtons."""
    signature = mujoco.mjtState.mjSTATE_FULLPHYSICS
    initial = np.empty(mujoco.mj_stateSize(model, signature))
    mujoco.mj_getState(model, data, initial, signature)
    states, sensors = rollout.rollout(model, data, initial[None], nstep=num_steps)
    forces = np.linalg.norm(sensors[0].reshape(num_steps, -1, 3), axis=-1)
    return np.concatenate([initial[None], states[0]]), forces


def _contacts(forces: Floats, masses: Floats, timestep: float) -> tuple[Contact, ...]:
    """Contacts that begin during the shot and change a velocity; resting and chattering are none."""
    # What touches so early has stood there from the start and only settles.
    gap = round(MIN_CONTACT_GAP / timestep)
    window = round(_IMPULSE_SECONDS / timestep)
    found: list[Contact] = []
    for (first, second), force in zip(_pairs(len(masses)), forces.T, strict=True):
        touching = np.flatnonzero(force > 0)
        if not len(touching):
            continue
        lighter = masses[first] if second == FLOOR else min(masses[first], masses[second])
        begins = touching[np.diff(touching, prepend=-gap - 1) > gap]
        total = np.concatenate([[0.0], np.cumsum(force)]) * timestep
        for step in begins[begins > gap]:
            end = min(step + window, len(force))
            # The floor also carries the object's weight, which is no blow.
            weight = lighter * GRAVITY * timestep * (end - step) if second == FLOOR else 0.0
            impulse = float(total[end] - total[step]) - weight
            if impulse / lighter >= MIN_CONTACT_SPEED:
                found.append(
                    Contact(seconds=float(step * timestep), first=first, second=second, impulse=impulse)
                )
    return tuple(sorted(found, key=lambda contact: contact.seconds))


def _matrices(quaternions: Floats) -> Floats:
    """Rotation matrices (… 3 3) of unit quaternions (… 4), scalar first."""
    w, x, y, z = np.moveaxis(quaternions, -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, -1) for row in rows], -2)

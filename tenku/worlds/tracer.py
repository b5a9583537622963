"""A small ray tracer for simulated scenes, compiled by numba: solids as signed distance fields.

Primary rays find which object each pixel sees; pixels on edges are then shaded with four rays, all others
with one. Shadows, ambient occlusion and reflections march the same distance fields.

All kernels live in this one file, because numba's cache on disk only notices changes of the file a kernel is
in. They never allocate, release the GIL, and use one thread. Tables instead of objects keep them fast:

objects (n OBJECT_COLUMNS)  one row per solid and frame, columns below
cameras (14)                position, right, up, forward, tan(half width), tan(half height)
scenery (SCENERY_COLUMNS)   light, sky and floor, columns below
"""

import math
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from tenku.worlds.shapes import Floats

Kernel = TypeVar("Kernel", bound=Callable[..., Any])
Colour3 = tuple[float, float, float]

# Columns of the table of objects.
POSITION: Final = 0  # 3
ROTATION: Final = 3  # 9, rows of the matrix from the solid's own frame to the world
SIZE: Final = 12  # 3 dimensions, see shapes.py, then the cone's precomputed 1/slope²
BOUND: Final = 16  # radius of the bounding sphere
KIND: Final = 17
ALBEDO: Final = 18  # 3, linear
METALNESS: Final = 21
ROUGHNESS: Final = 22
TEXTURE: Final = 23
PHASE: Final = 24  # shifts the texture, so that no two pieces of wood are alike
SHADOW: Final = 25  # 2, metres by which its shadow is cast from beside it: none where physics holds
OBJECT_COLUMNS: Final = 27

# Kinds of solids, in the order of vocabulary.SHAPES.
SPHERE: Final = 0
CUBE: Final = 1
CYLINDER: Final = 2
CONE: Final = 3
CAPSULE: Final = 4
RING: Final = 5

# Textures of solids.
UNIFORM: Final = 0
STRIPES: Final = 1
GRAIN: Final = 2

# Columns of the scenery.
LIGHT: Final = 0  # 3, unit vector towards the lamp
LIGHT_COLOUR: Final = 3  # 3
FILL: Final = 6  # 3, unit vector towards the fill light
SKY_LOW: Final = 9  # 3, background and horizon
SKY_HIGH: Final = 12  # 3
HARDNESS: Final = 15  # of shadows
AMBIENT: Final = 16
FALLOFF: Final = 17  # of the lamp's light away from the middle, 1/m²
PATTERN: Final = 18
FLOOR_FIRST: Final = 19  # 3, linear
FLOOR_SECOND: Final = 22  # 3
PATTERN_SCALE: Final = 25  # 1/m
GLOSS: Final = 26
FOG: Final = 27  # metres at which the floor begins to fade into the background
SCENERY_COLUMNS: Final = 28

# Patterns of the floor.
PLAIN: Final = 0
CHECKERBOARD: Final = 1
PLANKS: Final = 2

CAMERA_COLUMNS: Final = 14
EDGE_ROUNDING: Final = 0.02  # m
_TILE: Final = 8
_FAR: Final = 1e9
_HIT: Final = 0.0015
_TONE_STEPS: Final = 4096
_TONE_MAX: Final = 8.0


def _compile(function: Kernel, **options: Any) -> Kernel:
    """Compile with numba, cached on disk where a cache can be written, and keep the type for mypy."""
    options |= {"fastmath": True, "nogil": True, "error_model": "numpy"}
    try:
        return cast(Kernel, numba.njit(cache=True, **options)(function))
    except RuntimeError:  # no writable place for the cache
        return cast(Kernel, numba.njit(**options)(function))


def kernel(function: Kernel) -> Kernel:
    """A function that becomes part of whatever loop calls it: that alone makes frames twice as fast."""
    return _compile(function, forceinline=True)


def loop(function: Kernel) -> Kernel:
    """A loop over pixels or frames, compiled on its own so that the registers suffice for its inside."""
    return _compile(function)


def tone_curve() -> Floats:
    """sRGB values 0…255 for linear light, indexed by the square root of light / 8 times 4096."""
    light = np.linspace(0.0, 1.0, _TONE_STEPS + 1) ** 2 * _TONE_MAX
    filmic = light * (2.51 * light + 0.03) / (light * (2.43 * light + 0.59) + 0.14)
    curve: Floats = np.minimum(filmic, 1.0) ** (1 / 2.2) * 255.0
    return curve


# --- distance fields ---------------------------------------------------------------------------------------


@kernel
def distance(
    kind: int, x: float, y: float, z: float, a: float, b: float, c: float, cone_scale: float
) -> float:
    """Signed distance from a point in the solid's own frame to its surface (a lower bound for cones)."""
    if kind == SPHERE:
        return math.sqrt(x * x + y * y + z * z) - a
    if kind == CUBE:
        beyond_x = abs(x) - (a - EDGE_ROUNDING)
        beyond_y = abs(y) - (b - EDGE_ROUNDING)
        beyond_z = abs(z) - (c - EDGE_ROUNDING)
        out_x, out_y, out_z = max(beyond_x, 0.0), max(beyond_y, 0.0), max(beyond_z, 0.0)
        inside = min(max(beyond_x, max(beyond_y, beyond_z)), 0.0)
        return math.sqrt(out_x * out_x + out_y * out_y + out_z * out_z) + inside - EDGE_ROUNDING
    radius = math.sqrt(x * x + y * y)
    if kind == CYLINDER:
        beyond_side, beyond_end = radius - (a - EDGE_ROUNDING), abs(z) - (b - EDGE_ROUNDING)
        out_side, out_end = max(beyond_side, 0.0), max(beyond_end, 0.0)
        return (
            min(max(beyond_side, beyond_end), 0.0)
            + math.sqrt(out_side * out_side + out_end * out_end)
            - EDGE_ROUNDING
        )
    if kind == CONE:
        return _cone_distance(radius, z, a, b, cone_scale)
    if kind == CAPSULE:
        beyond = max(abs(z) - b, 0.0)
        return math.sqrt(radius * radius + beyond * beyond) - a
    from_circle = radius - a
    return math.sqrt(from_circle * from_circle + z * z) - b


@kernel
def _cone_distance(radius: float, z: float, base: float, height: float, scale: float) -> float:
    """Exact distance to a cone (its axis at radius 0), its edges rounded by shrinking and growing back."""
    rounding = 0.5 * EDGE_ROUNDING
    base -= 2.0 * rounding
    bottom, top = -0.25 * height + rounding, 0.75 * height - 2.5 * rounding
    slope_r, slope_z = -base, top - bottom
    # Nearest point of the bottom disc.
    disc_r, disc_z = radius - min(radius, base), z - bottom
    # Nearest point of the slope, from the rim (0) to the tip (1).
    along = ((radius - base) * slope_r + (z - bottom) * slope_z) * scale
    along = min(1.0, max(0.0, along))
    side_r, side_z = radius - base - slope_r * along, z - bottom - slope_z * along
    squared = min(disc_r * disc_r + disc_z * disc_z, side_r * side_r + side_z * side_z)
    inside = z > bottom and (radius - base) * slope_z - (z - bottom) * slope_r < 0.0
    return (-1.0 if inside else 1.0) * math.sqrt(squared) - rounding


def cone_scale(base: float, height: float) -> float:
    """What `distance` needs to know about a cone: one over the squared length of its slope."""
    rounding = 0.5 * EDGE_ROUNDING
    base = base - 2.0 * rounding
    rise = height - 3.5 * rounding
    return 1.0 / (base * base + rise * rise)


@kernel
def _clip_to_slab(
    o: float, d: float, low: float, high: float, near: float, far: float
) -> tuple[float, float]:
    """The part of a ray between near and far on which low ≤ o + d·t ≤ high; empty if far < near."""
    if abs(d) < 1e-9:
        d = 1e-9
    inverse = 1.0 / d
    first, second = (low - o) * inverse, (high - o) * inverse
    return max(near, min(first, second)), min(far, max(first, second))


@kernel
def _clip_to_hull(
    kind: int,
    a: float,
    b: float,
    c: float,
    ox: float,
    oy: float,
    oz: float,
    dx: float,
    dy: float,
    dz: float,
    near: float,
    far: float,
) -> tuple[float, float]:
    """The part of a ray inside the box or upright cylinder around a solid: saves marching past it."""
    if kind == CUBE:
        near, far = _clip_to_slab(ox, dx, -a, a, near, far)
        near, far = _clip_to_slab(oy, dy, -b, b, near, far)
        return _clip_to_slab(oz, dz, -c, c, near, far)
    radius, low, high = a, -b, b
    if kind == CONE:
        low, high = -0.25 * b, 0.75 * b
    elif kind == CAPSULE:
        low, high = -a - b, a + b
    elif kind == RING:
        radius = a + b
    near, far = _clip_to_slab(oz, dz, low, high, near, far)
    across = dx * dx + dy * dy + 1e-12
    half = (ox * dx + oy * dy) / across
    rest = half * half - (ox * ox + oy * oy - radius * radius) / across
    if rest < 0.0:
        return 1.0, -1.0
    root = math.sqrt(rest)
    return max(near, -half - root), min(far, -half + root)


@kernel
def _march(
    kind: int,
    a: float,
    b: float,
    c: float,
    scale: float,
    ox: float,
    oy: float,
    oz: float,
    dx: float,
    dy: float,
    dz: float,
    near: float,
    far: float,
) -> float:
    """Where a ray in the solid's own frame enters it, or −1."""
    if kind == SPHERE:
        half = ox * dx + oy * dy + oz * dz
        rest = half * half - (ox * ox + oy * oy + oz * oz - a * a)
        if rest < 0.0:
            return -1.0
        t = -half - math.sqrt(rest)
        return t if t > 1e-3 else -1.0
    near, far = _clip_to_hull(kind, a, b, c, ox, oy, oz, dx, dy, dz, near, far)
    if far < near:
        return -1.0
    t = near
    for _ in range(32):
        step = distance(kind, ox + dx * t, oy + dy * t, oz + dz * t, a, b, c, scale)
        if step < _HIT:
            return t
        t += step
        if t > far:
            return -1.0
    return -1.0


@kernel
def _trace_object(
    objects: Floats,
    i: int,
    ox: float,
    oy: float,
    oz: float,
    dx: float,
    dy: float,
    dz: float,
    limit: float,
) -> float:
    """Distance along a ray at which it meets object i, or −1 if it does not before `limit`."""
    px, py, pz = ox - objects[i, 0], oy - objects[i, 1], oz - objects[i, 2]
    bound = objects[i, BOUND]
    half = px * dx + py * dy + pz * dz
    rest = half * half - (px * px + py * py + pz * pz - bound * bound)
    if rest < 0.0:
        return -1.0
    root = math.sqrt(rest)
    near, far = -half - root, -half + root
    if far < 1e-3 or near > limit:
        return -1.0
    m0, m1, m2 = objects[i, 3], objects[i, 4], objects[i, 5]
    m3, m4, m5 = objects[i, 6], objects[i, 7], objects[i, 8]
    m6, m7, m8 = objects[i, 9], objects[i, 10], objects[i, 11]
    return _march(
        int(objects[i, KIND]),
        objects[i, 12],
        objects[i, 13],
        objects[i, 14],
        objects[i, 15],
        m0 * px + m3 * py + m6 * pz,
        m1 * px + m4 * py + m7 * pz,
        m2 * px + m5 * py + m8 * pz,
        m0 * dx + m3 * dy + m6 * dz,
        m1 * dx + m4 * dy + m7 * dz,
        m2 * dx + m5 * dy + m8 * dz,
        max(near, 1e-3),
        min(far, limit),
    )


@kernel
def _trace(
    objects: Floats,
    candidates: NDArray[np.int64],
    count: int,
    ox: float,
    oy: float,
    oz: float,
    dx: float,
    dy: float,
    dz: float,
    skip: int,
    limit: float,
) -> tuple[int, float]:
    """The first of `count` candidate objects that a ray meets (−1: none) and how far away it is."""
    best, found = limit, -1
    for k in range(count):
        i = candidates[k]
        if i == skip:
            continue
        t = _trace_object(objects, i, ox, oy, oz, dx, dy, dz, best)
        if t > 0.0 and t < best:
            best, found = t, i
    return found, best


# --- light -------------------------------------------------------------------------------------------------


@kernel
def _march_shadow(
    objects: Floats,
    i: int,
    ox: float,
    oy: float,
    oz: float,
    dx: float,
    dy: float,
    dz: float,
    near: float,
    far: float,
    hardness: float,
) -> float:
    """How closely a ray passes object i, −1 (through it) … 1 (far from it), seen from its origin."""
    kind = int(objects[i, KIND])
    a, b, c, scale = objects[i, 12], objects[i, 13], objects[i, 14], objects[i, 15]
    closest, t = 1.0, near
    for _ in range(18):
        h = distance(kind, ox + dx * t, oy + dy * t, oz + dz * t, a, b, c, scale)
        closest = min(closest, hardness * h / t)
        if closest < -1.0:
            return -1.0
        t += min(max(abs(h), 0.025), 0.35)
        if t > far:
            break
    return closest


@kernel
def _light_past_object(
    objects: Floats, i: int, x: float, y: float, z: float, scenery: Floats, start: float
) -> float:
    """Share of the lamp's light that reaches a point past object i."""
    lx, ly, lz, hardness = scenery[0], scenery[1], scenery[2], scenery[HARDNESS]
    px, py, pz = x - objects[i, 0] - objects[i, 25], y - objects[i, 1] - objects[i, 26], z - objects[i, 2]
    nearest = -(px * lx + py * ly + pz * lz)
    bound = objects[i, BOUND]
    if nearest < -bound:
        return 1.0
    reach = bound + max(nearest, 0.0) / hardness
    squared = px * px + py * py + pz * pz - nearest * nearest
    if squared > reach * reach:
        return 1.0
    if objects[i, KIND] == SPHERE:
        if nearest <= 0.0:
            return 1.0
        closest = hardness * (math.sqrt(max(squared, 0.0)) - bound * 0.99) / nearest
        closest = max(min(closest, 1.0), -1.0)
    else:
        half = math.sqrt(max(reach * reach - squared, 0.0))
        m0, m1, m2 = objects[i, 3], objects[i, 4], objects[i, 5]
        m3, m4, m5 = objects[i, 6], objects[i, 7], objects[i, 8]
        m6, m7, m8 = objects[i, 9], objects[i, 10], objects[i, 11]
        closest = _march_shadow(
            objects,
            i,
            m0 * px + m3 * py + m6 * pz,
            m1 * px + m4 * py + m7 * pz,
            m2 * px + m5 * py + m8 * pz,
            m0 * lx + m3 * ly + m6 * lz,
            m1 * lx + m4 * ly + m7 * lz,
            m2 * lx + m5 * ly + m8 * lz,
            max(nearest - half, start),
            nearest + half,
            hardness,
        )
    return float(0.25 * (1.0 + closest) * (1.0 + closest) * (2.0 - closest))


@kernel
def _lamp(objects: Floats, x: float, y: float, z: float, scenery: Floats, start: float) -> float:
    """Share of the lamp's light that reaches a point."""
    light = 1.0
    for i in range(objects.shape[0]):
        light = min(light, _light_past_object(objects, i, x, y, z, scenery, start))
        if light < 0.004:
            return 0.0
    return light


@kernel
def _ambient(
    objects: Floats, x: float, y: float, z: float, nx: float, ny: float, nz: float, skip: int
) -> float:
    """Share of the room's light that reaches a point with a normal; `skip` −1 stands for the floor."""
    near, far = 0.06, 0.32
    open_near, open_far = near, far
    if skip >= 0:
        open_near = min(open_near, z + nz * near)
        open_far = min(open_far, z + nz * far)
    for i in range(objects.shape[0]):
        if i == skip:
            continue
        px, py, pz = x - objects[i, 0], y - objects[i, 1], z - objects[i, 2]
        qx, qy, qz = px + nx * far, py + ny * far, pz + nz * far
        reach = objects[i, BOUND] + open_far
        if qx * qx + qy * qy + qz * qz > reach * reach:
            continue
        m0, m1, m2 = objects[i, 3], objects[i, 4], objects[i, 5]
        m3, m4, m5 = objects[i, 6], objects[i, 7], objects[i, 8]
        m6, m7, m8 = objects[i, 9], objects[i, 10], objects[i, 11]
        u, v, w = m0 * px + m3 * py + m6 * pz, m1 * px + m4 * py + m7 * pz, m2 * px + m5 * py + m8 * pz
        du, dv, dw = m0 * nx + m3 * ny + m6 * nz, m1 * nx + m4 * ny + m7 * nz, m2 * nx + m5 * ny + m8 * nz
        kind = int(objects[i, KIND])
        a, b, c, scale = objects[i, 12], objects[i, 13], objects[i, 14], objects[i, 15]
        h = distance(kind, u + du * far, v + dv * far, w + dw * far, a, b, c, scale)
        open_far = min(open_far, h)
        if h < far - near + 0.1:
            h = distance(kind, u + du * near, v + dv * near, w + dw * near, a, b, c, scale)
            open_near = min(open_near, h)
    return max(0.0, 1.0 - (near - open_near) * 4.6 - (far - open_far) * 1.55)


@kernel
def _sky(dx: float, dy: float, dz: float, scenery: Floats) -> Colour3:
    """What a mirror sees of the room: pale walls under a dark ceiling, which makes metal look like metal."""
    ceiling = min(1.0, max(0.0, 1.6 * dz))
    ceiling = ceiling * ceiling * (3.0 - 2.0 * ceiling)
    low, high = 1.25 * (1.0 - ceiling), 0.22 * ceiling
    glow = 0.0
    towards = dx * scenery[0] + dy * scenery[1] + dz * scenery[2]
    if towards > 0.8:
        glow += min(1.0, (towards - 0.8) * 9.0) * 2.2
    towards = dx * scenery[6] + dy * scenery[7] + dz * scenery[8]
    if towards > 0.88:
        glow += min(1.0, (towards - 0.88) * 12.0) * 0.9
    return (
        scenery[9] * low + scenery[12] * high + glow,
        scenery[10] * low + scenery[13] * high + glow,
        scenery[11] * low + scenery[14] * high + glow,
    )


# --- surfaces ----------------------------------------------------------------------------------------------


@kernel
def _checker_edge(u: float, width: float) -> float:
    """A square wave of period 2, averaged over `width` so that far squares do not flicker."""
    p, q = (u - 0.5 * width) * 0.5, (u + 0.5 * width) * 0.5
    return (abs(p - math.floor(p) - 0.5) - abs(q - math.floor(q) - 0.5)) * 2.0 / width


@kernel
def _floor_mix(x: float, y: float, width: float, scenery: Floats) -> float:
    """How much of the floor's second colour there is at a point seen with `width` metres to a pixel."""
    scale = scenery[PATTERN_SCALE]
    if scenery[PATTERN] == CHECKERBOARD:
        blur = max(width * scale, 1e-4)
        return 0.5 - 0.5 * _checker_edge(x * scale, blur) * _checker_edge(y * scale, blur)
    if scenery[PATTERN] == PLANKS:
        u = x * scale
        plank = math.floor(u)
        across = u - plank
        tone = plank * 0.754877666
        tone -= math.floor(tone)
        vein = y * 2.0 + tone * 3.7 + 0.25 * across
        vein -= math.floor(vein)
        mix = 0.22 + 0.35 * tone + 0.22 * abs(vein - 0.5)
        groove, blur = min(across, 1.0 - across), max(width * scale, 0.02)
        if groove < blur:
            mix += (1.0 - mix) * 0.6 * (1.0 - groove / blur)
        return float(mix)
    return 0.0


@kernel
def _shade_floor(
    objects: Floats, x: float, y: float, seen_from: float, scenery: Floats, pixel: float, with_ambient: bool
) -> Colour3:
    mix = _floor_mix(x, y, seen_from * pixel, scenery)
    lamp = _lamp(objects, x, y, 0.002, scenery, 0.015) * scenery[2]
    lamp /= 1.0 + (x * x + y * y) * scenery[FALLOFF]
    room = scenery[AMBIENT]
    if with_ambient:
        room *= _ambient(objects, x, y, 0.0, 0.0, 0.0, 1.0, -1)
    keep = 1.0 - mix
    return (
        (scenery[19] * keep + scenery[22] * mix)
        * (scenery[3] * lamp + (0.35 * scenery[12] + 0.1 * scenery[9]) * room),
        (scenery[20] * keep + scenery[23] * mix)
        * (scenery[4] * lamp + (0.35 * scenery[13] + 0.1 * scenery[10]) * room),
        (scenery[21] * keep + scenery[24] * mix)
        * (scenery[5] * lamp + (0.35 * scenery[14] + 0.1 * scenery[11]) * room),
    )


@kernel
def _local_point(objects: Floats, i: int, x: float, y: float, z: float) -> Colour3:
    px, py, pz = x - objects[i, 0], y - objects[i, 1], z - objects[i, 2]
    return (
        objects[i, 3] * px + objects[i, 6] * py + objects[i, 9] * pz,
        objects[i, 4] * px + objects[i, 7] * py + objects[i, 10] * pz,
        objects[i, 5] * px + objects[i, 8] * py + objects[i, 11] * pz,
    )


@kernel
def _normal(objects: Floats, i: int, u: float, v: float, w: float) -> Colour3:
    """World normal of object i at a point of its own frame."""
    kind = int(objects[i, KIND])
    a, b, c, scale = objects[i, 12], objects[i, 13], objects[i, 14], objects[i, 15]
    if kind == SPHERE:
        nu, nv, nw = u, v, w
    else:
        e = 0.002
        d1 = distance(kind, u + e, v - e, w - e, a, b, c, scale)
        d2 = distance(kind, u - e, v - e, w + e, a, b, c, scale)
        d3 = distance(kind, u - e, v + e, w - e, a, b, c, scale)
        d4 = distance(kind, u + e, v + e, w + e, a, b, c, scale)
        nu, nv, nw = d1 - d2 - d3 + d4, -d1 - d2 + d3 + d4, -d1 + d2 - d3 + d4
    length = 1.0 / (math.sqrt(nu * nu + nv * nv + nw * nw) + 1e-12)
    nu, nv, nw = nu * length, nv * length, nw * length
    return (
        objects[i, 3] * nu + objects[i, 4] * nv + objects[i, 5] * nw,
        objects[i, 6] * nu + objects[i, 7] * nv + objects[i, 8] * nw,
        objects[i, 9] * nu + objects[i, 10] * nv + objects[i, 11] * nw,
    )


@kernel
def _texture(objects: Floats, i: int, u: float, v: float, w: float) -> tuple[float, float]:
    """Brightness of the colour, and how much of pale wood or stripe is mixed into it."""
    texture, phase = objects[i, TEXTURE], objects[i, PHASE]
    if texture == GRAIN:
        # Year rings around a trunk that is a little askew.
        across = u * 0.92 + w * 0.39 + 0.35 + phase * 0.3
        trunk = math.sqrt(across * across + (v + 0.1 * w) * (v + 0.1 * w))
        ring = (trunk + 0.02 * math.sin(9.0 * w + 6.0 * phase)) * 9.0 + phase
        ring -= math.floor(ring)
        dark = ring * ring * (1.0 - ring) * 6.75  # slow rise, sharp fall, as late wood has it
        return 1.0 - 0.5 * dark, 0.02
    if texture == STRIPES:
        # Three meridians: rolling and turning are seen without hiding the colour.
        radius_squared = u * u + v * v
        if radius_squared < 1e-8:
            return 1.0, 0.0
        # cos(3φ) without trigonometry
        cosine = u * (u * u - 3.0 * v * v) / (radius_squared * math.sqrt(radius_squared))
        stripe = min(1.0, max(0.0, (cosine - 0.80) * 12.0))
        return 1.0 + 0.55 * stripe, 0.035 * stripe
    return 1.0, 0.0


@kernel
def _shade_lite(objects: Floats, i: int, x: float, y: float, z: float, scenery: Floats) -> Colour3:
    """An object as seen in a reflection: no shadows, no texture."""
    u, v, w = _local_point(objects, i, x, y, z)
    nx, ny, nz = _normal(objects, i, u, v, w)
    lamp = max(0.0, nx * scenery[0] + ny * scenery[1] + nz * scenery[2]) * 0.9
    up = 0.5 + 0.5 * nz
    low, high = (1 - up) * 0.35 * scenery[AMBIENT], up * 0.45 * scenery[AMBIENT]
    return (
        objects[i, 18] * (scenery[3] * lamp + scenery[9] * low + scenery[12] * high),
        objects[i, 19] * (scenery[4] * lamp + scenery[10] * low + scenery[13] * high),
        objects[i, 20] * (scenery[5] * lamp + scenery[11] * low + scenery[14] * high),
    )


@kernel
def _reflection(
    objects: Floats,
    everything: NDArray[np.int64],
    i: int,
    x: float,
    y: float,
    z: float,
    rx: float,
    ry: float,
    rz: float,
    seen_from: float,
    scenery: Floats,
    pixel: float,
) -> Colour3:
    """What a ray sees that leaves object i."""
    to_floor = -z / rz if rz < -1e-3 else _FAR
    hit, t = _trace(objects, everything, objects.shape[0], x, y, z, rx, ry, rz, i, to_floor)
    if hit >= 0:
        return _shade_lite(objects, hit, x + rx * t, y + ry * t, z + rz * t, scenery)
    if to_floor > 26.0:
        return _sky(rx, ry, rz, scenery)
    red, green, blue = _shade_floor(
        objects, x + rx * to_floor, y + ry * to_floor, seen_from + to_floor, scenery, pixel, False
    )
    fog = min(1.0, max(0.0, (to_floor - 6.0) / 20.0))
    clear = 1.0 - fog
    return (
        red * clear + scenery[9] * fog,
        green * clear + scenery[10] * fog,
        blue * clear + scenery[11] * fog,
    )


@kernel
def _highlight(
    nx: float, ny: float, nz: float, dx: float, dy: float, dz: float, scenery: Floats, rough: float
) -> float:
    hx, hy, hz = scenery[0] - dx, scenery[1] - dy, scenery[2] - dz
    facing = (nx * hx + ny * hy + nz * hz) / math.sqrt(hx * hx + hy * hy + hz * hz)
    if facing < 0.7:
        return 0.0
    exponent = math.exp2(10.0 - 9.0 * rough)
    return float(math.exp(exponent * math.log(facing)) * (exponent + 8.0) * 0.048)


@kernel
def _shade_object(
    objects: Floats,
    everything: NDArray[np.int64],
    i: int,
    x: float,
    y: float,
    z: float,
    dx: float,
    dy: float,
    dz: float,
    seen_from: float,
    scenery: Floats,
    pixel: float,
) -> Colour3:
    u, v, w = _local_point(objects, i, x, y, z)
    nx, ny, nz = _normal(objects, i, u, v, w)
    metal, rough = objects[i, METALNESS], objects[i, ROUGHNESS]
    ox, oy, oz = x + nx * 0.01, y + ny * 0.01, z + nz * 0.01
    facing_lamp = nx * scenery[0] + ny * scenery[1] + nz * scenery[2]
    lamp, highlight = 0.0, 0.0
    if facing_lamp > 0.0:
        lamp = _lamp(objects, ox, oy, oz, scenery, 0.03) * facing_lamp
        if lamp > 0.0:
            highlight = _highlight(nx, ny, nz, dx, dy, dz, scenery, rough) * lamp
    room = _ambient(objects, x, y, z, nx, ny, nz, i)

    brightness, pale = _texture(objects, i, u, v, w)
    own = 1.0 - pale
    red = objects[i, 18] * brightness * own + pale * 0.9
    green = objects[i, 19] * brightness * own + pale * 0.88
    blue = objects[i, 20] * brightness * own + pale * 0.84

    up = 0.5 + 0.5 * nz
    fill = max(0.0, nx * scenery[6] + ny * scenery[7] + nz * scenery[8]) * 0.25
    bounce = (1 - up) * 0.22 * scenery[AMBIENT]
    low, high = (1 - up) * 0.35 * scenery[AMBIENT], up * 0.45 * scenery[AMBIENT]
    diffuse = (1 - metal) * 0.84 + 0.16 * metal
    plastic = 0.04 * (1 - metal) * highlight
    shine = metal * highlight
    out_red = (
        red
        * diffuse
        * (scenery[3] * lamp + (scenery[9] * low + scenery[12] * high + bounce * scenery[19] + fill) * room)
        + (plastic + red * shine) * scenery[3]
    )
    out_green = (
        green
        * diffuse
        * (scenery[4] * lamp + (scenery[10] * low + scenery[13] * high + bounce * scenery[20] + fill) * room)
        + (plastic + green * shine) * scenery[4]
    )
    out_blue = (
        blue
        * diffuse
        * (scenery[5] * lamp + (scenery[11] * low + scenery[14] * high + bounce * scenery[21] + fill) * room)
        + (plastic + blue * shine) * scenery[5]
    )

    against = -(nx * dx + ny * dy + nz * dz)
    grazing = 1.0 - max(0.0, against)
    fresnel = grazing * grazing * grazing * grazing * grazing
    mirror = metal * (1.0 - 0.6 * rough) + (0.25 * fresnel + 0.03) * (1 - rough) * (1 - metal)
    if mirror > 0.03:
        rx, ry, rz = dx + 2 * against * nx, dy + 2 * against * ny, dz + 2 * against * nz
        seen_red, seen_green, seen_blue = _reflection(
            objects, everything, i, ox, oy, oz, rx, ry, rz, seen_from, scenery, pixel
        )
        mirror *= 0.4 + 0.6 * room
        tint = metal * (1.0 - fresnel)
        out_red += mirror * seen_red * (1.0 - tint + tint * red)
        out_green += mirror * seen_green * (1.0 - tint + tint * green)
        out_blue += mirror * seen_blue * (1.0 - tint + tint * blue)
    return out_red, out_green, out_blue


@kernel
def _shade_ground(
    objects: Floats,
    everything: NDArray[np.int64],
    camera: Floats,
    dx: float,
    dy: float,
    dz: float,
    scenery: Floats,
    pixel: float,
) -> Colour3:
    """Linear light along a primary ray that meets no object: floor fading into the background."""
    if dz > -1e-4:
        return scenery[9], scenery[10], scenery[11]
    ox, oy, oz = camera[0], camera[1], camera[2]
    t = -oz / dz
    fog = min(1.0, max(0.0, (t - scenery[FOG]) / (scenery[FOG] * 1.2)))
    fog = fog * fog * (3.0 - 2.0 * fog)
    if fog >= 1.0:
        return scenery[9], scenery[10], scenery[11]
    x, y = ox + dx * t, oy + dy * t
    red, green, blue = _shade_floor(objects, x, y, t, scenery, pixel, True)
    if scenery[GLOSS] > 0.0:
        grazing = 1.0 + dz
        mirror = scenery[GLOSS] * (0.25 + 0.75 * grazing * grazing * grazing)
        other, far = _trace(objects, everything, objects.shape[0], x, y, 0.001, dx, dy, -dz, -1, _FAR)
        seen_red, seen_green, seen_blue = scenery[9], scenery[10], scenery[11]
        if other >= 0:
            seen_red, seen_green, seen_blue = _shade_lite(
                objects, other, x + dx * far, y + dy * far, -dz * far, scenery
            )
            mirror *= math.exp(0.6 * dz * far)
        red = red * (1 - mirror) + seen_red * mirror
        green = green * (1 - mirror) + seen_green * mirror
        blue = blue * (1 - mirror) + seen_blue * mirror
    clear = 1.0 - fog
    return red * clear + scenery[9] * fog, green * clear + scenery[10] * fog, blue * clear + scenery[11] * fog


@kernel
def _shade(
    objects: Floats,
    everything: NDArray[np.int64],
    camera: Floats,
    dx: float,
    dy: float,
    dz: float,
    hit: int,
    t: float,
    scenery: Floats,
    pixel: float,
) -> Colour3:
    """Linear light along a primary ray that ends at object `hit` (−1: floor or background)."""
    if hit < 0:
        return _shade_ground(objects, everything, camera, dx, dy, dz, scenery, pixel)
    x, y, z = camera[0] + dx * t, camera[1] + dy * t, camera[2] + dz * t
    return _shade_object(objects, everything, hit, x, y, z, dx, dy, dz, t, scenery, pixel)


# --- pictures ----------------------------------------------------------------------------------------------


@kernel
def _direction(camera: Floats, u: float, v: float) -> Colour3:
    """Unit vector through picture position (u right, v up, the frame being −1…1)."""
    right, up = u * camera[12], v * camera[13]
    dx = camera[9] + right * camera[3] + up * camera[6]
    dy = camera[10] + right * camera[4] + up * camera[7]
    dz = camera[11] + right * camera[5] + up * camera[8]
    length = 1.0 / math.sqrt(dx * dx + dy * dy + dz * dz)
    return dx * length, dy * length, dz * length


@kernel
def _bound_on_screen(
    camera: Floats, objects: Floats, i: int, width: int, height: int
) -> tuple[float, float, float, float]:
    """Left, right, top and bottom in pixels outside which object i cannot be seen."""
    px, py, pz = objects[i, 0] - camera[0], objects[i, 1] - camera[1], objects[i, 2] - camera[2]
    bound = objects[i, BOUND]
    depth = px * camera[9] + py * camera[10] + pz * camera[11]
    if depth < -bound:
        return _FAR, -_FAR, _FAR, -_FAR
    if depth < bound * 1.05:
        return -_FAR, _FAR, -_FAR, _FAR
    right = px * camera[3] + py * camera[4] + pz * camera[5]
    up = px * camera[6] + py * camera[7] + pz * camera[8]
    reach = bound / math.sqrt(depth * depth - bound * bound) * 1.12
    reach *= 1.0 + 0.15 * (abs(right) + abs(up)) / depth
    u, v = right / depth, up / depth
    return (
        ((u - reach) / camera[12] * 0.5 + 0.5) * width - 1,
        ((u + reach) / camera[12] * 0.5 + 0.5) * width + 1,
        (0.5 - (v + reach) / camera[13] * 0.5) * height - 1,
        (0.5 - (v - reach) / camera[13] * 0.5) * height + 1,
    )


@kernel
def _near_tile(bounds: Floats, left: int, top: int, candidates: NDArray[np.int64]) -> int:
    """Fill `candidates` with the objects that may be seen in a tile, and count them."""
    count = 0
    for i in range(bounds.shape[0]):
        if (
            bounds[i, 0] < left + _TILE + 1
            and bounds[i, 1] > left - 1
            and bounds[i, 2] < top + _TILE + 1
            and bounds[i, 3] > top - 1
        ):
            candidates[count] = i
            count += 1
    return count


@kernel
def _primary_ray(
    camera: Floats,
    objects: Floats,
    candidates: NDArray[np.int64],
    count: int,
    dx: float,
    dy: float,
    dz: float,
) -> tuple[int, float]:
    limit = -camera[2] / dz if dz < -1e-4 else _FAR
    if count == 0:
        return -1, limit
    return _trace(objects, candidates, count, camera[0], camera[1], camera[2], dx, dy, dz, -1, limit)


@kernel
def _tone(light: float, curve: Floats) -> float:
    return float(curve[int(math.sqrt(min(max(light, 0.0), 7.99) / _TONE_MAX) * _TONE_STEPS)])


@kernel
def _edge(ids: NDArray[np.int8], depths: NDArray[np.float32], objects: Floats, row: int, column: int) -> int:
    """1 if another object is next to this pixel, 2 if the pixel lies on a crease, else 0."""
    height, width = ids.shape
    if row == 0 or column == 0 or row == height - 1 or column == width - 1:
        return 0
    i = ids[row, column]
    if (
        ids[row, column - 1] != i
        or ids[row, column + 1] != i
        or ids[row - 1, column] != i
        or ids[row + 1, column] != i
    ):
        return 1
    if i < 0 or objects[i, KIND] == SPHERE or objects[i, KIND] == RING:
        return 0
    # On a flat face 1/depth changes linearly over the picture.
    here = depths[row, column]
    twice = 2.0 / here
    bend = max(
        abs(1.0 / depths[row, column - 1] + 1.0 / depths[row, column + 1] - twice),
        abs(1.0 / depths[row - 1, column] + 1.0 / depths[row + 1, column] - twice),
    )
    return 2 if bend * here > 0.004 else 0


@kernel
def _shade_middle(
    camera: Floats,
    objects: Floats,
    everything: NDArray[np.int64],
    u: float,
    v: float,
    hit: int,
    depth: float,
    scenery: Floats,
    pixel: float,
    curve: Floats,
) -> Colour3:
    """A pixel in sRGB 0…255 from the ray through its middle, whose end is known."""
    dx, dy, dz = _direction(camera, u, v)
    t = depth / (dx * camera[9] + dy * camera[10] + dz * camera[11])
    red, green, blue = _shade(objects, everything, camera, dx, dy, dz, hit, t, scenery, pixel)
    return _tone(red, curve), _tone(green, curve), _tone(blue, curve)


@kernel
def _shade_edge(
    camera: Floats,
    objects: Floats,
    everything: NDArray[np.int64],
    candidates: NDArray[np.int64],
    count: int,
    u: float,
    v: float,
    du: float,
    dv: float,
    edge: int,
    scenery: Floats,
    pixel: float,
    curve: Floats,
) -> Colour3:
    """A pixel on an edge in sRGB 0…255: the mean of four rays, `du` and `dv` apart."""
    sum_red, sum_green, sum_blue = 0.0, 0.0, 0.0
    # On an outline only one ray is shaded for every thing in the pixel: the last two are remembered.
    last, last_red, last_green, last_blue = -9, 0.0, 0.0, 0.0
    other, other_red, other_green, other_blue = -9, 0.0, 0.0, 0.0
    for sample in range(4):
        dx, dy, dz = _direction(camera, u + ((sample % 2) - 0.5) * du, v + ((sample // 2) - 0.5) * dv)
        hit, t = _primary_ray(camera, objects, candidates, count, dx, dy, dz)
        if edge == 1 and hit == last:
            red, green, blue = last_red, last_green, last_blue
        elif edge == 1 and hit == other:
            red, green, blue = other_red, other_green, other_blue
        else:
            red, green, blue = _shade(objects, everything, camera, dx, dy, dz, hit, t, scenery, pixel)
            red, green, blue = _tone(red, curve), _tone(green, curve), _tone(blue, curve)
            other, other_red, other_green, other_blue = last, last_red, last_green, last_blue
            last, last_red, last_green, last_blue = hit, red, green, blue
        sum_red, sum_green, sum_blue = sum_red + red, sum_green + green, sum_blue + blue
    return sum_red * 0.25, sum_green * 0.25, sum_blue * 0.25


@loop
def _find_surfaces(
    camera: Floats,
    objects: Floats,
    bounds: Floats,
    candidates: NDArray[np.int64],
    ids: NDArray[np.int8],
    depths: NDArray[np.float32],
) -> None:
    """Object and depth (m along the viewing axis, infinite for the background) behind each pixel's middle."""
    height, width = ids.shape
    for top in range(0, height, _TILE):
        for left in range(0, width, _TILE):
            count = _near_tile(bounds, left, top, candidates)
            for row in range(top, min(top + _TILE, height)):
                v = 1.0 - (row + 0.5) / height * 2.0
                for column in range(left, min(left + _TILE, width)):
                    dx, dy, dz = _direction(camera, (column + 0.5) / width * 2.0 - 1.0, v)
                    hit, t = _primary_ray(camera, objects, candidates, count, dx, dy, dz)
                    ids[row, column] = hit
                    along = dx * camera[9] + dy * camera[10] + dz * camera[11]
                    depths[row, column] = t * along if t < _FAR else np.inf


@loop
def _shade_bare_tile(
    camera: Floats,
    objects: Floats,
    everything: NDArray[np.int64],
    scenery: Floats,
    curve: Floats,
    left: int,
    top: int,
    frame: NDArray[np.uint8],
) -> None:
    """A tile that shows no object, only floor and background."""
    height, width = frame.shape[:2]
    pixel = 2.0 * camera[13] / height
    for row in range(top, min(top + _TILE, height)):
        v = 1.0 - (row + 0.5) / height * 2.0
        for column in range(left, min(left + _TILE, width)):
            dx, dy, dz = _direction(camera, (column + 0.5) / width * 2.0 - 1.0, v)
            red, green, blue = _shade_ground(objects, everything, camera, dx, dy, dz, scenery, pixel)
            frame[row, column, 0] = np.uint8(_tone(red, curve) + 0.5)
            frame[row, column, 1] = np.uint8(_tone(green, curve) + 0.5)
            frame[row, column, 2] = np.uint8(_tone(blue, curve) + 0.5)


@loop
def _shade_tile(
    camera: Floats,
    objects: Floats,
    everything: NDArray[np.int64],
    candidates: NDArray[np.int64],
    count: int,
    scenery: Floats,
    curve: Floats,
    left: int,
    top: int,
    ids: NDArray[np.int8],
    depths: NDArray[np.float32],
    frame: NDArray[np.uint8],
) -> None:
    height, width = ids.shape
    pixel = 2.0 * camera[13] / height  # metres to a pixel at one metre's distance
    du, dv = 1.0 / width, 1.0 / height
    for row in range(top, min(top + _TILE, height)):
        for column in range(left, min(left + _TILE, width)):
            u, v = (column + 0.5) * 2.0 * du - 1.0, 1.0 - (row + 0.5) * 2.0 * dv
            edge = _edge(ids, depths, objects, row, column)
            if edge == 0:
                hit, depth = ids[row, column], depths[row, column]
                red, green, blue = _shade_middle(
                    camera, objects, everything, u, v, hit, depth, scenery, pixel, curve
                )
            else:
                red, green, blue = _shade_edge(
                    camera, objects, everything, candidates, count, u, v, du, dv, edge, scenery, pixel, curve
                )
            frame[row, column, 0] = np.uint8(red + 0.5)
            frame[row, column, 1] = np.uint8(green + 0.5)
            frame[row, column, 2] = np.uint8(blue + 0.5)


@loop
def _shade_frame(
    camera: Floats,
    objects: Floats,
    scenery: Floats,
    curve: Floats,
    bounds: Floats,
    everything: NDArray[np.int64],
    candidates: NDArray[np.int64],
    ids: NDArray[np.int8],
    depths: NDArray[np.float32],
    frame: NDArray[np.uint8],
) -> None:
    height, width = ids.shape
    for top in range(0, height, _TILE):
        for left in range(0, width, _TILE):
            count = _near_tile(bounds, left, top, candidates)
            if count == 0:
                _shade_bare_tile(camera, objects, everything, scenery, curve, left, top, frame)
            else:
                _shade_tile(
                    camera,
                    objects,
                    everything,
                    candidates,
                    count,
                    scenery,
                    curve,
                    left,
                    top,
                    ids,
                    depths,
                    frame,
                )


@loop
def trace_frames(
    cameras: Floats,
    objects: Floats,
    scenery: Floats,
    curve: Floats,
    bounds: Floats,
    everything: NDArray[np.int64],
    candidates: NDArray[np.int64],
    ids: NDArray[np.int8],
    depths: NDArray[np.float32],
    frames: NDArray[np.uint8],
) -> None:
    """Fill frames (t h w 3), ids and depths (t h w) from cameras (t 14) and objects (t n OBJECT_COLUMNS).

    bounds (n 4), everything and candidates (n) are scratch space.
    """
    height, width = ids.shape[1:]
    for i in range(everything.shape[0]):
        everything[i] = i
    for f in range(frames.shape[0]):
        for i in range(everything.shape[0]):
            left, right, top, bottom = _bound_on_screen(cameras[f], objects[f], i, width, height)
            bounds[i, 0], bounds[i, 1], bounds[i, 2], bounds[i, 3] = left, right, top, bottom
        _find_surfaces(cameras[f], objects[f], bounds, candidates, ids[f], depths[f])
        _shade_frame(
            cameras[f],
            objects[f],
            scenery,
            curve,
            bounds,
            everything,
            candidates,
            ids[f],
            depths[f],
            frames[f],
        )


@loop
def count_visible(
    cameras: Floats,
    objects: Floats,
    height: int,
    width: int,
    visible: NDArray[np.int64],
    unoccluded: NDArray[np.int64],
) -> None:
    """Count the pixels (t n) of every object at a low resolution, with and without the others in its way."""
    count = objects.shape[1]
    for f in range(cameras.shape[0]):
        camera = cameras[f]
        for row in range(height):
            v = 1.0 - (row + 0.5) / height * 2.0
            for column in range(width):
                dx, dy, dz = _direction(camera, (column + 0.5) / width * 2.0 - 1.0, v)
                best = -camera[2] / dz if dz < -1e-4 else _FAR
                found = -1
                for i in range(count):
                    limit = -camera[2] / dz if dz < -1e-4 else _FAR
                    t = _trace_object(objects[f], i, camera[0], camera[1], camera[2], dx, dy, dz, limit)
                    if t > 0.0:
                        unoccluded[f, i] += 1
                        if t < best:
                            best, found = t, i
                if found >= 0:
                    visible[f, found] += 1

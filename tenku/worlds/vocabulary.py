"""The words of the simulated world: what an object, a floor, a camera or an event can be."""

from typing import Final, Literal, get_args

Colour = Literal["red", "blue", "green", "yellow", "purple", "cyan", "orange", "grey"]
Shape = Literal["sphere", "cube", "cylinder", "cone", "capsule", "ring"]
Material = Literal["metal", "rubber", "wood"]
Size = Literal["small", "large"]
Floor = Literal["plain", "checkerboard", "wooden"]
CameraMove = Literal["still", "orbits_left", "orbits_right", "moves_in", "moves_out"]
EventKind = Literal["falls", "bounces", "rolls_in", "slides_in", "hits", "rests", "spins"]
Direction = Literal["left", "right", "front", "back"]
RelationKind = Literal["left_of", "right_of", "in_front_of", "behind"]
Language = Literal["en", "zh"]

COLOURS: Final[tuple[Colour, ...]] = get_args(Colour)
SHAPES: Final[tuple[Shape, ...]] = get_args(Shape)
MATERIALS: Final[tuple[Material, ...]] = get_args(Material)
SIZES: Final[tuple[Size, ...]] = get_args(Size)
FLOORS: Final[tuple[Floor, ...]] = get_args(Floor)
CAMERA_MOVES: Final[tuple[CameraMove, ...]] = get_args(CameraMove)
EVENT_KINDS: Final[tuple[EventKind, ...]] = get_args(EventKind)
DIRECTIONS: Final[tuple[Direction, ...]] = get_args(Direction)
RELATION_KINDS: Final[tuple[RelationKind, ...]] = get_args(RelationKind)
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)

# Colour–shape pairs that never appear in training, so that generalisation can be measured on them.
# One per shape, each of another colour: every colour and every shape is still seen often.
HELD_OUT_PAIRS: Final[frozenset[tuple[Colour, Shape]]] = frozenset(
    {
        ("purple", "sphere"),
        ("orange", "cube"),
        ("red", "cylinder"),
        ("blue", "cone"),
        ("yellow", "capsule"),
        ("green", "ring"),
    }
)

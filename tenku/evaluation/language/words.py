"""Words of the language suite, written by hand and apart from the captions that models are trained on.

`{a}` stands for a thing at its first mention, `{the}` for it later on, `{b}` for another one.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from tenku.worlds.vocabulary import (
    CameraMove,
    Colour,
    Direction,
    EventKind,
    Floor,
    Language,
    Material,
    RelationKind,
    Shape,
)

NOUNS: Final[Mapping[Shape, tuple[str, str, str]]] = MappingProxyType(  # one, many, Chinese
    {
        "sphere": ("ball", "balls", "球"),
        "cube": ("cube", "cubes", "立方体"),
        "cylinder": ("cylinder", "cylinders", "圆柱体"),
        "cone": ("cone", "cones", "圆锥"),
        "capsule": ("capsule", "capsules", "胶囊"),
        "ring": ("ring", "rings", "圆环"),
    }
)
COLOURS_ZH: Final[Mapping[Colour, str]] = MappingProxyType(
    {
        "red": "红色",
        "blue": "蓝色",
        "green": "绿色",
        "yellow": "黄色",
        "purple": "紫色",
        "cyan": "青色",
        "orange": "橙色",
        "grey": "灰色",
    }
)
MATERIALS: Final[Mapping[Material, tuple[str, str]]] = MappingProxyType(
    {"metal": ("metal", "金属"), "rubber": ("rubber", "橡胶"), "wood": ("wooden", "木头")}
)
NUMBERS: Final = {1: ("one", "一"), 2: ("two", "两"), 3: ("three", "三"), 4: ("four", "四")}

# --- what is asked of two things ---------------------------------------------------------------------------

RELATIONS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "left_of": (
            "{a} to the left of {b}",
            "{b} stands on the right, {a} stands on the left",
            "left of {b} there is {a}",
        ),
        "right_of": (
            "{a} to the right of {b}",
            "{b} stands on the left, {a} stands on the right",
            "right of {b} there is {a}",
        ),
        "in_front_of": ("{a} in front of {b}", "{a} is nearer to the camera than {b}"),
        "behind": ("{a} behind {b}", "{a} farther from the camera than {b}"),
        "on_top_of": ("{a} on top of {b}", "{a} stacked on {b}", "{b} with {a} sitting on it"),
    }
)
RELATIONS_ZH: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "left_of": ("{a}在{b}的左边", "{b}的左边有{a}"),
        "right_of": ("{a}在{b}的右边", "{b}的右边有{a}"),
        "in_front_of": ("{a}在{b}的前面", "{b}的前面有{a}"),
        "behind": ("{a}在{b}的后面", "{b}的后面有{a}"),
        "on_top_of": ("{a}放在{b}上面", "{b}上面放着{a}"),
    }
)
INVERSE: Final[Mapping[RelationKind, RelationKind]] = MappingProxyType(
    {"left_of": "right_of", "right_of": "left_of", "in_front_of": "behind", "behind": "in_front_of"}
)
# Of two events: {x} comes first.
ORDER: Final = (
    "first {x}, then {y}",
    "{x} before {y}",
    "before {y}, {x}",
    "{y} after {x}",
    "after {x}, {y}",
    "{x}; only later {y}",
)
ORDER_ZH: Final = ("{x}，然后{y}", "首先{x}，接着{y}", "{x}之后，{y}", "在{y}之前，{x}")
CAMERA: Final[Mapping[CameraMove, tuple[str, ...]]] = MappingProxyType(
    {
        "orbits_left": ("the camera circles around to the left", "seen by a camera that orbits to the left"),
        "orbits_right": (
            "the camera circles around to the right",
            "seen by a camera that orbits to the right",
        ),
        "moves_in": ("the camera slowly pushes in", "the camera comes closer", "zooming in on them"),
        "moves_out": ("the camera slowly pulls back", "the camera moves away from them", "zooming out"),
    }
)
CAMERA_ZH: Final[Mapping[CameraMove, tuple[str, ...]]] = MappingProxyType(
    {
        "orbits_left": ("镜头向左环绕",),
        "orbits_right": ("镜头向右环绕",),
        "moves_in": ("镜头慢慢推近",),
        "moves_out": ("镜头慢慢拉远",),
    }
)
# {no} is a thing that must not be there, without an article.
ABSENT: Final = (
    "{a}, but no {no}",
    "{a} without any {no}",
    "there is no {no}, only {a}",
    "{a}; no {no} anywhere",
    "not a {no}, but {a}",
)
ABSENT_ZH: Final = ("{a}，没有{no}", "没有{no}，只有{a}", "不是{no}，而是{a}")
NOT_HAPPENING: Final[Mapping[EventKind, tuple[str, ...]]] = MappingProxyType(
    {
        "bounces": ("{a} falls and does not bounce", "{a} drops and stays down instead of bouncing"),
        "falls": ("{a} does not fall, it rests on the floor", "{a} never falls, it just sits there"),
    }
)
NOT_HAPPENING_ZH: Final[Mapping[EventKind, tuple[str, ...]]] = MappingProxyType(
    {"bounces": ("{a}落下，没有弹起",), "falls": ("{a}没有落下，静静地停着",)}
)

# --- the same in other words -------------------------------------------------------------------------------

# Every word occurs in captions, but nothing is put like this there.
KNOWN_WORDS: Final = (
    "the {noun} is {colour}. it is {made}. it {does}",
    "{colour} is the {noun}, and {made} it is. it {does}",
    "we see that the {noun} {does}. it is {colour} and {made}",
    "{size} and {colour}, the {noun} {does}",
    "it {does}: the {noun}, {colour}, {made}",
    "it is a {noun} and it is {size}. it is {colour}. it {does}",
)
MADE: Final[Mapping[Material, str]] = MappingProxyType(
    {"metal": "made of metal", "rubber": "made of rubber", "wood": "made of wood"}
)
# Verbs and turns that no caption has; colours and nouns stay.
NEW_WORDS: Final[Mapping[EventKind, tuple[str, ...]]] = MappingProxyType(
    {
        "falls": ("comes crashing down", "plummets like a stone", "descends towards the ground"),
        "bounces": ("springs back up", "hops a couple of times", "leaps off the ground again"),
        "rolls_in": ("trundles into the picture {from_}", "enters by rolling {from_}"),
        "slides_in": ("skids into the picture {from_}", "enters by gliding {from_}"),
        "hits": ("smacks into {b}", "slams against {b}", "bangs into {b}"),
        "rests": ("is parked there", "waits motionless", "never budges"),
        "spins": ("whirls on the spot", "turns like a top", "pirouettes"),
    }
)
SIDES: Final[Mapping[Direction, str]] = MappingProxyType(
    {
        "left": "from the left edge",
        "right": "from the right edge",
        "front": "from near the viewer",
        "back": "from far behind",
    }
)
SIDES_ZH: Final[Mapping[Direction, str]] = MappingProxyType(
    {"left": "从左边", "right": "从右边", "front": "从前面", "back": "从后面"}
)
FRAMES: Final = (
    "Imagine {a} that {does}",
    "In this footage {a} {does}",
    "I'd love to watch how {a} {does}",
    "Film the following: {a} {does}",
    "Our star is {a}, which {does}",
    "Render {a} as it {does}",
)

# --- five sentences ----------------------------------------------------------------------------------------

LONG_OPENINGS: Final = (
    "This is a quiet studio scene on {floor}.",
    "A clean, softly lit room with {floor} greets the viewer.",
    "The stage is {floor} under a warm lamp.",
    "Everything takes place on {floor}, with nothing else around.",
)
LONG_THINGS: Final = (
    "The first thing one notices is {a}.",
    "At the heart of the composition is {a}.",
    "All attention goes to {a}.",
)
LONG_OTHERS: Final = (
    "Beside it we find {a}.",
    "It shares the frame with {a}.",
    "There is also {a}.",
)
LONG_CAMERA: Final[Mapping[CameraMove, str]] = MappingProxyType(
    {
        "still": "The camera holds perfectly still throughout.",
        "orbits_left": "All the while the camera orbits to the left.",
        "orbits_right": "All the while the camera orbits to the right.",
        "moves_in": "All the while the camera moves in.",
        "moves_out": "All the while the camera moves out.",
    }
)
LONG_FILLERS: Final = (
    "Soft shadows lie beneath and the light is natural.",
    "The rendering is realistic, with fine detail and gentle contrast.",
    "The mood is calm and a little playful.",
)
FLOORS: Final[Mapping[Floor, str]] = MappingProxyType(
    {"plain": "a plain floor", "checkerboard": "a checkerboard floor", "wooden": "a wooden floor"}
)

# --- English with Chinese in it ----------------------------------------------------------------------------

IN_CHINESE: Final[Mapping[str, str]] = MappingProxyType(
    {
        **{str(colour): name for colour, name in COLOURS_ZH.items()},
        **{one: chinese for one, _, chinese in NOUNS.values()},
        **dict(MATERIALS.values()),
        "falls": "落下",
        "bounces": "弹起",
        "rolls in": "滚进来",
        "slides in": "滑进来",
        "hits": "撞上",
        "rests": "静静地停着",
        "spins": "旋转",
        "from the left": "从左边",
        "from the right": "从右边",
        "on a wooden floor": "在木地板上",
        "on a checkerboard floor": "在棋盘格地板上",
    }
)
LANGUAGE_NAMES: Final[Mapping[Language, str]] = MappingProxyType({"en": "English", "zh": "Chinese"})

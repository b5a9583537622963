"""The English of captions: every word the grammar can say stands in these tables, the plainest first.

A table repeats an entry to make it likelier. Verbs are "third person, plural, participle, past, past plural".
"""

from typing import Final, NamedTuple

from tenku.worlds.captions.grouping import ToldKind
from tenku.worlds.vocabulary import (
    CameraMove,
    Colour,
    Direction,
    Floor,
    Material,
    RelationKind,
    Shape,
    Size,
)


class Noun(NamedTuple):
    """Singular and plural."""

    one: str
    many: str


class Verb(NamedTuple):
    """The forms of a verb."""

    third: str
    plural: str
    participle: str
    past: str
    past_plural: str


def _verbs(*entries: str) -> tuple[Verb, ...]:
    verbs = []
    for entry in entries:
        third, plural, participle, past, *others = entry.split(" | ")
        verbs.append(Verb(third, plural, participle, past, others[0] if others else past))
    return tuple(verbs)


def _singular_verbs(*entries: str) -> tuple[Verb, ...]:
    """Verbs that are never in the plural, as "third person, participle, past"."""
    verbs = []
    for entry in entries:
        third, participle, past = entry.split(" | ")
        verbs.append(Verb(third, third, participle, past, past))
    return tuple(verbs)


COLOURS: Final[dict[Colour, tuple[str, ...]]] = {
    "red": ("red", "red", "red", "red", "crimson", "scarlet"),
    "blue": ("blue", "blue", "blue", "blue", "royal blue", "cobalt blue"),
    "green": ("green", "green", "green", "green", "emerald", "emerald green"),
    "yellow": ("yellow", "yellow", "yellow", "yellow", "bright yellow", "lemon yellow"),
    "purple": ("purple", "purple", "purple", "violet"),
    "cyan": ("cyan", "cyan", "turquoise", "teal", "aqua"),
    "orange": ("orange", "orange", "orange", "orange", "bright orange", "tangerine"),
    "grey": ("grey", "gray"),
}
SHAPES: Final[dict[Shape, tuple[Noun, ...]]] = {
    "sphere": (
        Noun("ball", "balls"),
        Noun("ball", "balls"),
        Noun("ball", "balls"),
        Noun("sphere", "spheres"),
        Noun("sphere", "spheres"),
        Noun("orb", "orbs"),
    ),
    "cube": (
        Noun("cube", "cubes"),
        Noun("cube", "cubes"),
        Noun("cube", "cubes"),
        Noun("box", "boxes"),
        Noun("block", "blocks"),
    ),
    "cylinder": (
        Noun("cylinder", "cylinders"),
        Noun("cylinder", "cylinders"),
        Noun("cylinder", "cylinders"),
        Noun("drum", "drums"),
    ),
    "cone": (Noun("cone", "cones"),),
    "capsule": (Noun("capsule", "capsules"), Noun("capsule", "capsules"), Noun("pill", "pills")),
    "ring": (
        Noun("ring", "rings"),
        Noun("ring", "rings"),
        Noun("ring", "rings"),
        Noun("hoop", "hoops"),
        Noun("torus", "toruses"),
        Noun("donut", "donuts"),
        Noun("doughnut", "doughnuts"),
    ),
}
MATERIALS: Final[dict[Material, tuple[str, ...]]] = {  # after the colour
    "metal": ("metal", "metal", "metal", "metallic", "steel"),
    "rubber": ("rubber",),
    "wood": ("wooden", "wooden", "wooden", "wood"),
}
FINISHES: Final[dict[Material, tuple[str, ...]]] = {  # before the colour
    "metal": ("metallic", "shiny", "shiny metal"),
    "rubber": ("matte", "matte rubber", "rubber"),
    "wood": ("wooden",),
}
MADE_OF: Final[dict[Material, tuple[str, ...]]] = {
    "metal": ("made of metal", "made of steel", "made from metal"),
    "rubber": ("made of rubber", "made from rubber"),
    "wood": ("made of wood", "made from wood"),
}
SIZES: Final[dict[Size, tuple[str, ...]]] = {
    "small": ("small", "small", "small", "little", "tiny"),
    "large": ("large", "large", "big", "big", "huge"),
}
COUNTS: Final[dict[int, tuple[str, ...]]] = {
    1: ("one",),
    2: ("two", "two", "two", "two", "a pair of", "2"),
    3: ("three", "three", "three", "three", "3"),
    4: ("four", "four", "four", "four", "4"),
}
PLAIN_COUNTS: Final[dict[int, str]] = {1: "one", 2: "two", 3: "three", 4: "four"}
ARTICLE: Final = "a"
ARTICLE_BEFORE_VOWEL: Final = "an"
THE: Final = "the"
ANOTHER: Final = "another"
MORE: Final = "more"
THE_OTHER: Final = "the other"
OF_THE: Final = "of the"
AND: Final = "and"
IT: Final = "it"
THEY: Final = "they"
ITS: Final = "its"

TO_BE: Final = Verb("is", "are", "being", "was", "were")
VERBS: Final[dict[ToldKind, tuple[Verb, ...]]] = {
    "falls": _verbs(
        "falls | fall | falling | fell",
        "falls | fall | falling | fell",
        "falls | fall | falling | fell",
        "drops | drop | dropping | dropped",
        "drops | drop | dropping | dropped",
        "tumbles | tumble | tumbling | tumbled",
        "plunges | plunge | plunging | plunged",
    ),
    "bounces": _verbs(
        "bounces | bounce | bouncing | bounced",
        "bounces | bounce | bouncing | bounced",
        "bounces | bounce | bouncing | bounced",
        "rebounds | rebound | rebounding | rebounded",
    ),
    "rolls_in": _verbs(
        "rolls in | roll in | rolling in | rolled in",
        "rolls in | roll in | rolling in | rolled in",
        "rolls into view | roll into view | rolling into view | rolled into view",
        "rolls into the scene | roll into the scene | rolling into the scene | rolled into the scene",
        "rolls into the frame | roll into the frame | rolling into the frame | rolled into the frame",
        "comes rolling in | come rolling in | coming rolling in | came rolling in",
    ),
    "slides_in": _verbs(
        "slides in | slide in | sliding in | slid in",
        "slides in | slide in | sliding in | slid in",
        "slides into view | slide into view | sliding into view | slid into view",
        "slides into the scene | slide into the scene | sliding into the scene | slid into the scene",
        "slides into the frame | slide into the frame | sliding into the frame | slid into the frame",
        "glides in | glide in | gliding in | glided in",
    ),
    "hits": _verbs(
        "hits | hit | hitting | hit",
        "hits | hit | hitting | hit",
        "strikes | strike | striking | struck",
        "bumps into | bump into | bumping into | bumped into",
        "collides with | collide with | colliding with | collided with",
        "knocks into | knock into | knocking into | knocked into",
        "runs into | run into | running into | ran into",
        "crashes into | crash into | crashing into | crashed into",
    ),
    "is_hit": _verbs(
        "is hit by | are hit by | being hit by | was hit by | were hit by",
        "gets hit by | get hit by | getting hit by | got hit by",
        "is struck by | are struck by | being struck by | was struck by | were struck by",
        "is bumped by | are bumped by | being bumped by | was bumped by | were bumped by",
        "is knocked by | are knocked by | being knocked by | was knocked by | were knocked by",
    ),
    "rests": _verbs(
        "rests | rest | resting | rested",
        "sits there | sit there | sitting there | sat there",
        "sits still | sit still | sitting still | sat still",
        "stands still | stand still | standing still | stood still",
        "lies still | lie still | lying still | lay still",
        "is at rest | are at rest | at rest | was at rest | were at rest",
    ),
    "stays": _verbs(
        "stays still | stay still | staying still | stayed still",
        "stays in place | stay in place | staying in place | stayed in place",
        "remains still | remain still | remaining still | remained still",
        "does not move | do not move | not moving | did not move",
        "doesn't move | don't move | not moving | didn't move",
    ),
    "comes_to_rest": _verbs(
        "comes to rest | come to rest | coming to rest | came to rest",
        "comes to a stop | come to a stop | coming to a stop | came to a stop",
        "stops | stop | stopping | stopped",
        "settles | settle | settling | settled",
    ),
    "spins": _verbs(
        "spins | spin | spinning | spun",
        "spins | spin | spinning | spun",
        "rotates | rotate | rotating | rotated",
        "twirls | twirl | twirling | twirled",
        "spins around | spin around | spinning around | spun around",
    ),
}
TAILS: Final[dict[ToldKind, tuple[str, ...]]] = {
    "falls": ("", "", "", "", "down", "from above", "from above", "from the air", "from the sky"),
    "bounces": ("", "", "", "", "", "up", "up and down"),
}
GROUND_TAILS: Final[dict[ToldKind, tuple[str, ...]]] = {  # where the floor is not told otherwise
    "falls": ("", "to the floor", "onto the floor", "to the ground", "onto the ground"),
    "bounces": ("", "off the floor", "on the floor", "off the ground", "on the ground"),
    "rests": ("", "on the floor", "on the ground"),
}
DIRECTIONS: Final[dict[Direction, tuple[str, ...]]] = {
    "left": ("from the left", "from the left", "from the left", "from the left side"),
    "right": ("from the right", "from the right", "from the right", "from the right side"),
    "front": ("from the front", "from the front", "from the foreground"),
    "back": ("from the back", "from behind", "from the background"),
}
RELATIONS: Final[dict[RelationKind, tuple[str, ...]]] = {
    "left_of": (
        "to the left of",
        "to the left of",
        "left of",
        "on the left of",
        "next to",
        "next to",
        "beside",
    ),
    "right_of": (
        "to the right of",
        "to the right of",
        "right of",
        "on the right of",
        "next to",
        "next to",
        "beside",
    ),
    "in_front_of": ("in front of",),
    "behind": ("behind",),
}
RELATIONS_TO_IT: Final[dict[RelationKind, tuple[str, ...]]] = {
    "left_of": ("to its left", "on its left", "next to it", "beside it"),
    "right_of": ("to its right", "on its right", "next to it", "beside it"),
    "in_front_of": ("in front of it",),
    "behind": ("behind it",),
}
WITH: Final = "with"

NOTHING: Final = "an empty scene"
CONTRACTION: Final = ("there is ", "there's ")
THERE: Final = (
    "there {be} {things}",
    "there {be} {things}",
    "{things} {be} in view",
    "{things} {be} in the scene",
)
OPENINGS: Final = (
    "there {be} {things}",
    "there {be} {things}",
    "there {be} {things}",
    "the scene has {things}",
    "the scene shows {things}",
    "we see {things}",
    "the video shows {things}",
    "a scene with {things}",
)
PICTURE_OPENINGS: Final = (
    "there {be} {things}",
    "the picture shows {things}",
    "we see {things}",
    "a scene with {things}",
)
SHOWN: Final = (
    "",
    "",
    "",
    "",
    "a video of ",
    "a clip of ",
    "a shot of ",
    "video of ",
    "a short video of ",
    "make a video of ",
    "generate a video of ",
    "show me ",
)
PICTURED: Final = (
    "a picture of ",
    "a photo of ",
    "a still of ",
    "an image of ",
    "a photograph of ",
    "an image with ",
    "a still image of ",
    "photo of ",
    "picture of ",
    "",
    "",
    "",
)
PICTURE_TAGS: Final = ("photo", "picture", "still image")
MID_AIR: Final = ("falling", "in mid-air", "in the air", "falling through the air")

FLOORS: Final[dict[Floor, tuple[str, ...]]] = {
    "plain": ("a plain floor", "a plain floor", "a bare floor", "the plain floor", "a simple floor"),
    "checkerboard": (
        "a checkerboard floor",
        "a checkerboard floor",
        "a checkered floor",
        "a chequered floor",
        "the checkerboard floor",
        "a checked floor",
        "checkered tiles",
    ),
    "wooden": (
        "a wooden floor",
        "a wooden floor",
        "a wood floor",
        "the wooden floor",
        "a parquet floor",
        "a hardwood floor",
        "wooden planks",
    ),
}
FLOOR_TAGS: Final[dict[Floor, tuple[str, ...]]] = {
    "plain": ("plain floor", "bare floor"),
    "checkerboard": ("checkerboard floor", "checkered floor", "chequered floor", "checked floor"),
    "wooden": ("wooden floor", "wood floor", "parquet", "parquet floor", "hardwood floor"),
}
FLOOR_SENTENCES: Final[dict[Floor, tuple[str, ...]]] = {
    "plain": ("the floor {be} plain", "the floor {be} bare"),
    "checkerboard": ("the floor {be} a checkerboard", "the floor {be} checkered", "the floor {be} chequered"),
    "wooden": ("the floor {be} wooden", "the floor {be} made of wood"),
}
ON: Final = "on"
OVER: Final = "over"
CAMERA: Final[dict[CameraMove, tuple[Verb, ...]]] = {
    "still": _singular_verbs(
        "stays still | staying still | stayed still",
        "does not move | not moving | did not move",
        "is static | being static | was static",
    ),
    "orbits_left": _singular_verbs(
        "orbits to the left | orbiting to the left | orbited to the left",
        "orbits left | orbiting left | orbited left",
        "circles to the left | circling to the left | circled to the left",
        "moves around to the left | moving around to the left | moved around to the left",
    ),
    "orbits_right": _singular_verbs(
        "orbits to the right | orbiting to the right | orbited to the right",
        "orbits right | orbiting right | orbited right",
        "circles to the right | circling to the right | circled to the right",
        "moves around to the right | moving around to the right | moved around to the right",
    ),
    "moves_in": _singular_verbs(
        "moves in | moving in | moved in",
        "zooms in | zooming in | zoomed in",
        "pushes in | pushing in | pushed in",
        "dollies in | dollying in | dollied in",
        "moves closer | moving closer | moved closer",
    ),
    "moves_out": _singular_verbs(
        "moves out | moving out | moved out",
        "zooms out | zooming out | zoomed out",
        "pulls back | pulling back | pulled back",
        "pulls out | pulling out | pulled out",
        "moves away | moving away | moved away",
    ),
}
CAMERA_TAGS: Final[dict[CameraMove, tuple[str, ...]]] = {
    "still": ("static camera", "still camera"),
    "orbits_left": ("camera orbits left", "camera orbiting to the left", "orbit left"),
    "orbits_right": ("camera orbits right", "camera orbiting to the right", "orbit right"),
    "moves_in": ("camera moves in", "zoom in", "dolly in", "push in"),
    "moves_out": ("camera moves out", "zoom out", "dolly out", "pull back"),
}
THE_CAMERA: Final = "the camera"
AS_THE_CAMERA: Final = (" as ", ", as ", " while ", ", while ")

THEN_WITHIN: Final = (" and ", " and then ", ", then ", " and ")
LAST_OF_MANY: Final = (" and ", ", and ", ", then ", " and then ", ", and finally ")
THEN_BETWEEN: Final = (", then ", " and then ", ", and then ", " before ")
AND_ALSO: Final = ", and "
AND_BETWEEN: Final = (" and ", ", and ", "; ")
AND_BETWEEN_LONG: Final = (", and ", ", and ", "; ")
WHILE: Final = (" while ", ", while ")
TOGETHER: Final = (" while ", ", while ", " as ", ". at the same time, ", "; at the same time, ")
THEN_SENTENCE: Final = ("then ", "after that, ", "next, ", "afterwards, ", "later, ", "", "")
THEN_IT: Final = ("then {it} ", "{it} then ", "after that, {it} ", "{it} ")
LIST_END: Final = (" and ", " and ", ", and ")

CUT_TO_THING: Final = (
    "{first}, then cut to {second}",
    "{first}. then cut to {second}",
    "{first}. cut to {second}",
    "{first}; the next shot shows {second}",
    "{first}. the next shot shows {second}",
    "{first}, followed by a shot of {second}",
)
CUT_TO_THING_AFTER_SENTENCES: Final = (
    "{first}. then cut to {second}",
    "{first}. cut to {second}",
    "{first}. the next shot shows {second}",
)
CUT_TO_SENTENCE: Final = (
    "{first}. in the next shot, {second}",
    "{first}. then the shot changes: {second}",
    "{first}. after a cut, {second}",
    "{first}. the scene cuts, and {second}",
)
TWO_SHOTS: Final = "first shot: {first}. second shot: {second}"

"""The Chinese of captions: every piece the grammar can say stands in these tables, the plainest first.

A table repeats an entry to make it likelier.
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
    """A noun and the measure words it takes."""

    name: str
    measures: tuple[str, ...]


COLOURS: Final[dict[Colour, tuple[str, ...]]] = {
    "red": ("红色", "红色", "红色", "鲜红色"),
    "blue": ("蓝色", "蓝色", "蓝色", "宝蓝色"),
    "green": ("绿色", "绿色", "绿色", "翠绿色"),
    "yellow": ("黄色", "黄色", "黄色", "明黄色"),
    "purple": ("紫色", "紫色", "紫色", "紫罗兰色"),
    "cyan": ("青色", "青色", "青色", "天青色"),
    "orange": ("橙色", "橙色", "橙色", "橘色"),
    "grey": ("灰色",),
}
SHORT_COLOURS: Final[dict[Colour, str]] = {
    "red": "红",
    "blue": "蓝",
    "green": "绿",
    "yellow": "黄",
    "purple": "紫",
    "cyan": "青",
    "orange": "橙",
    "grey": "灰",
}
SHAPES: Final[dict[Shape, tuple[Noun, ...]]] = {
    "sphere": (
        Noun("球", ("个", "个", "个", "只", "颗")),
        Noun("球", ("个", "个", "个", "只", "颗")),
        Noun("圆球", ("个", "个", "颗")),
        Noun("球体", ("个",)),
    ),
    "cube": (
        Noun("立方体", ("个",)),
        Noun("方块", ("个", "个", "块")),
        Noun("方块", ("个", "个", "块")),
        Noun("正方体", ("个",)),
        Noun("盒子", ("个", "个", "只")),
    ),
    "cylinder": (Noun("圆柱体", ("个",)), Noun("圆柱", ("个", "个", "根"))),
    "cone": (Noun("圆锥", ("个",)), Noun("圆锥体", ("个",)), Noun("锥体", ("个",))),
    "capsule": (
        Noun("胶囊", ("个", "个", "颗", "粒")),
        Noun("胶囊", ("个", "个", "颗", "粒")),
        Noun("药丸", ("个", "颗", "粒")),
    ),
    "ring": (
        Noun("圆环", ("个", "个", "个", "只", "枚")),
        Noun("圆环", ("个", "个", "个", "只", "枚")),
        Noun("环", ("个",)),
        Noun("圆圈", ("个",)),
        Noun("甜甜圈", ("个",)),
    ),
}
MATERIALS: Final[dict[Material, tuple[str, ...]]] = {
    "metal": ("金属", "金属", "金属", "钢"),
    "rubber": ("橡胶", "橡胶", "橡皮"),
    "wood": ("木头", "木质", "木制"),
}
MADE_OF: Final[dict[Material, tuple[str, ...]]] = {
    "metal": ("金属做的", "金属制成的", "金属质感的", "闪亮的"),
    "rubber": ("橡胶做的", "橡胶制成的", "哑光的"),
    "wood": ("木头做的", "木头制成的", "木质的"),
}
SIZES: Final[dict[Size, tuple[str, ...]]] = {"small": ("小",), "large": ("大",)}
LONG_SIZES: Final[dict[Size, tuple[str, ...]]] = {
    "small": ("小的", "小小的", "小型", "很小的"),
    "large": ("大的", "巨大的", "大型", "很大的"),
}
COUNTS: Final[dict[int, tuple[str, ...]]] = {
    1: ("一",),
    2: ("两", "两", "两", "两", "2"),
    3: ("三", "三", "三", "三", "3"),
    4: ("四", "四", "四", "四", "4"),
}
PAIR: Final = "一对"
PLAIN_COUNTS: Final[dict[int, str]] = {1: "一", 2: "两", 3: "三", 4: "四"}
ANOTHER: Final = "另"
OTHERS: Final = "另外"
ONE_OF: Final = "其中"
DETERMINERS: Final = ("", "", "", "这", "那")
OF: Final = "的"
AND: Final = ("和", "和", "和", "与")
LIST_COMMA: Final = "、"
COMMA: Final = "，"
STOP: Final = "。"
IT: Final = "它"
THEY: Final = "它们"
ALL: Final = ("都", "", "")

VERBS: Final[dict[ToldKind, tuple[str, ...]]] = {  # bare
    "falls": ("落下", "落下", "掉下来", "落下来", "从上方落下", "从空中掉下来", "从高处落下", "坠落"),
    "bounces": ("弹起", "弹起", "弹跳", "反弹", "弹起来"),
    "rolls_in": ("滚进来", "滚进来", "滚入画面", "滚进画面", "滚动着进入画面"),
    "slides_in": ("滑进来", "滑进来", "滑入画面", "滑进画面", "滑动着进入画面"),
    "hits": ("撞上", "撞上", "撞到", "碰到", "撞击", "击中"),
    "is_hit": ("撞到", "撞上", "击中", "撞了一下", "碰到"),
    "rests": ("静静地停着", "静静地放着", "静静地摆着", "静止着", "停着"),
    "stays": ("静止不动", "静止不动", "一动不动", "保持静止", "没有移动"),
    "comes_to_rest": ("停下来", "停下来", "静止下来", "停住"),
    "spins": ("旋转", "旋转", "转动", "转圈", "打转"),
}
DONE: Final[dict[ToldKind, tuple[str, ...]]] = {  # with an aspect
    "falls": ("落了下来", "掉了下来", "从上方掉了下来", "从空中落了下来"),
    "bounces": ("弹了起来", "反弹起来", "弹起来了"),
    "rolls_in": ("滚了进来", "滚进了画面"),
    "slides_in": ("滑了进来", "滑进了画面"),
    "hits": ("撞上了", "撞到了", "碰到了", "击中了"),
    "is_hit": VERBS["is_hit"],
    "rests": VERBS["rests"],
    "stays": VERBS["stays"],
    "comes_to_rest": ("停了下来", "静止了下来"),
    "spins": ("旋转着", "转动着", "转个不停"),
}
FALLING: Final = ("正在落下", "正在下落", "正在掉落", "悬在半空中", "在半空中")
ONGOING: Final = "正在"
BY: Final = "被"
DIRECTIONS: Final[dict[Direction, tuple[str, ...]]] = {
    "left": ("从左边", "从左边", "从左侧", "从左面", "从画面左侧"),
    "right": ("从右边", "从右边", "从右侧", "从右面", "从画面右侧"),
    "front": ("从前面", "从前方"),
    "back": ("从后面", "从后方", "从远处"),
}
RELATIONS: Final[dict[RelationKind, tuple[str, ...]]] = {
    "left_of": ("左边", "左边", "左侧", "左面", "旁边", "旁边"),
    "right_of": ("右边", "右边", "右侧", "右面", "旁边", "旁边"),
    "in_front_of": ("前面", "前方"),
    "behind": ("后面", "后方"),
}
AT: Final = "在"
SIDE_IS: Final = ("{side}是{thing}", "{side}是{thing}", "{side}有{thing}", "它的{side}是{thing}")

THERE: Final = ("有{things}", "画面中有{things}", "场景里有{things}", "可以看到{things}")
NOTHING: Final = "空的场景"
OPENINGS: Final = (
    "画面中有{things}",
    "有{things}",
    "场景里有{things}",
    "视频里有{things}",
    "可以看到{things}",
    "画面里是{things}",
)
PREFIXES: Final = (
    "",
    "",
    "",
    "",
    "",
    "",
    "视频中，",
    "画面里，",
    "一段视频：",
    "视频：",
    "生成一段视频：",
    "请生成视频：",
)
WHOLE_VIDEO: Final = ("{clause}的视频", "{clause}的画面", "{clause}的短片")
PICTURED: Final = (
    "照片中有{things}",
    "{things}的照片",
    "{things}的图片",
    "图片里有{things}",
    "一张照片，上面有{things}",
    "一张图片，里面有{things}",
    "图片：{things}",
    "静态画面：{things}",
    "{things}",
    "{things}",
    "有{things}",
)
PICTURE_TAGS: Final = ("照片", "图片", "静态画面")

FLOORS: Final[dict[Floor, tuple[str, ...]]] = {
    "plain": ("平整的地面", "普通地面", "素色地面", "素色的地板"),
    "checkerboard": ("棋盘格地板", "棋盘格地面", "格子地板", "方格地板", "棋盘格的地板"),
    "wooden": ("木地板", "木地板", "木质地板", "木头地板"),
}
FLOOR_FRONT: Final = ("在{floor}上，", "{floor}上，")
FLOOR_THERE: Final = "{floor}上"
FLOOR_SENTENCES: Final[dict[Floor, tuple[str, ...]]] = {
    "plain": ("地面很平整", "地面平整", "地面是素色的"),
    "checkerboard": ("地面是棋盘格", "地板是棋盘格的", "地上是棋盘格地板"),
    "wooden": ("地面是木地板", "地板是木头的", "地上是木质地板"),
}
CAMERA: Final[dict[CameraMove, tuple[str, ...]]] = {
    "still": ("镜头静止", "固定镜头", "镜头不动", "镜头保持不动"),
    "orbits_left": ("镜头向左环绕", "镜头向左绕行", "摄像机向左环绕", "镜头绕着向左移动"),
    "orbits_right": ("镜头向右环绕", "镜头向右绕行", "摄像机向右环绕", "镜头绕着向右移动"),
    "moves_in": ("镜头推近", "镜头拉近", "镜头向前推进", "摄像机向前移动", "镜头慢慢靠近"),
    "moves_out": ("镜头拉远", "镜头后退", "镜头向后拉远", "摄像机向后移动", "镜头慢慢远离"),
}

THEN_WITHIN: Final = ("并", "并", "，然后", "，接着", "后", "，随后")
THEN_AFTER_ONGOING: Final = ("并", "，然后", "，接着")
LAST_OF_MANY: Final = ("，然后", "，接着", "，最后", "并")
THEN_BETWEEN: Final = ("，然后", "，接着", "，随后", "，之后")
AND_BETWEEN: Final = ("，", "，", "；")
WHILE: Final = ("，而",)
TOGETHER: Final = ("，同时", "，与此同时，", "。同时，")
STOP_THEN: Final = ("。然后，", "。接着，", "。随后，", "。之后，", "。", "。")
THEN_IT: Final = ("然后{it}", "接着{it}", "{it}随后", "之后{it}")

CUT: Final = (
    "{first}。镜头切换，{second}",
    "{first}。下一个镜头里，{second}",
    "{first}，然后镜头切换，{second}",
    "{first}，接着切到下一个镜头：{second}",
    "{first}。画面一转，{second}",
)
TWO_SHOTS: Final = "第一个镜头：{first}。第二个镜头：{second}"

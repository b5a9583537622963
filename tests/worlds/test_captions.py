"""Captions are true, varied, and made of known words only.

Truth is checked by a second reading: words are looked up here, not in the grammar's own rules.
"""

import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from tenku.worlds.captions import (
    caption,
    known_words,
    plain_prompt,
    sample_description,
    unknown_words,
    vocabulary_of,
)
from tenku.worlds.captions.dice import Dice
from tenku.worlds.captions.grouping import complete_plan, random_plan
from tenku.worlds.description import Event, ObjectDescription, Relation, SceneDescription
from tenku.worlds.vocabulary import HELD_OUT_PAIRS, LANGUAGES, Language

NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "2": 2, "3": 3, "4": 4, "pair": 2}
NUMBERS |= {"一": 1, "两": 2, "三": 3, "四": 4, "一对": 2}
COLOURS = {
    "red": "red crimson scarlet 红",
    "blue": "blue 蓝",
    "green": "green emerald 绿",
    "yellow": "yellow 黄",
    "purple": "purple violet 紫",
    "cyan": "cyan turquoise teal aqua 青",
    "orange": "orange tangerine 橙 橘",
    "grey": "grey gray 灰",
}
SHAPES = {
    "sphere": "ball sphere orb 球",
    "cube": "cube box block 立方体 正方体 方块 盒子",
    "cylinder": "cylinder drum 圆柱",
    "cone": "cone 圆锥 锥体",
    "capsule": "capsule pill 胶囊 药丸",
    "ring": "ring hoop torus donut doughnut 环 圆圈 甜甜圈",
}
MATERIALS = {
    "metal": "metal metallic steel shiny 金属 钢 闪亮",
    "rubber": "rubber matte 橡胶 橡皮 哑光",
    "wood": "wooden wood 木头 木质 木制",
}
SIZES = {"small": "small little tiny 小 小型", "large": "large big huge 大 大型 巨大"}
EVENTS = {
    "falls": "fall drop tumbl plung 落 掉 坠",
    "bounces": "bounc rebound 弹",
    "rolls_in": "roll 滚",
    "slides_in": "slid glid 滑",
    "hits": "hit hits hitting struck strik bump collid knock runs ran running crash 撞 击 碰",
    "rests": "rest sits sit sat stand stood lies lie lying lay still settl stop stay move 静止 停 放着 移动",
    "spins": "spin spun rotat twirl 旋转 转动 转圈 打转 转个",
}
FLOORS = {
    "plain": ("plain floor", "bare floor", "simple floor", "floor is plain", "素色", "平整", "普通地面"),
    "checkerboard": ("checker", "chequer", "checked", "棋盘格", "格子", "方格"),
    "wooden": (
        "parquet",
        "plank",
        "hardwood",
        "wooden floor",
        "wood floor",
        "木地板",
        "木质地板",
        "木头地板",
    ),
}
CAMERA = {
    "orbits_left": r"left|向左",
    "orbits_right": r"right|向右",
    "moves_in": r"\b(in|closer)\b|推近|拉近|向前|靠近",
    "moves_out": r"\b(out|back|away)\b|拉远|后退|向后|远离",
}
ABOUT_CAMERA = re.compile(
    r"camera[^.,;:]*|orbit (?:left|right)|(?:zoom|dolly|push) (?:in|out)|pull back|still (?:image|camera)"
    r"|(?:镜头|摄像机)[^，。；：]*"
)


def scenes(count: int, seed: int = 0, **options: object) -> list[SceneDescription]:
    rng = np.random.default_rng(seed)
    return [sample_description(rng, **options) for _ in range(count)]  # type: ignore[arg-type]


def shots(scene: SceneDescription) -> list[SceneDescription]:
    return [scene, *([scene.next_shot] if scene.next_shot else [])]


def things(scene: SceneDescription) -> list[ObjectDescription]:
    return [thing for shot in shots(scene) for thing in shot.objects]


def mentioned(table: dict[str, str], text: str, language: Language) -> set[str]:
    """Keys of which some word is in the text."""
    found = set()
    text = text.replace("环绕", "")
    tokens = set(re.findall(r"[a-z0-9'-]+", text))
    tokens |= {re.sub(r"(es|s)$", "", token) for token in tokens} | {token.rstrip("s") for token in tokens}
    for key, words in table.items():
        for word in words.split():
            if word in tokens if language == "en" else (not word.isascii() and word in text):
                found.add(key)
    return found


def words_matching(table: dict[str, str], key: str, language: Language, ending: str = "") -> str:
    chosen = [word for word in table[key].split() if word.isascii() == (language == "en")]
    return "(?:" + "|".join(re.escape(word) + ending for word in chosen) + ")"


SCENE = SceneDescription(
    objects=(
        ObjectDescription(
            colour="red",
            shape="sphere",
            material="rubber",
            size="small",
            events=(Event(kind="falls"), Event(kind="bounces", seconds=0.5)),
        ),
        ObjectDescription(
            colour="blue", shape="cube", material="metal", size="large", events=(Event(kind="rests"),)
        ),
    ),
    floor="wooden",
    relations=(Relation(kind="left_of", first=0, second=1),),
)


def crowds() -> list[SceneDescription]:
    """Scenes in which one to four equal objects do everything together, or are all hit; and nobody."""
    ball, cube = SCENE.objects
    kinds = ("falls", "bounces", "rests", "spins")
    lives = [(Event(kind=kind, seconds=1.0),) for kind in kinds]
    lives += [(Event(kind=kind, direction="left"),) for kind in ("rolls_in", "slides_in")]
    lives += [(*lives[0], Event(kind="hits", target=0), *lives[2])] * 4
    hits = tuple(Event(kind="hits", target=target) for target in (1, 2))
    hit = (replace(cube, events=hits), replace(ball, events=()), replace(cube, events=()))
    crowd = [(cube, *(replace(ball, events=life),) * count) for count in (1, 2, 3, 4) for life in lives]
    return [replace(SCENE, objects=objects, relations=()) for objects in ((), *crowd * 15, *[hit] * 200)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_object_is_named_and_no_other(language: Language) -> None:
    """Who asks for one thing does not want to see two."""
    rng = np.random.default_rng(1)
    for scene in scenes(1500, pairs="any"):
        text = caption(scene, rng, language).lower()
        described = things(scene)
        assert mentioned(COLOURS, text, language) == {thing.colour for thing in described}, text
        assert mentioned(SHAPES, text, language) == {thing.shape for thing in described}, text


def test_every_object_is_told_once() -> None:
    """Also of those that look alike: each is in one group, and each group in one clause."""
    dice = Dice(np.random.default_rng(23))
    merged = 0
    for scene in [*scenes(500, seed=24, pairs="any"), *crowds()]:
        for plan in (random_plan(scene, dice), complete_plan(scene)):
            told = [index for group in plan.groups for index in group.members]
            assert sorted(told) == list(range(len(scene.objects)))
            assert sorted(place for clause in plan.clauses for place in clause.groups) == list(
                range(len(plan.groups))
            )
            for group in plan.groups:
                assert {(scene.objects[i].colour, scene.objects[i].shape) for i in group.members} == {
                    group.kind
                }
            merged += len(plan.groups) < len(told)
    assert merged > 100


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_colour_stands_with_a_shape_it_has(language: Language) -> None:
    """ "red ball" is said only where there is one, also with words between the two."""
    rng = np.random.default_rng(2)
    middle = {
        "en": r"(?: (?:metal|metallic|steel|rubber|wooden|wood|green))*? ",
        "zh": r"色?的?[小大]?(?:金属|钢|橡胶|橡皮|木头|木质|木制)?[小大]?圆?",
    }[language]
    patterns = {
        (colour, shape): re.compile(
            (r"\b" if language == "en" else "")
            + words_matching(COLOURS, colour, language)
            + middle
            + words_matching(SHAPES, shape, language)
        )
        for colour in COLOURS
        for shape in SHAPES
    }
    said = 0
    for scene in scenes(400, seed=3, pairs="any"):
        text = caption(scene, rng, language).lower()
        pairs = {(thing.colour, thing.shape) for thing in things(scene)}
        for pair, pattern in patterns.items():
            if pattern.search(text):
                said += 1
                assert pair in pairs, text
    assert said > 400


@pytest.mark.parametrize("language", LANGUAGES)
def test_counts_are_at_most_the_true_ones(language: Language) -> None:
    rng = np.random.default_rng(4)
    number = "|".join(sorted(NUMBERS, key=len, reverse=True))
    for scene in scenes(1500, seed=5):
        text = caption(scene, rng, language).lower()
        shapes = Counter(thing.shape for thing in things(scene))
        for shape in shapes:
            nouns = words_matching(SHAPES, shape, language, ending="(?:s|es)?" if language == "en" else "")
            if language == "en":
                pattern = rf"\b({number})(?: of)?((?: (?!and|of|the)[a-z-]+){{0,5}}?) {nouns}\b"
            else:
                pattern = rf"({number})[个只颗块根粒枚]?([^一两三四，。、和与；]{{0,9}}?){nouns}"
            for found in re.finditer(pattern, text):
                assert NUMBERS[found[1]] <= shapes[shape], text


@pytest.mark.parametrize("language", LANGUAGES)
def test_sizes_and_materials_are_those_of_the_scene(language: Language) -> None:
    rng = np.random.default_rng(6)
    for scene in scenes(1000, seed=7):
        text = caption(scene, rng, language).lower()
        text = re.sub(r"(木质|木头)地板|地板是木头的|wood(en)? (floor|planks)", "", text)
        text = re.sub(r"floor (is|was) (wooden|made of wood)", "", text)
        described = things(scene)
        assert mentioned(MATERIALS, text, language) <= {thing.material for thing in described}, text
        assert mentioned(SIZES, text, language) <= {thing.size for thing in described}, text


@pytest.mark.parametrize("language", LANGUAGES)
def test_events_are_those_of_the_scene(language: Language) -> None:
    rng = np.random.default_rng(8)
    for scene in scenes(1000, seed=9):
        if scene.is_picture:
            continue
        text = ABOUT_CAMERA.sub("", caption(scene, rng, language).lower()).replace("转个不停", "转个")
        kinds = {event.kind for thing in things(scene) for event in thing.events}
        for kind, stems in EVENTS.items():
            stems_here = [stem for stem in stems.split() if stem.isascii() == (language == "en")]
            found = [stem for stem in stems_here if re.search(r"\b" + stem if stem.isascii() else stem, text)]
            assert not found or kind in kinds, (kind, found, text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_directions_relations_and_floors_are_those_of_the_scene(language: Language) -> None:
    rng = np.random.default_rng(10)
    sides = {
        "left": r"(?:from|to|on) (?:the|its) left|\bleft of|左[边侧面]",
        "right": r"(?:from|to|on) (?:the|its) right|\bright of|右[边侧面]",
        "front": r"from the fr?o|in front|前[面方]",
        "back": r"from (?:behind|the ba)|behind|后[面方]|远处",
    }
    mirrored = {"left": "right", "right": "left", "front": "back", "back": "front"}
    relations = {"left_of": "left", "right_of": "right", "in_front_of": "front", "behind": "back"}
    for scene in scenes(1500, seed=11):
        if any("orbit" in shot.camera for shot in shots(scene)):
            continue
        text = caption(scene, rng, language).lower()
        true = {event.direction for thing in things(scene) for event in thing.events if event.direction}
        for shot in shots(scene):
            stands = {relations[relation.kind] for relation in shot.relations}
            true |= stands | {mirrored[side] for side in stands}  # type: ignore[arg-type]
        for side, pattern in sides.items():
            assert side in true or not re.search(pattern, text), (side, text)
        floors = {shot.floor for shot in shots(scene)}
        for floor, names in FLOORS.items():
            assert floor in floors or not any(name in text for name in names), text


@pytest.mark.parametrize("language", LANGUAGES)
def test_camera_is_the_true_one(language: Language) -> None:
    rng = np.random.default_rng(12)
    named = 0
    for scene in scenes(1500, seed=13):
        text = caption(scene, rng, language).lower()
        about_camera = " ".join(ABOUT_CAMERA.findall(text))
        for move, pattern in CAMERA.items():
            if re.search(pattern, about_camera):
                named += 1
                assert move in {shot.camera for shot in shots(scene)}, text
    assert named > 150


@pytest.mark.parametrize("language", LANGUAGES)
def test_then_is_said_only_of_what_begins_later(language: Language) -> None:
    rng = np.random.default_rng(14)
    together = replace(
        SCENE,
        objects=tuple(replace(thing, events=(Event(kind="falls", seconds=0.5),)) for thing in SCENE.objects),
    )
    for _ in range(500):
        text = caption(together, rng, language).lower()
        assert not re.search(
            r"\bthen\b|after that|before|next,|afterwards|later|然后|接着|随后|之后", text
        ), text


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_same_seed_says_the_same(language: Language) -> None:
    first, second = np.random.default_rng(5), np.random.default_rng(5)
    for scene in scenes(50):
        assert caption(scene, first, language) == caption(scene, second, language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_captions_of_one_scene_are_many(language: Language) -> None:
    rng = np.random.default_rng(15)
    assert len({caption(SCENE, rng, language) for _ in range(2000)}) > 1500


@pytest.mark.parametrize("language", LANGUAGES)
def test_spelling(language: Language) -> None:
    rng = np.random.default_rng(16)
    for scene in scenes(2500, seed=17, pairs="any"):
        text = caption(scene, rng, language)
        assert text == text.strip()
        assert "{" not in text
        if language == "zh":
            assert not re.search(r"[A-Za-z\s]", text), text
            assert not re.search(r"[，。；：、]{2}|的的|色色|[，：]$|^[，。]", text), text
        else:
            assert text.isascii(), text
            assert not re.search(r"  | [,.;:]|[,;:.]{2}|[,;:]$|,[a-z]", text), text
            assert not re.search(r"\ba [aeiou]|\ban [^aeiou]|\b(\w+) \1\b", text.lower()), text
            assert not re.search(r"\. [a-z]", text), text


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_said_is_known_and_every_known_word_is_said(language: Language) -> None:
    rng = np.random.default_rng(18)
    told = [*scenes(4000, seed=19, pairs="any"), *crowds()]
    said = [caption(scene, rng, language).lower() for scene in told for _ in range(3)]
    text = "\n".join(said)
    if language == "en":
        words = set(re.findall(r"[a-z0-9]+(?:['-][a-z0-9]+)*", text))
        assert words <= known_words()
        assert vocabulary_of("en") <= words
    else:
        assert unknown_words("，".join(said[::20])) == []
        assert [piece for piece in vocabulary_of("zh") if piece not in text] == []


def test_unknown_words_are_named_once_each() -> None:
    assert unknown_words("A red DRAGON, a dragon and a blue ball fall!") == ["dragon"]
    assert unknown_words("一个红色恐龙落下，旁边是一个蓝色金属立方体") == ["恐龙"]
    assert unknown_words("a red rubber ball falls and bounces next to a blue metal cube") == []
    assert unknown_words("一个红色橡胶球落下并弹起，旁边是一个蓝色金属立方体") == []


def test_prompts_such_as_those_of_the_readme_are_captions() -> None:
    rng = np.random.default_rng(20)
    english = re.compile(r"a \w+ rubber ball [a-z ]+ (and|then) [a-z ]+ (next to|beside) a \w+ metal cube\.?")
    assert any(english.fullmatch(caption(SCENE, rng, "en").lower()) for _ in range(30_000))
    chinese = re.compile(r"一个红色的?橡胶球落下.*弹.*，(旁边|右边)[是有]一个蓝色的?\w+")
    assert any(chinese.search(caption(SCENE, rng, "zh")) for _ in range(30_000))


@pytest.mark.parametrize("language", LANGUAGES)
def test_three_shots_are_told_in_their_order(language: Language) -> None:
    second, third = (replace(SCENE, objects=SCENE.objects[place:][:1], relations=()) for place in (1, 0))
    film = replace(third, next_shot=replace(second, next_shot=third))
    red, blue = (words_matching(COLOURS, colour, language) for colour in ("red", "blue"))
    for seed in range(50):
        text = caption(film, np.random.default_rng(seed), language).lower()
        assert re.search(f"{red}.*{blue}.*{red}", text), text
    assert re.search(f"{red}.*{blue}.*{red}", plain_prompt(film, language))


def test_plain_prompt_says_everything() -> None:
    scene = replace(SCENE, camera="orbits_left")
    english, chinese = plain_prompt(scene, "en"), plain_prompt(scene, "zh")
    said = set(re.findall(r"\w+", english.lower()))
    assert said >= {"small", "red", "rubber", "ball", "falls", "bounces", "large", "blue", "metal", "cube"}
    assert said >= {"left", "wooden", "floor", "camera", "orbits"}
    assert all(word in chinese for word in ("红色", "橡胶", "球", "落下", "弹起", "蓝色", "金属", "立方体"))
    assert all(word in chinese for word in ("小", "大", "左", "木地板", "镜头"))
    assert plain_prompt(scene, "en") == english


@pytest.mark.parametrize("language", LANGUAGES)
def test_plain_prompt_names_every_object_and_camera(language: Language) -> None:
    for scene in scenes(500, seed=21):
        text = plain_prompt(scene, language).lower()
        assert mentioned(COLOURS, text, language) == {thing.colour for thing in things(scene)}, text
        assert mentioned(SHAPES, text, language) == {thing.shape for thing in things(scene)}, text
        camera = "camera" if language == "en" else "镜头"
        assert any(shot.camera != "still" for shot in shots(scene)) <= (camera in text), text


def test_sampled_descriptions_keep_to_their_pairs() -> None:
    for pairs, expected in (("seen", False), ("held_out", True)):
        for scene in scenes(300, seed=22, pairs=pairs):
            assert all(((thing.colour, thing.shape) in HELD_OUT_PAIRS) == expected for thing in things(scene))


def test_sampled_descriptions_are_plausible() -> None:
    assert {len(scene.objects) for scene in scenes(300)} == {1, 2, 3, 4}
    assert all(len(scene.objects) <= 2 for scene in scenes(100, max_objects=2))
    assert all(scene.is_picture for scene in scenes(50, is_picture=True))
    for scene in scenes(300, is_picture=True):
        assert scene.camera == "still"
        assert {event.kind for thing in scene.objects for event in thing.events} <= {"falls"}
    with pytest.raises(ValueError, match="max_objects"):
        sample_description(np.random.default_rng(0), max_objects=5)
    with pytest.raises(ValueError, match="pairs"):
        sample_description(np.random.default_rng(0), pairs="all")  # type: ignore[arg-type]

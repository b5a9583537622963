"""However a word is disguised, it is found; what merely looks like it is not."""

import time

import pytest

from tenku.safety import Category, check_prompt
from tenku.safety.folding import fold
from tenku.safety.words import joins, readings

DISGUISED = {
    "capitals": "NaKeD",
    "full width": "ｎａｋｅｄ",
    "mathematical": "𝐧𝐚𝐤𝐞𝐝",
    "circled": "ⓝⓐⓚⓔⓓ",
    "squared": "🄽🄰🄺🄴🄳",
    "flags": "🇳🇦🇰🇪🇩",
    "small capitals": "ɴᴀᴋᴇᴅ",
    "Cyrillic": "nаkеd",
    "Greek": "nαkεd",
    "accents": "nåkéd",
    "stacked marks": "n̷̢a̸k̵e̶d̴",
    "zero width": "na\u200bk\u2060ed",
    "soft hyphen": "na\u00adked",
    "Hangul filler": "na\u3164ked",
    "leet": "n4k3d",
    "at sign": "n@ked",
    "asterisk": "n*ked",
    "spaced": "n a k e d",
    "dotted": "n.a.k.e.d",
    "dashed": "n-a-k-e-d",
    "broken by a hyphen": "na-ked",
    "broken by a space": "nak ed",
    "repeated": "naaaaked",
    "in a tag": "#naked",
    "with a number": "naked2",
}


@pytest.mark.parametrize("word", DISGUISED.values(), ids=DISGUISED.keys())
def test_english_disguises_are_seen_through(word: str) -> None:
    assert check_prompt(f"a photo of a {word} woman on a beach").category is Category.SEXUAL


@pytest.mark.parametrize(
    "word", ["裸體", "裸 体", "裸.体", "裸\u200b体", "裸*体", "裸，体", "果体", "luoti", "𥘹体裸体"]
)
def test_chinese_disguises_are_seen_through(word: str) -> None:
    assert check_prompt(f"海边的{word}女人").category is Category.SEXUAL


@pytest.mark.parametrize(
    "text",
    [
        "a, b, c and d are letters on blocks",
        "the U.S.A. flag, 4K, 35mm, f/2.8, 16:9",
        "a 3D render at 1080p60",
        "Scunthorpe, Essex, Sussex and Middlesex on a map",
        "an assassin bug, a cockatoo, a peacock, a titmouse, a shiitake",
        "grapes, drapes, therapists and skyscrapers",
        "an analyst reads the class list in the classic passage",
        "Dickens, Hancock and Hitchcox play cards",
        "the Massachusetts assembly votes on a button",
        "кошка сидит на окне",
        "猫が窓辺に座っている",
        "고양이가 창가에 앉아 있다",
        "🟥⚽️ → 🟦🧊",
        "",
    ],
)
def test_what_merely_looks_like_it_is_let_through(text: str) -> None:
    assert check_prompt(text).allowed


def test_folding_gives_one_spelling() -> None:
    assert fold("Ｒｅｄ Bаll, 紅球！") == "red ball, 红球!"
    assert fold(fold("ＡЯ雞Éß")) == fold("ＡЯ雞Éß")


@pytest.mark.parametrize(
    ("word", "base"),
    [
        ("stabbed", "stab"),
        ("raping", "rape"),
        ("bodies", "body"),
        ("corpses", "corpse"),
        ("slashes", "slash"),
        ("women", "woman"),
        ("killer's", "killer"),
        ("k1lls", "kill"),
    ],
)
def test_inflections_lead_to_their_base(word: str, base: str) -> None:
    assert base in readings(word)


def test_fragments_join_but_words_do_not() -> None:
    assert joins("po", "rn") == "porn"
    assert joins("an", "al") == ""
    assert joins("bottom", "less") == ""


LONG = {
    "English": "a small red ball rolls slowly past the blue cube while the camera orbits ",
    "Chinese": "一个红色的球撞击蓝色的方块，然后滚向左边，镜头环绕。",
    "one letter": "a",
    "spelled out": "a ",
    "signs": "@",
    "leet": "1e1e1e1 ",
    "asterisks": "a*b*c*d ",
    "marks": "a\u0301",
    "negation": "no ",
    "matches": "kill man ",
    "dots": "s.",
}


@pytest.mark.parametrize("piece", LONG.values(), ids=LONG.keys())
def test_long_texts_take_no_longer_than_their_length(piece: str) -> None:
    text = (piece * 32_000)[:32_000]
    check_prompt(text)  # loads the rules
    start = time.process_time()
    check_prompt(text)
    assert time.process_time() - start < 0.3  # some 0.03 on two shared cores; quadratic would be minutes

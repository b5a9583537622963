import pytest

from tenku.text import Tokenizer
from tenku.text.tokenizer import SPECIAL_TOKENS, Tokens

WORDS = (
    "a",
    "ball",
    "balls",
    "red",
    "falls",
    "cube",
    "cone",
    "rolls",
    "红",
    "红色",
    "球",
    "小球",
    "的",
    "don't",
)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(WORDS)


def words(tokenizer: Tokenizer, tokens: Tokens) -> list[str]:
    names = [*SPECIAL_TOKENS, *tokenizer.vocabulary]
    return [names[index] for index in tokens.ids]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A red ball falls.", ["a", "red", "ball", "falls", "."]),
        ("RED  ball\n\tfalls", ["red", "ball", "falls"]),
        ("red, ball; red: ball!", ["red", ",", "ball", ",", "red", ",", "ball", "."]),
        ("don’t, don't", ["don't", ",", "don't"]),
        ("ＲＥＤ ball", ["red", "ball"]),  # full-width letters are letters
        ("红色的小球", ["红色", "的", "小球"]),  # the longest match
        ("红球，小球。", ["红", "球", ",", "小球", "."]),
        ("red球red", ["red", "球", "red"]),
        ("", []),
        ("🔴 “—”", []),
    ],
)
def test_words_are_found(tokenizer: Tokenizer, text: str, expected: list[str]) -> None:
    tokens = tokenizer(text)
    assert words(tokenizer, tokens) == expected
    assert tokens.unknown == ()
    assert tokens.corrected == ()


@pytest.mark.parametrize(
    ("text", "unknown", "expected"),
    [
        ("a red zebra", ("zebra",), ["a", "red", "<unknown>"]),
        ("zebra ball zebra", ("zebra",), ["<unknown>", "ball", "<unknown>"]),
        ("大象红球飞", ("大象", "飞"), ["<unknown>", "红", "球", "<unknown>"]),
        ("3 balls", ("3",), ["<unknown>", "balls"]),
        ("un éléphant", ("un", "éléphant"), ["<unknown>", "<unknown>"]),
        ("красный ball", ("красный",), ["<unknown>", "ball"]),
        ("赤いボール", ("赤", "いボール"), ["<unknown>", "<unknown>"]),
    ],
)
def test_unknown_words_of_any_script_are_named(
    tokenizer: Tokenizer, text: str, unknown: tuple[str, ...], expected: list[str]
) -> None:
    tokens = tokenizer(text)
    assert tokens.unknown == unknown
    assert words(tokenizer, tokens) == expected


@pytest.mark.parametrize(
    ("slip", "meant"),
    [
        ("fals", "falls"),  # missing
        ("fallls", "falls"),  # extra
        ("fells", "falls"),  # wrong
        ("flals", "falls"),  # swapped
        ("cubes", "cube"),
    ],
)
def test_a_slip_is_read_as_the_one_word_it_can_be(tokenizer: Tokenizer, slip: str, meant: str) -> None:
    tokens = tokenizer(f"{slip} {slip}")
    assert words(tokenizer, tokens) == [meant, meant]
    assert tokens.corrected == ((slip, meant),)


@pytest.mark.parametrize("word", ["cune", "bal", "rad", "flaslls", "ro"])
def test_what_could_be_two_words_or_is_too_short_is_not_guessed(tokenizer: Tokenizer, word: str) -> None:
    """cune could be cube or cone; short words are one slip from too much."""
    assert tokenizer(word).unknown == (word,)


def test_a_text_is_cut_at_the_length_asked_for(tokenizer: Tokenizer) -> None:
    tokens = tokenizer("a red ball falls zebra", 3)
    assert words(tokenizer, tokens) == ["a", "red", "ball"]
    assert tokens.unknown == ("zebra",)
    assert tokens.num_unread == 2


@pytest.mark.parametrize(
    ("text", "length", "num_unread"),
    [
        ("a red ball", None, 0),
        ("a red ball", 3, 0),
        ("a red ball.", 3, 1),  # signs count as words do
        ("a red ball, a cube", 2, 4),
        ("红色的小球", 1, 2),
        ("🔴 a 🔴", 1, 0),  # what says nothing is not missed
        ("", 1, 0),
    ],
)
def test_what_is_left_unread_is_counted(
    tokenizer: Tokenizer, text: str, length: int | None, num_unread: int
) -> None:
    assert tokenizer(text, length).num_unread == num_unread


def test_the_order_of_the_vocabulary_does_not_matter() -> None:
    assert Tokenizer(reversed(WORDS))("a red ball").ids == Tokenizer((*WORDS, "red"))("a red ball").ids

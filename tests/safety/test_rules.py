"""Rules as data: what a file may say, and what its rules then find."""

from typing import Any

import pytest

from tenku.safety import Category
from tenku.safety.lexicon import HARMLESS, Lexicon, spelt_out
from tenku.safety.rules import RuleBook, rule_book, shipped_rules

WEAPONS = {"en": "knife, gun/rifle", "zh": "刀"}
PEOPLE = {"en": "man, woman", "zh": "男人, 女人"}
NEGATION = {"en": "no, without", "zh": "没有"}


def book(*rules: dict[str, Any], **others: Any) -> RuleBook:
    groups = {"negation": NEGATION, "weapon": WEAPONS, "person": PEOPLE, **others.pop("groups", {})}
    return rule_book(iter([{"category": "violence", "groups": groups, "rules": rules, **others}]))


def found(rules: RuleBook, text: str) -> list[tuple[str, ...]]:
    return [finding.matched for finding in rules.find(text)]


def test_one_group_is_found_anywhere_with_its_inflections() -> None:
    rules = book({"name": "weapon", "all": ["weapon"]})
    assert found(rules, "two knives on a table") == [("knives",)]
    assert found(rules, "一把刀") == [("刀",)]
    assert found(rules, "a rifle") == [("rifle",)]
    assert found(rules, "a spoon") == []


def test_groups_must_be_near_in_either_language_or_in_both() -> None:
    rules = book({"name": "near", "all": ["weapon", "person"], "within": 3})
    assert found(rules, "a man lifts the knife") == [("knife", "man")]
    assert found(rules, "a 男人 with a knife") == [("knife", "男 人")]
    assert found(rules, "a man goes for a long walk and sees a knife") == []
    assert found(rules, "男人拿着刀") == [("刀", "男 人")]


def test_order_counts_where_it_is_asked_for() -> None:
    rules = book({"name": "ordered", "all": ["weapon", "person"], "ordered": True})
    assert found(rules, "the knife hits the man")
    assert not found(rules, "the man drops the knife")


def test_negation_undoes_what_follows_it_up_to_the_next_break() -> None:
    rules = book({"name": "weapon", "all": ["weapon"]})
    assert not found(rules, "without any knife")
    assert not found(rules, "没有刀")
    assert found(rules, "no, a knife")
    assert found(rules, "no man was ever here with a knife")
    assert found(book({"name": "weapon", "all": ["weapon"], "negatable": False}), "no knife")


def test_an_excuse_nearby_excuses() -> None:
    groups = {"kitchen": {"en": "kitchen"}}
    rules = book(
        {"name": "weapon", "all": ["weapon"], "unless": ["kitchen"], "unless_within": 2}, groups=groups
    )
    assert not found(rules, "a kitchen knife")
    assert found(rules, "a knife far away from every kind of kitchen")


def test_a_harmless_term_hides_what_lies_in_it_but_not_over_a_break() -> None:
    rules = book({"name": "weapon", "all": ["weapon"]}, harmless={"en": "butter knife", "zh": "刀叉"})
    assert not found(rules, "a butter knife")
    assert not found(rules, "刀叉")
    assert found(rules, "a butter knife and a knife")
    assert found(rules, "here is butter. Knife in hand")


def test_alternatives_are_spelt_out() -> None:
    assert set(spelt_out("kill/dim the/all+the/_ lights")) == {
        (verb, *article, "lights") for verb in ("kill", "dim") for article in (("the",), ("all", "the"), ())
    }
    assert list(spelt_out("三k党")) == [("三", "k", "党")]
    with pytest.raises(ValueError, match="may be empty"):
        list(spelt_out("_"))


def test_exact_words_and_beginnings() -> None:
    lexicon = Lexicon({"exact": ["=strip"], "beginning": ["porn*"]})
    assert lexicon.read("strip").sightings.keys() == {"exact"}
    assert not lexicon.read("stripes strips").sightings
    assert lexicon.read("pornography").sightings.keys() == {"beginning"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rules": [{"name": "x", "all": ["nobody"]}]}, "no group"),
        ({"rules": [{"name": "x", "all": ["weapon"], "unless": ["nobody"]}]}, "no group"),
        ({"groups": {"weapon": {"fr": "couteau"}}}, "no terms in fr"),
        ({"category": "boredom"}, "boredom"),
    ],
)
def test_files_with_mistakes_are_not_loaded(change: dict[str, Any], message: str) -> None:
    file = {
        "category": "violence",
        "groups": {"weapon": WEAPONS},
        "rules": [{"name": "x", "all": ["weapon"]}],
    }
    with pytest.raises(ValueError, match=message):
        rule_book(iter([file | change]))


def test_a_group_is_defined_once() -> None:
    file = {"category": "violence", "groups": {"weapon": WEAPONS}}
    with pytest.raises(ValueError, match="two groups"):
        rule_book(iter([file, file]))


def test_every_category_has_rules() -> None:
    assert {rule.category for rule in shipped_rules().rules} == set(Category) - {Category.UNCHECKED}


def test_every_group_is_used_and_every_harmless_term_hides_something() -> None:
    rules = shipped_rules()
    used = {group for rule in rules.rules for group in (*sum(rule.groups, ()), *rule.unless)}
    assert set(rules.groups) - used == {"harmless", "negation"}
    others = Lexicon({name: terms for name, terms in rules.groups.items() if name != HARMLESS})
    for term in rules.groups[HARMLESS]:
        texts = (" ".join(word.strip("=*") for word in words) for words in spelt_out(term))
        assert any(others.read(text).sightings for text in texts), term

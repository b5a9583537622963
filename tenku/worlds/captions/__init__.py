"""Captions: what a simulated clip shows, said in English and Chinese, always truthfully.

A caption is planned without language (`grouping`: which objects, attributes and events), then said by the
grammar of a language (`english`, `chinese`), whose words all stand in its tables.
"""

from types import ModuleType

import numpy as np

from tenku.worlds.captions import chinese, english
from tenku.worlds.captions.dice import Dice, FirstChoice
from tenku.worlds.captions.grouping import Plan, complete_plan, random_plan
from tenku.worlds.captions.known import known_words, unknown_words, vocabulary_of
from tenku.worlds.captions.sampling import sample_description
from tenku.worlds.description import SceneDescription
from tenku.worlds.vocabulary import Language

__all__ = ["caption", "known_words", "plain_prompt", "sample_description", "unknown_words", "vocabulary_of"]

_GRAMMARS: dict[Language, ModuleType] = {"en": english, "zh": chinese}


def caption(description: SceneDescription, rng: np.random.Generator, language: Language) -> str:
    """Say some of what the description holds and nothing that it does not hold."""
    dice = Dice(rng)
    plans = [random_plan(shot, dice) for shot in _shots(description)]
    text: str = _GRAMMARS[language].tell(plans, dice)
    return text


def plain_prompt(description: SceneDescription, language: Language) -> str:
    """Say all of it in the plainest words, always the same ones."""
    plans: list[Plan] = [complete_plan(shot) for shot in _shots(description)]
    text: str = _GRAMMARS[language].tell_plainly(plans, FirstChoice())
    return text


def _shots(description: SceneDescription) -> list[SceneDescription]:
    shots = [description]
    while (following := shots[-1].next_shot) is not None:
        shots.append(following)
    return shots

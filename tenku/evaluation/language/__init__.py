"""The `language` suite: is a prompt understood, whatever it asks for and however it is put?"""

from tenku.evaluation.language.prompts import CATEGORIES, WHOLE, Asked, Category, draw_prompts
from tenku.evaluation.language.suite import Answered, answers, evaluate_language, report_of

__all__ = [
    "CATEGORIES",
    "WHOLE",
    "Answered",
    "Asked",
    "Category",
    "answers",
    "draw_prompts",
    "evaluate_language",
    "report_of",
]

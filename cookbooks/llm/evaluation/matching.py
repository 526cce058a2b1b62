"""Compares texts, with the options that lm-eval has for it."""

import re
import string
from collections.abc import Sequence

from cookbooks.llm.evaluation.yaml_tasks import Filter, Metric, Step

PUNCTUATION = str.maketrans("", "", string.punctuation)
DIGITS = str.maketrans("", "", string.digits)


def matches(answer: str, golds: Sequence[str], options: Metric) -> bool:
    """Returns True if the answer is one of the right texts."""
    return any(_plain(answer, options) == _plain(gold, options) for gold in golds)


def _plain(text: str, options: Metric) -> str:
    for pattern in options.regexes_to_ignore:
        text = re.sub(pattern, "", text)
    if options.ignore_case:
        text = text.lower()
    if options.ignore_punctuation:
        text = text.translate(PUNCTUATION)
    return text.translate(DIGITS) if options.ignore_numbers else text


def filtered(answer: str, chosen: Filter) -> str:
    """Returns the answer after every step of a filter."""
    for step in chosen.filter:
        answer = _step(answer, step)
    return answer


def _step(answer: str, step: Step) -> str:
    if step.function == "lowercase":
        return answer.lower()
    if step.function == "uppercase":
        return answer.upper()
    if step.function == "remove_whitespace":
        return answer.strip()
    return _extracted(answer, step) if step.function == "regex" else answer


def _extracted(answer: str, step: Step) -> str:
    found = re.findall(step.regex_pattern, answer)
    if not found or not -len(found) <= step.group_select < len(found):
        return step.fallback
    one = found[step.group_select]
    if isinstance(one, tuple):
        one = next((part for part in one if part), step.fallback)
    return one.strip()


def normalised(text: str) -> str:
    """Normalise text for a comparison that case, blanks and a final full stop do not decide."""
    return " ".join(text.casefold().split()).removesuffix(".")

"""Fixtures that several files of tests share."""

from tests.cookbooks.lamquant.gate.decision_case import decisions, good_decisions
from tests.cookbooks.lamquant.labels.seizures import seizure_set
from tests.cookbooks.lamquant.verdict_case import case, good

__all__ = ["case", "decisions", "good", "good_decisions", "seizure_set"]

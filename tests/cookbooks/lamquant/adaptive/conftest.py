"""Fixtures of the codec that follows states."""

from tests.cookbooks.lamquant.adaptive.case import case, good
from tests.cookbooks.lamquant.labels.seizures import seizure_set

__all__ = ["case", "good", "seizure_set"]

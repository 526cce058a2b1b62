"""Fixtures that several files of tests share."""

from tests.lamquant.verdict_case import case, good

__all__ = ["case", "good"]

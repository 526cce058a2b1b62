"""Keeps the name under which the ``dagster.yaml`` of older homes asks for its compute logs."""

from blut_resources.runs.compute_logs import LocalLogs

__all__ = ["LocalLogs"]

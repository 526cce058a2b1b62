"""Keeps the name under which every home's ``dagster.yaml`` asks for its compute logs."""

from blut_resources.runs.compute_logs import LocalLogs

__all__ = ["LocalLogs"]

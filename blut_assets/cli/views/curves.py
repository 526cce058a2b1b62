"""Computes the curves of runs, for the cockpit: what `blut results` has of their epochs, a metric a row."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from blut_resources.runs.metrics import INDEX, RESUMED_FROM

if TYPE_CHECKING:
    import dagster as dg

TRAINED = "train"
"""The phase that is not named beside a metric."""


def curve_rows(instance: "dg.DagsterInstance", runs: Sequence[str]) -> list[dict[str, Any]]:
    """Returns a row for each metric of each asset of these runs, a loss first.

    As ``asset``, ``metric`` (with its phase, unless that is ``train``) and ``curves``: of each run that has
    it ``run``, ``points`` (epoch and value, only numbers) and ``seams`` (the last epochs before a resume).
    """
    from blut_assets.cli.run.lookup import epochs_of

    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for run in runs:
        for asset, epochs in epochs_of(instance, run).items():
            for metric, curve in _curves(epochs).items():
                found.setdefault((asset, metric), []).append({"run": run, **curve})
    rows = [{"asset": asset, "metric": metric, "curves": curves} for (asset, metric), curves in found.items()]
    return sorted(rows, key=lambda row: (row["metric"] != "loss", "loss" not in row["metric"]))


def _curves(epochs: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    curves: dict[str, dict[str, Any]] = {}
    for row in epochs:
        phase = "" if row["phase"] == TRAINED else f" ({row['phase']})"
        for name, value in row.items():
            if name in (*INDEX, RESUMED_FROM) or not _is_number(value):
                continue
            curve = curves.setdefault(f"{name}{phase}", {"points": [], "seams": []})
            curve["points"].append([row["epoch"], value])
            seam = row.get(RESUMED_FROM)
            if seam is not None and seam not in curve["seams"]:
                curve["seams"].append(seam)
    return curves


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value - value == 0

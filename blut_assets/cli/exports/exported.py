"""Collects what other tools are told of a run, as plain values."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import dagster as dg

from blut_assets.cli.run.lookup import epochs_of, made_by, title_of
from blut_assets.history.failures import ended_as
from blut_assets.recipes.args import args_of
from blut_assets.recipes.recipe import RECIPE_TAG
from blut_assets.stages import reuse
from blut_resources.instance.instance import home_of
from blut_resources.runs import manifest
from blut_resources.runs.files import manifest_path
from blut_resources.runs.metrics import INDEX, RESUMED_FROM
from blut_resources.runs.settings import settings_of

Scalar = bool | int | float | str


class ExportFault(Exception):
    """Says why nothing, or not all, could be written, and the remedy."""


@dataclass(frozen=True)
class EpochPoint:
    """Holds the metrics of an epoch; ``at`` in seconds since 1970."""

    epoch: int
    at: float
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class ExportedRun:
    """Holds what is told of a run.

    Attributes:
        name: the recipe, or what else ran.
        state: as `blut jobs` has it.
        started: seconds since 1970, as ``ended`` is.
        args: what it was told; what is nested has a path for a name.
        tags: where it ran and what it made.
        results: the figures of its artifacts, as ``asset/figure``.
        curves: the epochs of each asset, oldest first, also those of a run from which it has reused them.
    """

    run_id: str
    name: str
    state: str
    started: float
    ended: float
    args: Mapping[str, Scalar]
    tags: Mapping[str, str]
    results: Mapping[str, float]
    curves: Mapping[str, Sequence[EpochPoint]]

    def as_json(self) -> dict[str, Any]:
        """Returns it as values that JSON has."""
        return asdict(self)


def exported(instance: dg.DagsterInstance, run: dg.DagsterRun) -> ExportedRun:
    """Returns what is told of a run.

    Raises:
        ExportFault: it has not ended.
    """
    record = instance.get_run_record_by_id(run.run_id)
    if record is None or not run.is_finished:
        raise ExportFault(f"run {run.run_id[:8]} has not ended yet: export it when it has")
    events = made_by(instance, run.run_id)
    digests = {name: reuse.digest_of(event) for name, event in events.items()}
    artifacts = {name: event.metadata.get(reuse.ARTIFACT) for name, event in events.items()}
    facts: dict[str, Any] = {name: entry.value for name, entry in artifacts.items() if entry}
    args = args_of(run) if RECIPE_TAG in run.tags else None
    return ExportedRun(
        run_id=run.run_id,
        name=title_of(run),
        state=ended_as(instance, run)[0],
        started=record.start_time or record.create_timestamp.timestamp(),
        ended=record.end_time or record.update_timestamp.timestamp(),
        args=dict(leaves(settings_of(run.run_config, run.tags) if args is None else args)),
        tags={
            "blut.run": run.run_id,
            **_machine(instance, run.run_id),
            **{f"blut.digest.{name}": digest for name, digest in digests.items() if digest},
        },
        results={
            f"{name}/{figure}": float(value)
            for name, values in facts.items()
            for figure, value in leaves(values)
            if not isinstance(value, str)
        },
        curves={asset: points(rows) for asset, rows in epochs_of(instance, run.run_id).items()},
    )


def points(rows: Sequence[Mapping[str, Any]]) -> list[EpochPoint]:
    """Returns the epochs in rows of metrics, with those that are numbers."""
    return [
        EpochPoint(
            row["epoch"],
            float(row.get("timestamp") or 0.0),
            {
                name: float(value)
                for name, value in row.items()
                if name not in (*INDEX, RESUMED_FROM) and isinstance(value, int | float)
            },
        )
        for row in rows
    ]


def _machine(instance: dg.DagsterInstance, run_id: str) -> dict[str, str]:
    try:
        known = manifest.read(manifest_path(home_of(instance), run_id))
    except (OSError, ValueError):
        return {}
    git, told = known.get("git") or {}, ("experiment", "intent", "host", "user")
    tags = {f"blut.{name}": str(known[name]) for name in told if known.get(name)}
    return {**tags, **({"mlflow.source.git.commit": git["commit"]} if git.get("commit") else {})}


def leaves(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Scalar]]:
    """Yields every value by its path; what else there is than scalars is a text, and None is left out."""
    for name, value in values.items():
        path = f"{above}.{name}" if above else name
        if isinstance(value, Mapping) and value:
            yield from leaves(value, path)
        elif isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)):
            yield path, value
        elif value is not None:
            yield path, str(value)

"""Writes the record of a search again, of the runs of its trials, where it was lost."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from blut_assets.cli.hpo.order import SearchOrder
from blut_assets.cli.sweep.rebuild import MADE_AGAIN, told_of
from blut_assets.cli.sweep.worker import last_epoch
from blut_assets.recipes.args import args_of
from blut_assets.sweeps.grid import name_of
from blut_assets.sweeps.record import SWEEP_TAG, TRIAL_TAG, SweepRecord
from blut_resources.alive import reap_dead_runs
from blut_resources.instance.instance import open_instance
from blut_resources.runs.pruning import BUDGET_TAG, budget_of

Line = Mapping[str, Any]


def rebuild(record: SweepRecord, order: SearchOrder) -> int:
    """Write down the trials that the tags of runs tell of, if none is known, or if somebody has looked at the
    search since its record was lost; returns how many runs did.
    """
    if record.trials() and not _made_again(record):
        return 0
    with open_instance() as instance:
        reap_dead_runs(instance)
        records = instance.get_run_records(dg.RunsFilter(tags={SWEEP_TAG: record.id}), ascending=True)
        lines = [*_lines(instance, order, records)]
    if lines:
        with record.locked():
            record.begin_anew()
            record.append(*lines)
    return len(records) if lines else 0


def _made_again(record: SweepRecord) -> bool:
    """Says whether the record was made by who knew the runs alone, and not what is searched."""
    try:
        head = record.head()
    except (OSError, ValueError):
        return False
    return head["kind"] != "hpo" or bool(head.get(MADE_AGAIN))


def _lines(
    instance: dg.DagsterInstance, order: SearchOrder, records: Sequence[dg.RunRecord]
) -> Iterator[Line]:
    known: set[int] = set()
    numbered = [
        (int(n), one) for one in records if (n := one.dagster_run.tags.get(TRIAL_TAG, "")).isdecimal()
    ]
    for number, one in sorted(numbered, key=lambda pair: pair[0]):
        run = one.dagster_run
        args = args_of(run) or {}
        overrides = {each.key: _inside(args, each.key) for each in order.search.sampling.dimensions}
        begun = one.create_timestamp.timestamp()
        budget = budget_of(run.tags.get(BUDGET_TAG, ""), order.search.asset)
        if number in known:
            yield {"what": "again", "trials": [number], "budget": budget, "t": begun}
        else:
            known.add(number)
            about = {"overrides": overrides, "key": name_of(overrides), "budget": budget}
            yield {"what": "added", "trial": number, "t": begun, **about}
        last = last_epoch(instance, run.run_id, order.search.asset)
        for line in told_of(instance, order.recipe, number, one):
            yield {**line, "facts": {**last, **line["facts"]}} if line["what"] == "ended" else line


def _inside(values: Mapping[str, Any], key: str) -> Any:
    found: Any = values
    for name in key.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found

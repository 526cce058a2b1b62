"""Makes the record of a sweep again, out of its runs: these are the truth, and have its tags."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from blut_assets.cli.run.arguments import recipe_called
from blut_assets.cli.run.lookup import made_by
from blut_assets.cli.sweep.order import metric_of, ordered_before
from blut_assets.cli.sweep.worker import OUTCOMES, compared, facts_in
from blut_assets.history.failures import failure_of
from blut_assets.history.partitions import partition_of_run
from blut_assets.history.took import took
from blut_assets.recipes import Recipe
from blut_assets.recipes.args import args_of
from blut_assets.recipes.recipe import RECIPE_TAG
from blut_assets.stages import reuse
from blut_assets.sweeps.axes import same
from blut_assets.sweeps.record import SEARCH_TAG, SUCCEEDED, SWEEP_TAG, TRIAL_TAG, SweepRecord, Trial
from blut_assets.sweeps.standing import standing
from blut_resources.instance.instance import home_of
from blut_resources.text import one_line

Lines = list[dict[str, Any]]
MADE_AGAIN = "made_again"
"""Of what was asked for: whether only the runs have told it."""


def ids_in(instance: dg.DagsterInstance, prefix: str) -> list[str]:
    """Returns the ids of sweeps that runs are of, and that begin so."""
    tagged = instance.get_run_tags(tag_keys=[SWEEP_TAG])
    return sorted(value for _, values in tagged for value in values if prefix and value.startswith(prefix))


def rebuild(instance: dg.DagsterInstance, sweep_id: str) -> SweepRecord | None:
    """Returns the record of a sweep, written anew; None where none of its runs is of a recipe that is there.

    What its trials share, and what they do not, is read off their args. A trial that never ran is not known.
    """
    found = instance.get_run_records(dg.RunsFilter(tags={SWEEP_TAG: sweep_id}))
    newest: dict[int, dg.RunRecord] = {}
    for one in found:
        number = one.dagster_run.tags.get(TRIAL_TAG, "")
        if number.isdecimal() and args_of(one.dagster_run) is not None:
            newest.setdefault(int(number), one)
    name = next((one.dagster_run.tags.get(RECIPE_TAG, "") for one in newest.values()), "")
    if not name:
        return None
    recipe = recipe_called(name)
    values, overrides = _told_apart({n: args_of(one.dagster_run) or {} for n, one in newest.items()})
    record = SweepRecord(home_of(instance), sweep_id)
    search = next((one.dagster_run.tags.get(SEARCH_TAG, "") for one in newest.values()), "")
    head = {
        "kind": "hpo" if search else "sweep",
        "recipe": name,
        "values": values,
        "axes": sorted({key for one in overrides.values() for key in one}),
        "metric": json.loads(search) if search else metric_of(recipe),
        "tags": {},
        MADE_AGAIN: True,
        "cwd": "/",
        "at": min(one.create_timestamp.timestamp() for one in newest.values()),
    }
    trials = [Trial(n, overrides[n], _partition(one)) for n, one in sorted(newest.items())]
    keys = {one.number: key for one, key in zip(trials, _keys(recipe, head, trials), strict=True)}
    lines: Lines = []
    for one in trials:
        about = {"overrides": one.overrides, "partition": one.partition, "key": keys[one.number]}
        lines.append({"what": "added", "trial": one.number, **about})
    lines += [{"what": "closed"}, {"what": "session", "jobs": 0}]
    for number, one in sorted(newest.items()):
        lines += told_of(instance, recipe, number, one)
    with record.alone() as alone:
        led = record.leads() != "no"
        if not (led and _has_head(record)):
            record.write_head(head)
        if led:  # whoever leads it goes on writing what becomes of its trials
            return record
        alone.refuse_lost()
        record.begin_anew()
        record.append(*lines)
        record.append({"what": "over", "standing": standing(record.trials().values()).sentence()})
    return record


def _has_head(record: SweepRecord) -> bool:
    try:
        return bool(record.head())
    except (OSError, ValueError):
        return False


def _keys(recipe: Recipe, head: Mapping[str, Any], trials: Sequence[Trial]) -> list[str]:
    return [one.key for one in ordered_before(recipe, head, trials).trials]


def _partition(record: dg.RunRecord) -> str | None:
    found = partition_of_run(record.dagster_run.tags)
    return str(found) if found is not None else None


def _told_apart(
    args: Mapping[int, Mapping[str, Any]],
) -> tuple[dict[str, Any], dict[int, dict[str, Any]]]:
    """Returns the args that all trials share, and of each those that they do not."""
    names = dict.fromkeys(name for one in args.values() for name in one)
    apart = [name for name in names if len({same(one.get(name)) for one in args.values()}) > 1]
    first = next(iter(args.values()), {})
    shared = {name: value for name, value in first.items() if name not in apart}
    return shared, {n: {name: one[name] for name in apart if name in one} for n, one in args.items()}


def told_of(instance: dg.DagsterInstance, recipe: Recipe, number: int, record: dg.RunRecord) -> Lines:
    """Returns what was written down of a run of a trial: that it was taken, and how it has ended."""
    run = record.dagster_run
    begun = record.start_time or record.create_timestamp.timestamp()
    lines: Lines = [{"t": begun, "what": "taken", "trial": number, "run": run.run_id, "worker": 0}]
    if not run.is_finished:
        return lines
    outcome, why = SUCCEEDED, ""
    if run.status is dg.DagsterRunStatus.CANCELED:
        outcome, why = "cancelled", "interrupted"
    elif not run.is_success:
        failure = failure_of(instance, run.run_id)
        outcome, why = OUTCOMES.get(failure.kind, failure.kind), one_line(failure.why)
    asset = compared(recipe)
    event = made_by(instance, run.run_id).get(asset.key.to_user_string()) if asset else None
    facts = facts_in(reuse.handle_of(event)) if event and reuse.digest_of(event) else {}
    ended = {"what": "ended", "trial": number, "outcome": outcome, "why": why, "run": run.run_id}
    at = record.end_time or time.time()
    return [*lines, {"t": at, **ended, "seconds": took(instance, record), "facts": facts}]

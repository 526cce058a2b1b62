"""Looks at what a sweep would do, before any of it is done: what is there, what can be, how much at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import dagster as dg

from blut_assets.cli.run.ahead import refuse_full
from blut_assets.cli.run.alerting import begin_to_tell
from blut_assets.cli.sweep.order import SweepOrder
from blut_assets.sweeps.planning import PlannedStage, SweepPlan, jobs_at_once, plan_trials
from blut_assets.sweeps.record import SUCCEEDED, SweepRecord
from blut_resources.alive import reap_dead_runs
from blut_resources.instance.instance import home_of, open_instance
from blut_resources.launchers.base import LOCAL
from blut_resources.launchers.choose import chosen
from blut_resources.launchers.gate import most_jobs
from blut_resources.machine.memory import available

WORKER = 70 << 20
"""Bytes of a worker whose payloads run on other machines: it only waits for them."""


@dataclass(frozen=True)
class Ahead:
    """Says what a sweep that is about to begin need not do, how many trials it runs at once, and what is in
    its way.

    Attributes:
        done: the keys of trials that have succeeded, and of which nothing would be computed.
        refused: lines, each of a place or an asset.
    """

    done: frozenset[str] = frozenset()
    jobs: int = 1
    refused: Sequence[str] = field(default_factory=tuple)


def done_before(record: SweepRecord) -> set[str]:
    """Returns the keys of the trials that have succeeded."""
    return {one.key for one in record.trials().values() if one.state == "ended" and one.outcome == SUCCEEDED}


def look_ahead(order: SweepOrder, succeeded: set[str]) -> Ahead:
    """Returns what is known before the first trial begins; makes the home if there is none.

    Args:
        succeeded: the keys of trials that did before. What they made may be gone, or out of date.
    """
    with open_instance() as instance:
        reap_dead_runs(instance)
        begin_to_tell()
        refuse_full(home_of(instance))
        plan = planned(instance, order)
    keys = [one.key for one in order.trials]
    done = {key for number, key in enumerate(keys) if key in succeeded and plan.done(number)}
    begin = [number for number, key in enumerate(keys) if key not in done]
    return Ahead(frozenset(done), jobs_for(order, plan, begin), refusals(plan, begin))


def planned(instance: dg.DagsterInstance, order: SweepOrder) -> SweepPlan:
    """Returns the plan of all trials."""
    configs, partitions = [one.configs for one in order.trials], [one.partition for one in order.trials]
    return plan_trials(instance, order.recipe, configs, partitions)


def jobs_for(order: SweepOrder, plan: SweepPlan, begin: Sequence[int]) -> int:
    """Returns how many trials run at once where nobody says it."""
    if runs_elsewhere(order):
        return max(1, min(len(begin), most_jobs(), available() // 2 // WORKER))
    return jobs_at_once(plan.ahead(begin), len(begin))


def runs_elsewhere(order: SweepOrder) -> bool:
    """Says whether payloads of it run on other machines."""
    return any(chosen(one.args.launcher) != LOCAL for one in order.trials)


def refusals(plan: SweepPlan, begin: Sequence[int]) -> list[str]:
    """Returns why none of the trials can begin; empty where one can."""
    trouble = [_trouble(plan.trials[number]) for number in begin]
    return [*dict.fromkeys(line for lines in trouble for line in lines)] if trouble and all(trouble) else []


def _trouble(stages: Sequence[PlannedStage]) -> list[str]:
    unseen = [f"{one.asset}: {one.reason}" for one in stages if one.state == "unseen"]
    return unseen + [f"{one.asset}: {one.never}" for one in stages if one.never]

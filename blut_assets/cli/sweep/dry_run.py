"""Shows what a sweep would do: each trial, what it would compute and at what cost, and what they share."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import typer

from blut_assets.cli.sweep.ahead import done_before, jobs_for, planned, refusals
from blut_assets.cli.sweep.order import SweepOrder
from blut_assets.sweeps.grid import words_of
from blut_assets.sweeps.planning import PlannedStage, SweepPlan
from blut_assets.sweeps.record import SweepRecord
from blut_assets.terminal.output import columns, counted, duration, failed, print_json
from blut_resources.instance.home import find_home
from blut_resources.instance.instance import open_instance
from blut_resources.machine.memory import size_text

AHEAD = ("compute", "blocked")


def show_trials(order: SweepOrder, as_json: bool, jobs: int | None = None) -> None:
    """Print the trials and what they would compute; ends with status 1 where none of them could begin."""
    with open_instance(write=False) as instance:
        plan = planned(instance, order)
    succeeded = done_before(SweepRecord(find_home(), order.id))
    rows = [_row(number, order, plan, succeeded) for number in range(len(order.trials))]
    begin = [number for number, row in enumerate(rows) if row["state"] != "done"]
    jobs = jobs or jobs_for(order, plan, begin)
    trouble = refusals(plan, begin)
    if as_json:
        print_json({"sweep": order.id, "jobs": jobs, "trials": rows, "stages": _stages(plan, begin)})
    else:
        typer.echo(columns([_shown(row) for row in rows]))
        typer.echo(_total(order, plan, rows, begin, jobs))
    if trouble:
        failed("\n".join(trouble))


def _row(number: int, order: SweepOrder, plan: SweepPlan, succeeded: set[str]) -> dict[str, Any]:
    asked, stages = order.trials[number], plan.trials[number]
    ahead = [one for one in stages if one.state in AHEAD]
    known = [one.seconds for one in ahead if one.seconds is not None]
    done = asked.key in succeeded and plan.done(number)
    return {
        "trial": number + 1,
        "args": dict(asked.overrides),
        "partition": asked.partition,
        "state": "done" if done else plan.state(number),
        "computes": [one.asset for one in ahead],
        "seconds": sum(known) if len(known) == len(ahead) else None,
        "peak": max((one.peak for one in ahead if one.peak), default=None),
        "leases": next((one.leases for one in reversed(ahead) if one.leases), ""),
        "trouble": [f"{one.asset}: {one.never or one.reason}" for one in stages if one.never or one.reason],
    }


def _shown(row: dict[str, Any]) -> dict[str, str]:
    part = f" [{row['partition']}]" if row["partition"] is not None else ""
    return {
        "trial": str(row["trial"]),
        "args": words_of(row["args"]) + part,
        "state": row["state"],
        "computes": ", ".join(one.rpartition("/")[2] for one in row["computes"]) or "-",
        "last cost": _cost_of(row),
        "peak": size_text(row["peak"]) if row["peak"] else "-",
        "leases": row["leases"] or "-",
    }


def _cost_of(row: dict[str, Any]) -> str:
    if not row["computes"]:
        return "-"
    return duration(row["seconds"]) if row["seconds"] is not None else "not known"


def _stages(plan: SweepPlan, begin: Sequence[int]) -> dict[str, int]:
    """Returns, by asset, how many different computations there are."""
    return dict(Counter(one.asset for one in plan.ahead(begin)))


def _total(
    order: SweepOrder, plan: SweepPlan, rows: Sequence[dict[str, Any]], begin: Sequence[int], jobs: int
) -> str:
    states = Counter(row["state"] for row in rows)
    words = ", ".join(
        f"{states[one]} {one}" for one in ("done", "fresh", "reusable", "unseen") if states[one]
    )
    words += f"{', ' if words else ''}{states['compute']} to compute"
    ahead = plan.ahead(begin)
    if not ahead:
        return f"sweep {order.id[:8]}: {len(rows)} trials: {words}; nothing would be computed"
    asked = sum(len(rows[number]["computes"]) for number in begin)
    by_asset = ", ".join(f"{name} {count}" for name, count in _stages(plan, begin).items())
    once = f"; without sharing {asked}" if asked > len(ahead) else ""
    return "\n".join(
        [
            f"sweep {order.id[:8]}: {len(rows)} trials: {words}",
            f"{counted(len(ahead), 'different stage')} would be computed ({by_asset}{once}); {_cost(ahead)}",
            f"{jobs} at once",
        ]
    )


def _cost(ahead: Sequence[PlannedStage]) -> str:
    known = [one.seconds for one in ahead if one.seconds is not None]
    if len(known) == len(ahead):
        return f"such took {duration(sum(known))} last time, one after the other"
    others = f"the others took {duration(sum(known))} last time; " if known else ""
    return f"{others}what {len(ahead) - len(known)} of these would cost is not known"

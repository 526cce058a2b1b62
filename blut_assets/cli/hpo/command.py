"""Runs a search from its first trial to its last, or goes on with one, and then the best of it once more."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from blut_assets.cli.hpo.order import SearchOrder, trial_args
from blut_assets.cli.hpo.rebuilding import rebuild
from blut_assets.cli.run.arguments import refuse_lacking
from blut_assets.cli.run.detach import began, leave_for
from blut_assets.cli.run.launching import end_on_sigterm, refuse_unplaced, run_recipe
from blut_assets.cli.run.partitions import INTERRUPTED
from blut_assets.cli.sweep.ahead import look_ahead
from blut_assets.cli.sweep.apart import apart, forked
from blut_assets.cli.sweep.command import cancelled, led, settled, wait_for_others
from blut_assets.cli.sweep.leading import Leader
from blut_assets.cli.sweep.telling import SweepProgress, summary
from blut_assets.cli.sweep.worker import TrialWork, work
from blut_assets.definitions import discovered
from blut_assets.hpo.advisor import Advisor
from blut_assets.sweeps.record import OUTPUT, SEARCH_TAG, SweepRecord, Trial
from blut_assets.sweeps.standing import BestTrial, best_of, standing
from blut_assets.terminal.output import failed
from blut_resources.files.durable import write_atomic
from blut_resources.instance.home import find_home

HPO = "hpo.json"
BEST_TAG = "blut/best-of"
"""Of the run of the best trial: the search that has found it."""


def run_search(
    order: SearchOrder,
    *,
    retry_failed: bool = True,
    accept_refusal: bool = False,
    tags: Mapping[str, str] | None = None,
) -> int:
    """Run the trials that are not done yet, then the best of them as any other run of the recipe; returns the
    status that its process is to end with.

    That is 0, 1 if a trial failed, none has a value, or a gate refused the best, 130 if it was interrupted.
    """
    recipe, search = order.recipe, order.search
    book = next(book for book in discovered.cookbooks if recipe in book.recipes)
    refuse_lacking(recipe.name, [*book.extras, "blut[hpo]"])
    end_on_sigterm()
    refuse_unplaced(one.args.launcher for one in order.ends.trials)
    record = SweepRecord(find_home(), order.id)
    wait_for_others(record)
    if refused := apart(lambda: look_ahead(order.ends, set())).refused:
        failed("\n".join(refused))
    mark = led(record)
    rebuilt = apart(lambda: rebuild(record, order))
    again = _written_down(record, order, tags or {}, retry_failed)
    leave_for({"sweep": record.id}, record.place / OUTPUT)
    told = SweepProgress(record, f"search {record.short}")
    named = {**(tags or {}), SEARCH_TAG: json.dumps(_metric(order))}
    what = TrialWork(
        recipe, lambda trial: trial_args(order, trial.overrides).args, named, pausing=search.asset
    )
    leader = Leader(
        record,
        mark,
        lambda: work(record, what),
        cancelled,
        search.at_once,
        told,
        began,
        beside=Advisor(record, search).advise,
    )
    if rebuilt:
        told.line(f"search {record.short}: its record was lost, and is written again of {rebuilt} runs")
    there = len([one for one in record.trials().values() if one.state == "ended"]) - len(again)
    done = f", {there} of them done before" if there else ""
    told.line(
        f"search {record.short} of {recipe.name}: {search.trials} trials{done}, {search.at_once} at once"
    )
    trials = leader.lead(again)
    told.over()
    how = standing(trials.values())
    record.say({"what": "over", "standing": how.sentence()})
    apart(lambda: settled(book.name, record))
    best = best_of(record, trials.values())
    print("\n".join(summary(record, recipe.name, trials, how, "search")))
    if leader.interrupts:
        return INTERRUPTED
    if record.stopped:
        failed(f"search {record.short}: {record.stopped}")
    if best is None:
        failed(f"search {record.short}: no trial has succeeded, so none is the best")
    status = _run_best(order, record, best, accept_refusal, tags or {})
    bad = how.failed - (how.outcomes.get("refused", 0) if accept_refusal else 0)
    return status or int(bad > 0)


def _written_down(
    record: SweepRecord, order: SearchOrder, tags: Mapping[str, str], retry_failed: bool
) -> list[int]:
    """Write down what is asked for; returns the numbers of trials that ended before they came to anything."""
    record.write_head(
        {
            "kind": "hpo",
            "recipe": order.recipe.name,
            "values": order.values,
            "axes": order.told["space"],
            "metric": _metric(order),
            "search": {**order.told, "trials": order.search.trials},
            "tags": tags,
            "cwd": str(Path.cwd()),
            "at": time.time(),
        }
    )
    for trial in record.trials().values():
        if trial.state == "running":
            record.end(trial.number, "lost", "its worker was killed, and its command", run=trial.run_id)
    return [one.number for one in record.trials().values() if _is_to_run_again(one, retry_failed)]


def _metric(order: SearchOrder) -> dict[str, str]:
    """Returns by what the trials are ranked."""
    best = "highest" if order.search.sampling.maximize else "lowest"
    return {"fact": order.search.metric, "best": best, "only_if": order.only_if}


def _is_to_run_again(trial: Trial, retry_failed: bool) -> bool:
    if trial.state != "ended" or trial.outcome == "refused":
        return False
    return trial.outcome in ("lost", "cancelled") or (retry_failed and trial.failed)


def _run_best(
    order: SearchOrder, record: SweepRecord, best: BestTrial, accept_refusal: bool, tags: Mapping[str, str]
) -> int:
    """Run the best trial as any other run: what it made is reused, and what the recipe asks of a result is
    asked of it; returns its status.
    """
    args = trial_args(order, best.trial.overrides).args
    named = {**tags, BEST_TAG: record.id}
    reader = forked(lambda: _exit(run_recipe(order.recipe, args, named, accept_refusal=accept_refusal)))
    status = _waited(reader)
    said: dict[str, Any] = {
        "search": record.id,
        "recipe": order.recipe.name,
        **order.told,
        "trials": order.search.trials,
        "best": {
            "trial": best.trial.number,
            "overrides": best.trial.overrides,
            "value": best.value,
            "run": best.trial.run_id,
        },
        "status": status,
    }
    path = record.place / HPO
    write_atomic(path, json.dumps(said, indent=1, default=str).encode())
    print(f"best: {best.words()}; {path} names it")
    return status


def _exit(status: int) -> None:
    raise SystemExit(status)


def _waited(pid: int) -> int:
    import os

    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

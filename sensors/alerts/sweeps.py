"""Finds sweeps whose end somebody has to be told of: one alert each, which names every trial that failed.

The runs and checks of its trials are told of by that alone.
"""

import datetime as dt
from collections.abc import Callable, Iterator

import dagster as dg

from blut_assets.sweeps.grid import words_of
from blut_assets.sweeps.record import HEAD, SWEEP_TAG, SWEEPS, SweepRecord, Trial, records
from blut_assets.sweeps.standing import standing
from blut_resources.instance.instance import home_of
from blut_resources.text import one_line
from sensors.alerts.alert import Alert
from sensors.alerts.ledger import AlertState
from sensors.alerts.starters import started_by

NAMED = 100
"""Trials that an alert names at most."""
LOOK_BACK = 50
"""Sweeps that are looked at, those in which something happened last."""
KNOWN = 200
WHY_MAX = 300
REFUSED = "refused"
DIED = "its process died"


def told_by_sweep(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Says whether a run is a trial of a sweep that is known here, which is told of when it has ended."""
    sweep = run.tags.get(SWEEP_TAG)
    return bool(sweep) and (home_of(instance) / SWEEPS / sweep / HEAD).exists()


def failed_sweeps(
    instance: dg.DagsterInstance, state: AlertState, concerns: Callable[[dg.DagsterRun], bool]
) -> Iterator[Alert]:
    """Yields an alert for every sweep that has ended since with trials that failed; moves the state on.

    Args:
        concerns: says of a run whether it is to be told of.
    """
    for record in records(home_of(instance))[:LOOK_BACK]:
        trials = record.trials()
        at = float(record.last.get("t", 0.0))
        if at < state.since or state.sweeps.get(record.id, 0) >= record.sessions:
            continue
        over = record.last.get("what") == "over"
        if not over and record.leads() != "no":
            continue
        state.sweeps[record.id] = record.sessions
        bad = [one for one in trials.values() if one.failed]
        lost = not over and any(one.state != "ended" for one in trials.values())
        run = _a_run(instance, [*bad, *trials.values()])
        if (bad or lost) and run is not None and concerns(run):
            yield _alert(instance, record, run, bad, "" if over else DIED)
    while len(state.sweeps) > KNOWN:
        del state.sweeps[next(iter(state.sweeps))]


def _a_run(instance: dg.DagsterInstance, trials: list[Trial]) -> dg.DagsterRun | None:
    for one in trials:
        if one.run_id and (run := instance.get_run_by_id(one.run_id)):
            return run
    return None


def _alert(
    instance: dg.DagsterInstance, record: SweepRecord, run: dg.DagsterRun, bad: list[Trial], died: str
) -> Alert:
    how = standing(record.trials().values())
    head = f"sweep {record.short}: {how.sentence()}" + (f"; {died}" if died else "")
    lines = [
        f"trial {one.number} ({words_of(one.overrides)}) {one.outcome}: {one_line(one.why)[:WHY_MAX]}"
        for one in bad[:NAMED]
    ]
    if len(bad) > NAMED:
        lines.append(f"and {len(bad) - NAMED} more: blut sweep show {record.short} --failed")
    at = dt.datetime.fromtimestamp(float(record.last.get("t", 0.0)), dt.UTC).isoformat(timespec="seconds")
    return Alert(
        id=f"sweep-failed:{record.id}:{record.sessions}",
        event="check-failed" if bad and all(one.outcome == REFUSED for one in bad) else "run-failed",
        at=at,
        run=run.run_id,
        job=run.job_name,
        by=started_by(instance, run),
        message="\n".join([head, *lines]),
        tags={SWEEP_TAG: record.id},
    )

"""Computes the row of a sweep, for `blut sweep list`, `blut jobs` and the cockpit."""

from typing import TYPE_CHECKING, Any

from blut_assets.terminal.output import numbers

if TYPE_CHECKING:
    from blut_assets.sweeps.record import SweepRecord


def sweep_row(record: "SweepRecord") -> dict[str, Any] | None:
    """Returns what is said of a sweep in a listing; None where its record cannot be read."""
    from blut_assets.sweeps.standing import best_of, standing, state_of

    try:
        head = record.head()
    except (OSError, ValueError):
        return None
    trials = record.trials().values()
    how, best, state = standing(trials), best_of(record, trials), state_of(record)
    return {
        "id": record.id,
        "state": state,
        "where": str(record.leader() or "") if state == "unknown" else "",
        "recipe": head["recipe"],
        "begun": min((one.begun for one in trials if one.begun), default=head["at"]),
        "ended": max((one.ended for one in trials if one.ended), default=None),
        "words": how.words(),
        "total": how.total,
        "running": how.running,
        "waiting": how.waiting,
        "outcomes": dict(how.outcomes),
        "best": numbers({best.metric: best.value}) if best else "",
        "axes": head["axes"],
    }

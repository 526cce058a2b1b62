"""Finds the job that was ordered in a place, for whoever goes on with it after its run has died."""

from collections.abc import Callable
from pathlib import Path

from blut_resources.launchers.files import ATTEMPT, JOB, LAUNCH, note_job
from blut_resources.launchers.remote_unit import RemoteUnit
from blut_resources.launchers.schedulers import scheduler_of
from blut_resources.launchers.waiting import until_answered
from blut_resources.machine import wire


def attach_job(place: Path, waits: Callable[[str], str] = lambda _: "") -> RemoteUnit | None:
    """Returns the job that was ordered in a place, as far as it has come; None if none was submitted.

    Whoever ordered it may have died before the id was written down: then the scheduler is asked for it.

    Args:
        waits: see `Launcher.start`.

    Raises:
        NeverStarted: ``waits`` said why to wait no longer.
    """
    launch = wire.read(place / LAUNCH)
    if not launch:
        return None
    scheduler = scheduler_of(launch)
    known = wire.read(place / JOB)
    if not known:
        job = (wire.read(place / ATTEMPT) or {}).get("job") or until_answered(
            lambda: scheduler.find(launch["comment"]),
            f"{scheduler.name} does not say whether there is a job already",
            waits,
        )
        if not job:
            return None
        known = note_job(place, launch, str(job))
    unit = RemoteUnit(place, scheduler, launch, known)
    try:
        unit.settle(waits)
    except BaseException:
        unit.detach()
        raise
    return unit

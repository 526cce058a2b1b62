"""Finds jobs whose run has died and that nobody has taken over: by their places, and by one query for all."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from blut_resources.launchers.files import (
    ATTEMPT,
    CANCEL,
    JOB,
    LAUNCH,
    newest_attempt,
    outcome_file,
    write_durable,
)
from blut_resources.launchers.scheduler import Scheduler
from blut_resources.launchers.schedulers import scheduler_of
from blut_resources.launchers.sight import Sight
from blut_resources.launchers.transport import NoAnswer
from blut_resources.machine import wire
from blut_resources.store.work import NAME, owner


class LeftJob(NamedTuple):
    """Describes such a job.

    Attributes:
        place: the directory of its files.
        launch: what was ordered.
        job: its id; empty where none was written down.
        ended: whether its files say how it ended.
    """

    place: Path
    launch: Mapping[str, Any]
    job: str
    ended: bool

    @property
    def name(self) -> str:
        """Returns what a person calls it."""
        return f"{self.launch['scheduler']} job {self.job or '(not numbered yet)'}"


def left_jobs(works: Path) -> Iterator[LeftJob]:
    """Yields the jobs that were ordered in the work directories of a store; asks no scheduler."""
    for path in sorted(works.glob(f"*/{NAME}/{LAUNCH}")):
        place, launch = path.parent, wire.read(path)
        if not launch or owner(place.parent) != "no":
            continue
        job = (wire.read(place / JOB) or wire.read(place / ATTEMPT) or {}).get("job", "")
        number = newest_attempt(place)
        yield LeftJob(place, launch, str(job), number is not None and outcome_file(place, number).exists())


def looked_at(left: list[LeftJob]) -> list[tuple[LeftJob, Sight | None]]:
    """Returns those that wait or run, with what their scheduler says of them; None where it does not answer.

    One of which only the scheduler knows the id gets that.
    """
    found: list[tuple[LeftJob, Sight | None]] = []
    groups: dict[tuple[str, str], list[LeftJob]] = {}
    for one in left:
        groups.setdefault((one.launch["scheduler"], one.launch["where"]), []).append(one)
    for those in groups.values():
        scheduler = scheduler_of(those[0].launch)
        try:
            known = [one if one.job else one._replace(job=_find(scheduler, one)) for one in those]
            sights = scheduler.look([one.job for one in known if one.job])
        except NoAnswer:
            found += [(one, None) for one in those if not one.ended]
            continue
        there = [(one, sights[one.job]) for one in known if one.job]
        found += [(one, sight) for one, sight in there if sight.state in ("waiting", "running")]
    return found


def _find(scheduler: Scheduler, one: LeftJob) -> str:
    return scheduler.find(one.launch["comment"]) or ""


def end_left(one: LeftJob, sight: Sight | None) -> None:
    """Ask it to end, with time for a checkpoint if it runs. Raises NoAnswer."""
    write_durable(one.place / CANCEL, {"grace_s": one.launch["grace_s"]})
    scheduler = scheduler_of(one.launch)
    if job := one.job or _find(scheduler, one):  # one that is nowhere finds that file if it begins
        scheduler.end(job, at_once=sight is not None and sight.state == "waiting")

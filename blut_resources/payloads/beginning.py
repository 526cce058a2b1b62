"""Starts a payload, or goes on with one that a dead run has left, and holds what it needs meanwhile."""

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg

from blut_resources.containment.backends.base import LOG
from blut_resources.instance.instance import home_of
from blut_resources.launchers.base import Launched, Launcher
from blut_resources.launchers.gathering import gathering
from blut_resources.launchers.gauges import Gauges
from blut_resources.launchers.remote_unit import RemoteUnit
from blut_resources.leases.lease import Lease
from blut_resources.payloads import orphans
from blut_resources.payloads.admission import TellingWaits
from blut_resources.payloads.leaving import leave_or_end
from blut_resources.payloads.messages import MESSAGES, MessageTail, consumed
from blut_resources.payloads.order import order_for
from blut_resources.payloads.output import LogTee
from blut_resources.payloads.payload import Payload
from blut_resources.payloads.reasons import EndReasons
from blut_resources.payloads.record import note_run
from blut_resources.payloads.taking_over import taken_over

CONTEXT = "context.json"


class Begun(NamedTuple):
    """Holds a payload that runs, and what it is heard by.

    Attributes:
        place: the directory of its files.
        lease: what it was given of this machine; None if nothing, or if another run has been given it.
        is_taken_over: whether another run has started it.
    """

    place: Path
    unit: Launched
    reader: MessageTail
    session: dg.PipesSession
    log: LogTee
    lease: Lease | None
    is_taken_over: bool

    @property
    def job(self) -> RemoteUnit | None:
        """Returns the job that it is; None where it runs on this machine."""
        return self.unit if isinstance(self.unit, RemoteUnit) else None

    def launched(self) -> dict[str, Any]:
        """Returns where its job runs, as a part of an event; nothing where it is none."""
        return {"launched": self.job.facts()} if self.job else {}

    def gauges(self) -> Callable[[], list[dict[str, Any]]]:
        """Returns what measures it."""
        if self.job:
            return self.job.readings
        return Gauges(self.place, self.lease.gpus if self.lease else (), self.unit.peak).events


def begin(
    held: contextlib.ExitStack,
    context: dg.AssetExecutionContext,
    payload: Payload,
    admit: Callable[[], AbstractContextManager[Lease | None]],
    is_behind: Callable[[], bool],
    launcher: Launcher,
    reasons: EndReasons,
    waiting: TellingWaits,
    last_words: Callable[[Path], None],
) -> Begun:
    """Returns a payload that runs, in a place of its own; for the arguments and errors see `run_payload`.

    Args:
        held: ends it, if it still runs then, and gives back what it has.
    """
    waits = waiting.heard(reasons)
    with reasons.before_its_start():
        orphan = taken_over(payload, context.log, waits)
    place = orphan.place if orphan else orphans.new_place(payload.work, payload.order(), payload.adopt)
    jobs = list[RemoteUnit]()
    held.callback(lambda: any(job.is_left for job in jobs) or orphans.forget(payload.work, place))
    held.callback(lambda: orphans.keep_unheard(payload.work, place) if is_behind() else None)
    note_run(place, home_of(context.instance), context.run.run_id, payload.name)
    reader = MessageTail(place / MESSAGES, consumed(place) if orphan else 0)
    injector = dg.PipesFileContextInjector(str(place / CONTEXT))
    # a session that no process has opened is warned of, so none is begun by who only waits
    lease = held.enter_context(admit()) if orphan is None else None
    session = held.enter_context(dg.open_pipes_session(context, injector, reader, payload.frozen()))
    if orphan is None:
        order = order_for(payload, place, session.get_bootstrap_env_vars(), lease)
        with reasons.before_its_start():
            unit = launcher.start(order, waits)
    else:
        context.log.info(f"{payload.name}: taken over from a run that died; it was never interrupted")
        unit = orphan
        if others := gathering():
            others.go_on(payload.name, payload.run)
    if isinstance(unit, RemoteUnit):
        jobs.append(unit)
    held.enter_context(unit)
    if isinstance(unit, RemoteUnit):
        _await_start(context, payload, unit, reasons, waiting, partial(last_words, place))
    log = held.enter_context(contextlib.closing(LogTee(place / LOG)))
    return Begun(place, unit, reader, session, log, lease, orphan is not None)


def _await_start(
    context: dg.AssetExecutionContext,
    payload: Payload,
    job: RemoteUnit,
    reasons: EndReasons,
    waiting: TellingWaits,
    last_words: Callable[[], object],
) -> None:
    """Wait until a job runs; who is interrupted meanwhile may leave it alone.

    It may run, and have said much, before that is seen here.
    """
    try:
        with reasons.before_its_start():
            job.await_start(waiting.heard(reasons))
        waiting.say("")
    except BaseException as error:
        leave_or_end(job, context, payload.name, error, last_words)
        raise

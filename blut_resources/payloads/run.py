"""Runs one payload process: frozen JSON in, events out, and nothing left behind when it ends.

Dagster's own Pipes reader parses half-written lines, dies of them and lets the step succeed; its client
signals one process and then gives up. Hence this one: complete lines only, in the thread of the step, the
whole process tree held in a unit of its own, and success only after the payload said ``done``.
"""

import contextlib
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import dagster as dg

from blut_resources.containment import Outcome, Unit
from blut_resources.containment.backends.base import LOG
from blut_resources.files.durable import remove_tree
from blut_resources.files.full import SAID, is_nearly_full, says_full
from blut_resources.files.passing import NODE, Passing
from blut_resources.instance.instance import home_of
from blut_resources.instance.places import full_by_words, places
from blut_resources.launchers.base import Launcher, NeverStarted
from blut_resources.launchers.gauges import Gauges
from blut_resources.launchers.local import LocalLauncher
from blut_resources.launchers.remote import RemoteUnit
from blut_resources.leases.lease import Lease
from blut_resources.payloads import orphans
from blut_resources.payloads.admission import TellingWaits
from blut_resources.payloads.code import UNCOUNTED
from blut_resources.payloads.early import Early
from blut_resources.payloads.events import MessageError
from blut_resources.payloads.isolated import (
    compiled_for,
    keep_compiled,
)
from blut_resources.payloads.leaving import is_left_alone
from blut_resources.payloads.messages import MESSAGES, MessageTail, consumed
from blut_resources.payloads.order import order_for
from blut_resources.payloads.output import LogTee
from blut_resources.payloads.payload import (
    Payload,
    PayloadDiverged,
    PayloadFailed,
    PayloadMisspoke,
    PayloadOutOfRoom,
    PayloadPastDeadline,
    PayloadPruned,
)
from blut_resources.payloads.record import note_run
from blut_resources.payloads.watching import has_ended, wanted, watched
from blut_resources.runs.cancelling import time_given
from blut_resources.store.work import owner

LOCAL = LocalLauncher()
CONTEXT = "context.json"
OURS = ("gauge", "gpu_starved")
"""Events that the payload has not sent."""


def run_payload(
    context: dg.AssetExecutionContext,
    payload: Payload,
    admit: Callable[[], AbstractContextManager[Lease | None]] = contextlib.nullcontext,
    last_words: Callable[[Path], None] = lambda _: None,
    overdue: Callable[[], str] = str,
    is_behind: Callable[[], bool] = lambda: False,
    refuse_lost: Callable[[], object] = bool,
    enough: Callable[[Mapping[str, Any]], str] = lambda _: "",
    launcher: Launcher = LOCAL,
) -> Iterator[dict[str, Any]]:
    """Run the payload to its end, yielding each event as it arrives.

    Its last one is ``done``. Of our own are ``started`` before them, ``gauge`` and ``gpu_starved`` between
    them, and after all others ``ended``, with ``outcome`` and ``enforcement``. A program that knows nothing
    of Blut says no ``done``, but opens and closes Dagster Pipes: what it has reported to Dagster comes before
    that, as ``reported`` with ``results`` and ``messages``.

    ``admit`` is entered before a process starts and left after the last one is gone. A payload that was told
    to outlive its owner, and did, is taken over instead: it has its lease. ``last_words`` gets the place of
    one that was ended from outside, with the messages that nobody has read. ``overdue`` says that the
    deadline of its run has come, and what to do; empty until then. ``is_behind`` says whether some messages
    could not be written down, and are kept. ``refuse_lost`` raises where another machine has taken over what
    is computed here; the payload is ended then. ``enough`` gets the event of each epoch, and an empty one now
    and then, and says why it is to end early, with a checkpoint. ``launcher`` starts it.

    Raises:
        PayloadFailed: on any outcome but ok, a torn message, or exit 0 without ``done``.
        PayloadDiverged: if it ended because of that.
        PayloadPruned: if it has ended early because there was ``enough`` of it.
        PayloadPastDeadline: if it was asked to end, because it was overdue, before it was done.
        PayloadMisspoke: if a line of its messages is not an event.
        ContainmentRefused: if a limit is required that nothing enforces here.
        NeverFits: if ``admit`` says so.
    """
    late, early = "", Early(enough)
    unwanted = wanted(context.instance, context.run.run_id, alone=payload.adopt)

    def ends() -> str:
        nonlocal late
        refuse_lost()
        late = late or overdue()
        return late or early.overdue() or unwanted()

    with contextlib.ExitStack() as held:
        waiting, jobs = TellingWaits(context, payload.name), list[RemoteUnit]()
        waits = waiting.heard(ends)
        with _never_started(payload, lambda: late):
            orphan = _orphan(payload, context.log, waits)
        place = orphan.place if orphan else orphans.new_place(payload.work, payload.order(), payload.adopt)
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
            with _never_started(payload, lambda: late):
                unit = launcher.start(order, waits)
        else:
            context.log.info(f"{payload.name}: taken over from a run that died; it was never interrupted")
            unit = orphan
        there = unit if isinstance(unit, RemoteUnit) else None
        jobs += [there] if there else []
        held.enter_context(unit)

        def leaves(error: BaseException) -> bool:
            if there is None or not is_left_alone(context.instance, context.run.run_id, error):
                return False
            there.leave()
            context.log.warning(f"{payload.name}: {there.describe()} goes on; the same command takes it over")
            return True

        if there:
            try:
                with _never_started(payload, lambda: late):
                    there.await_start(waits)
                waiting.say("")
            except BaseException as error:
                leaves(error)
                raise
        log = held.enter_context(contextlib.closing(LogTee(place / LOG)))
        if payload.limits.memory_max and not unit.enforcement.contained:
            context.log.warning(
                f"{payload.name}: its memory limit is not enforced: {unit.enforcement.reason}"
            )
        if unit.enforcement.notes:
            context.log.warning(f"{payload.name}: {unit.enforcement.notes}")
        diverged, stays, passing = "", "", None
        about = {"taken_over": orphan is not None, **({"launched": there.facts()} if there else {})}
        yield {"event": "started", **unit.enforcement.as_metadata(), **about}
        said: dict[str, Any] = {}
        gauges = there.readings if there else Gauges(place, lease.gpus if lease else (), unit.peak).events

        def beside() -> list[dict[str, Any]]:
            waiting.say(there.waiting() if there else "")
            return gauges()

        try:
            for event in watched(payload.name, unit, reader, log, ends, context.log.warning, beside):
                if event["event"] not in (*OURS, UNCOUNTED):
                    said = event
                diverged = event["message"] if event["event"] == "diverged" else diverged
                if event["event"] == "passing":
                    passing = Passing(event["cause"], event["message"], event.get("after_s", 0.0))
                if event["event"] == "checkpoint":
                    stays = f"; its checkpoint of epoch {event['epoch']} stays, and it goes on from there"
                if early.hears(event):
                    unit.terminate()
                yield event
        except MessageError as error:
            unit.close()
            raise PayloadMisspoke(f"{payload.module}: {error}", unit.wait()) from None
        except BaseException as error:
            if not leaves(error):
                unit.close(time_given(home_of(context.instance), context.run.run_id))
                last_words(place)
            raise
        outcome = unit.wait()
        refuse_lost()
        if why := _out_of_room(home_of(context.instance), outcome, log.tail):
            what = f"{payload.module}: {outcome.describe()}: {why}{stays}"
            raise PayloadOutOfRoom("\n".join([what, *_besides(log.tail)]).rstrip(), outcome)
        finished = said.get("event") == "done" or (reader.ordinary and reader.closed)
        if (late or early.why) and not (outcome.ok and finished and not reader.torn):
            if late:
                raise PayloadPastDeadline(f"{payload.name}: {late}", outcome)
            raise PayloadPruned(f"{payload.name}: {early.why}{stays}", outcome)
        if outcome.kind != "exit":  # another node may do what one did not live to do
            passing = Passing(NODE, outcome.describe()) if there and outcome.kind == "lost" else None
        _demand_success(payload, outcome, reader.torn, finished, log.tail, diverged, passing)
        if payload.isolation and payload.compiled:
            keep_compiled(place / "work", compiled_for(payload.compiled, payload.files.digests))
        if reader.ordinary:
            reported = {"results": session.get_reported_results(), "messages": session.get_custom_messages()}
            yield {"event": "reported", **reported}
        about = {"launched": there.facts()} if there else {}
        yield {"event": "ended", "outcome": outcome, "enforcement": unit.enforcement, **about}


def can_be_taken_over(work: Path) -> bool:
    """Says whether something in ``work`` has outlived its run: its ``out`` is to be left alone then."""
    if orphans.is_launched(work):  # whose scheduler need not be asked for that
        return owner(work) != "yes"
    unit = orphans.left_in(work)
    if unit is None:
        return False
    unit.detach()
    return orphans.may_go_on(work, unit)


@contextlib.contextmanager
def _never_started(payload: Payload, late: Callable[[], str]) -> Iterator[None]:
    """Raise that the payload has failed, where it was ended before anything of it began.

    Raises:
        PayloadFailed: it was.
        PayloadPastDeadline: that is why.
    """
    try:
        yield
    except NeverStarted as error:
        if said := late():
            raise PayloadPastDeadline(f"{payload.name}: {said}", error.outcome) from None
        raise PayloadFailed(f"{payload.module}: {error}, before it was started", error.outcome) from None


def _orphan(
    payload: Payload, log: dg.DagsterLogManager, waits: Callable[[str], str]
) -> Unit | RemoteUnit | None:
    """Returns this very payload, left by a dead run to go on; anything else that was left there is ended."""
    unit = orphans.left_in(payload.work, waits)
    if unit is None:
        return None
    over, goes_on = has_ended(unit, 0), orphans.may_go_on(payload.work, unit)
    ending = isinstance(unit, RemoteUnit) and unit.is_ending
    fine = unit.wait().ok if over else not ending
    if goes_on and orphans.order_of(unit) == payload.order() and fine:
        orphans.claim(payload.work, unit)
        return unit
    if goes_on or not over:
        what = f"ended without it: {unit.wait().describe()}" if over else "has to end first"
        log.warning(f"{payload.name}: what a dead run left {what}")
    with unit:
        pass
    orphans.bury(payload.work, unit.place)
    if goes_on:
        for left in payload.out.iterdir() if payload.out.is_dir() else ():
            remove_tree(left)
    return None


def _out_of_room(home: Path, outcome: Outcome, printed: str) -> str:
    """Returns which file system without room has ended a payload; empty if none has."""
    if outcome.kind in ("exit", "lost") and says_full(printed):
        return full_by_words(home, printed)
    if outcome.signal == signal.SIGBUS and any(map(is_nearly_full, places(home).values())):
        return full_by_words(home, printed)  # a file that it had mapped could not grow
    return ""


def _besides(printed: str) -> list[str]:
    """Returns what is worth saying again: where the payload has named the place itself, its last line."""
    told = printed.splitlines()
    rest = [line for line in told if not line.startswith(SAID)]
    return rest if rest == told else rest[-1:]


def _demand_success(
    payload: Payload,
    outcome: Outcome,
    torn: int,
    finished: bool,
    printed: str,
    diverged: str,
    passing: Passing | None,
) -> None:
    module = payload.module
    if diverged and outcome.kind == "exit":
        raise PayloadDiverged(f"{payload.name} has diverged: {diverged}", outcome)
    if not outcome.ok:
        raise PayloadFailed(f"{module}: {outcome.describe()}\n{printed}".rstrip(), outcome, passing)
    if torn:
        what = f"exit status 0, but its last message is cut off ({torn} bytes)"
        raise PayloadFailed(f"{module}: {what}", outcome)
    if not finished:
        what = "exit status 0 without `done`, or without the end of Dagster Pipes"
        raise PayloadFailed(f"{module}: {what}; nothing it wrote is used", outcome)

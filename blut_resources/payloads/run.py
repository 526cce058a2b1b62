"""Runs one payload process: frozen JSON in, events out, and nothing left behind when it ends.

Dagster's own Pipes reader parses half-written lines, dies of them and lets the step succeed; its client
signals one process and then gives up. Hence this one: complete lines only, in the thread of the step, the
whole process tree held in a unit of its own, and success only after the payload said ``done``.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg

from blut_resources.containment import Enforcement
from blut_resources.instance.instance import home_of
from blut_resources.launchers.base import Launcher
from blut_resources.launchers.local import LocalLauncher
from blut_resources.launchers.watch import FILES_S
from blut_resources.leases.lease import Lease
from blut_resources.payloads.admission import TellingWaits
from blut_resources.payloads.beginning import begin
from blut_resources.payloads.early import Early
from blut_resources.payloads.events import MessageError
from blut_resources.payloads.isolated import compiled_for, keep_compiled
from blut_resources.payloads.judging import Testimony, demand_success
from blut_resources.payloads.leaving import leave_or_end
from blut_resources.payloads.payload import Payload, PayloadMisspoke
from blut_resources.payloads.reasons import EndReasons
from blut_resources.payloads.watching import POLL_S, wanted, watched

LOCAL = LocalLauncher()


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
    early, home = Early(enough), home_of(context.instance)
    unwanted = wanted(context.instance, context.run.run_id, alone=payload.adopt)
    reasons = EndReasons(payload, overdue, early, unwanted, refuse_lost)
    waiting = TellingWaits(context, payload.name)
    with contextlib.ExitStack() as held:
        it = begin(held, context, payload, admit, is_behind, launcher, reasons, waiting, last_words)
        unit, reader, log = it.unit, it.reader, it.log
        _warn_of_limits(payload, unit.enforcement, context.log)
        about = {"taken_over": it.is_taken_over, **it.launched()}
        yield {"event": "started", **unit.enforcement.as_metadata(), **about}
        said, gauges = Testimony(reader), it.gauges()

        def beside() -> list[dict[str, Any]]:
            waiting.say(it.job.waiting() if it.job else "")
            return gauges()

        try:
            poll_s = FILES_S if it.job else POLL_S
            warn = context.log.warning
            for event in watched(payload.name, unit, reader, log, reasons, warn, beside, poll_s):
                said.take(event)
                if early.hears(event):
                    unit.terminate()
                yield event
        except MessageError as error:
            unit.close()
            raise PayloadMisspoke(f"{payload.module}: {error}", unit.wait()) from None
        except BaseException as error:
            leave_or_end(unit, context, payload.name, error, partial(last_words, it.place))
            raise
        outcome = unit.wait()
        refuse_lost()
        demand_success(payload, said, outcome, log.tail, reasons, home, elsewhere=it.job is not None)
        if payload.isolation and payload.compiled:
            keep_compiled(it.place / "work", compiled_for(payload.compiled, payload.files.digests))
        if reader.ordinary:
            session = it.session
            reported = {"results": session.get_reported_results(), "messages": session.get_custom_messages()}
            yield {"event": "reported", **reported}
        yield {"event": "ended", "outcome": outcome, "enforcement": unit.enforcement, **it.launched()}


def _warn_of_limits(payload: Payload, held: Enforcement, log: dg.DagsterLogManager) -> None:
    if payload.limits.memory_max and not held.contained:
        log.warning(f"{payload.name}: its memory limit is not enforced: {held.reason}")
    if held.notes:
        log.warning(f"{payload.name}: {held.notes}")

"""Lets one run at a time compute what has one fingerprint; those that wait say for whose.

The lock is in the store, so that histories which share one wait for each other too.
"""

import contextlib
import os
import time
from collections.abc import Iterator

from blut_assets.stages.computation import Computation
from blut_resources.boxes.beats import BEAT_S, silent
from blut_resources.boxes.locks import held_by, hold
from blut_resources.instance.database import lock_of_server
from blut_resources.instance.instance import home_of
from blut_resources.launchers.gathering import gathering
from blut_resources.machine import liveness
from blut_resources.payloads.admission import say_waiting
from blut_resources.payloads.orphans import is_out_of_sight
from blut_resources.store.artifacts import StoreError
from blut_resources.store.results import made_here
from blut_resources.store.work import HOLDER

SILENT_S = 1.0
"""A wait that is shorter is not worth a word."""


@contextlib.contextmanager
def held_alone(one: Computation) -> Iterator[None]:
    """Hold the lock of a fingerprint: two that have it share a work directory.

    A read-only store may have sources. The computation can ask whether another machine has taken it over.

    Raises:
        DeadlinePassed: the deadline of the run came while it waited.
    """
    if not os.access(one.store.root, os.W_OK):
        if not one.spec.source:
            raise StoreError(
                f"{one.name} is not in the store {one.store.root}, which can only be read here: choose"
                " another one ($BLUT_STORE), or have its owner let you write to it"
            )
        yield
        return
    path, context = one.store.lock_path(f"fingerprint-{one.fingerprint}", "lock"), one.context
    begun, said = time.monotonic(), False

    def meanwhile() -> None:
        nonlocal said
        one.refuse_late()
        if not said and time.monotonic() - begun > SILENT_S:
            said = True
            whose = held_by(path) or "another run"
            text = f"waiting for {whose}, which computes the same"
            context.log.info(f"{one.name}: {text}")
            say_waiting(context.instance, context.run.run_id, text)
            if others := gathering():  # what the other one has ordered does not wait for this one
                others.stand_aside(context.run.run_id, whose)

    server = lock_of_server(context.instance, path.stem)
    with hold(path, _words(one), server, meanwhile) as alone:
        one.lost = alone.lost
        if said:  # a tag cannot be taken off
            waited = time.monotonic() - begun
            say_waiting(context.instance, context.run.run_id, f"no more, after {waited:.0f} s")
            if others := gathering():
                others.come_back(context.run.run_id)
        yield


def free_work(one: Computation) -> None:
    """See that no other machine writes where this computation is about to.

    As long as it is seen now and then, it is waited for; after that the computation goes on elsewhere, from
    a copy of the state that it has left.

    Raises:
        DeadlinePassed: the deadline of the run came while it waited.
        LockLost: another machine was faster.
    """
    context, work, said = one.context, one.store.work_path(one.fingerprint), False
    while is_out_of_sight(work):
        one.refuse_late()
        one.refuse_lost()
        if silent([work / HOLDER]):
            there = one.store.supersede_work(one.fingerprint, _words(one))
            context.log.warning(f"{one.name}: goes on in {there}: who worked in {work} was not seen any more")
            return
        if not said:
            said, holder = True, next(reversed(liveness.holders(work / HOLDER)), None)
            host = holder.host if holder else "another machine"  # the mark may have gone since
            text = f"waiting for {host}, which may be computing the same, to be seen or not for long enough"
            context.log.info(f"{one.name}: {text}")
            say_waiting(context.instance, context.run.run_id, text)
        time.sleep(BEAT_S)


def _words(one: Computation) -> str:
    return f"run {one.context.run.run_id[:8]} of {made_here(home_of(one.context.instance)).words()}"

"""Lets one run at a time compute what has one fingerprint; those that wait say for whose.

The lock is in the store, so that histories which share one wait for each other too.
"""

import contextlib
import os
import time
from collections.abc import Iterator

from blut_assets.stages.computation import Computation
from blut_resources.boxes.locks import held_by, hold
from blut_resources.instance.instance import home_of
from blut_resources.payloads.admission import say_waiting
from blut_resources.store.artifacts import StoreError
from blut_resources.store.results import made_here

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

    words = f"run {context.run.run_id[:8]} of {made_here(home_of(context.instance)).words()}"
    with hold(path, words, context.instance, meanwhile) as alone:
        one.lost = alone.lost
        if said:  # a tag cannot be taken off
            waited = time.monotonic() - begun
            say_waiting(context.instance, context.run.run_id, f"no more, after {waited:.0f} s")
        yield

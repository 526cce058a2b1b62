"""Lets a process start when what it needs is free, and says meanwhile, in the run, who is waited for."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator

import dagster as dg

from blut_resources.leases.lease import Lease, Needs, lease

WAITING_TAG = "blut/waiting"
WAITS = "waiting for "
"""How a text begins that says who is waited for; others are always worth a line."""
QUIET_S = 120.0
"""Seconds without a line of the log after the first one of a wait; doubled each time."""
WORTH_S = 0.5
"""Seconds of a wait of which the end is worth a line too."""


class Quiet:
    """Keeps a long wait from filling a log: whenever anybody's lease changes there is something to say."""

    def __init__(self) -> None:
        self._until, self._next = 0.0, QUIET_S

    def over(self) -> bool:
        """Says whether a line may be said now, and begins a longer silence."""
        if (now := time.monotonic()) < self._until:
            return False
        self._until, self._next = now + self._next, self._next * 2
        return True


def say_waiting(instance: dg.DagsterInstance, run_id: str, text: str) -> None:
    """Say by a tag of a run what it waits for; a run that is not in the history says nothing."""
    with contextlib.suppress(Exception):  # a function that is called directly has no run
        instance.add_run_tags(run_id, {WAITING_TAG: text})


class TellingWaits:
    """Says in the log and by a tag of the run what a payload waits for, and when it waits no more.

    Args:
        name: of the payload.
    """

    def __init__(self, context: dg.AssetExecutionContext | dg.OpExecutionContext, name: str) -> None:
        self._context, self._name = context, name
        self._quiet, self._said, self._since = Quiet(), "", 0.0

    def say(self, text: str) -> None:
        """Say what is waited for; an empty text ends the wait."""
        if text == self._said:
            return
        log, self._said, before = self._context.log, text, self._said
        if not before:
            self._since = time.monotonic()
        if text and self._quiet.over():
            log.info(f"{self._name}: {text}")
        if not text:
            self._quiet = Quiet()
            waited = time.monotonic() - self._since
            text = f"no more, after {waited:.0f} s"
            if waited >= WORTH_S:
                log.info(f"{self._name}: has waited for {waited:.0f} s, and runs now")
        say_waiting(self._context.instance, self._context.run.run_id, text)

    def heard(self, ends: Callable[[], str]) -> Callable[[str], str]:
        """Returns what says a text, and then why to wait no longer: what ``ends`` says."""

        def waits(text: str) -> str:
            self.say(text)
            return ends()

        return waits


@contextlib.contextmanager
def admitted(
    context: dg.AssetExecutionContext | dg.OpExecutionContext,
    run_id: str,
    name: str,
    needs: Needs,
    meanwhile: Callable[[], object] = bool,
) -> Iterator[Lease]:
    """Hold what is needed for as long as the block runs; the log and a tag of the run say what is waited for.

    Args:
        meanwhile: called again and again while it waits; what it raises ends the wait.

    Raises:
        NeverFits: this machine can never give that much.
        LeaseError: the directory of the leases cannot be used.
    """
    waited_since: list[float] = []
    quiet = Quiet()

    def tag(text: str) -> None:
        say_waiting(context.instance, run_id, text)

    def say(text: str) -> None:
        waited_since.append(time.monotonic())
        if not text.startswith(WAITS) or quiet.over():
            context.log.info(f"{name}: {text}")
        tag(text)

    holder = {"run": run_id, "asset": name, "pid": str(os.getpid())}
    with lease(needs, holder=holder, on_wait=say, meanwhile=meanwhile) as granted:
        if waited_since:  # a tag cannot be taken off
            waited = time.monotonic() - waited_since[0]
            tag(f"no more, after {waited:.0f} s")
            if waited >= WORTH_S:  # a shortage that is not waited for is said at once
                context.log.info(f"{name}: has waited for {waited:.0f} s, and starts now")
        yield granted

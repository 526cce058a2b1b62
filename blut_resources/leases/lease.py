"""Grants memory, CPUs, GPUs, network and disk of this machine, so that what runs at once fits.

The budget belongs to the machine: all Dagster instances and all users share one directory of leases
(`files`), first come first served (`queue`). Only what is declared counts against it. Where other
programs have taken so much that a lease would find too little memory available, it says so and starts
anyway, or first waits for up to $BLUT_MEMORY_WAIT ("10m"). A GPU goes to one lease at a time.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from blut_resources.leases import files
from blut_resources.leases.capacity import capacity
from blut_resources.leases.deadlock import waits_for_itself
from blut_resources.leases.files import HOLDER, WAITER, Claim, Held, Needs
from blut_resources.leases.place import LeaseError, locked, named_place, place
from blut_resources.leases.queue import (
    NeverFits,
    QueueTurn,
    describe,
    line_before,
    look,
    needs_text,
    refuse_impossible,
)
from blut_resources.machine.gpus import Gpu, Gpus, environment, gpus
from blut_resources.machine.memory import available, size_text

__all__ = [
    "Claim",
    "Lease",
    "LeaseError",
    "Needs",
    "NeverFits",
    "describe",
    "estimate",
    "holders",
    "join",
    "lease",
    "waiters",
]

PATIENCE = "BLUT_MEMORY_WAIT"
POLL_S = 0.1
HEADROOM = 1.1
"""A run may need a little more than the same run did before."""


@dataclass(frozen=True)
class Lease:
    """Says what was granted.

    Attributes:
        path: the file to hold a shared ``flock`` on, by every process that the lease must outlive; None where
            nothing was needed.
        gpus: indices granted, as nvidia-smi counts.
        environment: variables that make a program see these GPUs only, which may be none.
    """

    path: Path | None
    gpus: tuple[int, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


def estimate(declared: int | None, peaks: Sequence[int], limit: int | None, alike: Sequence[int] = ()) -> int:
    """Returns the bytes to lease for a step.

    A memory limit, where one is set: the step may use all of it. Else a tenth more than the largest of the
    peaks measured before of the same thing, even where that is less than what was declared. Else what was
    declared, or a tenth more than what something ``alike`` took where that is more; else 0.
    """
    if limit:
        return limit
    if any(peaks):
        return round(max(peaks) * HEADROOM)
    return max(declared or 0, round(max(alike, default=0) * HEADROOM))


@contextmanager
def lease(
    needs: Needs,
    *,
    holder: Mapping[str, str],
    on_wait: Callable[[str], None],
    meanwhile: Callable[[], object] = bool,
) -> Iterator[Lease]:
    """Hold what is needed, for as long as the block runs and whoever else locks the file lives.

    Waits for it in turn; an exception in this thread (an interrupt) ends the wait at once. Needing nothing
    never waits. Inside another lease of the same thread the CPUs and permits of that one count as had; what
    is needed besides comes before those who hold nothing, and is refused if it would wait for ever.

    Args:
        holder: ``run``, ``asset`` and ``pid``, to show to others.
        on_wait: told what is waited for, at the start and whenever that changes, and of a shortage that is
            not waited for.
        meanwhile: called again and again while it waits; what it raises ends the wait.

    Raises:
        NeverFits: this machine can never give that much.
        LeaseError: the directory of the leases cannot be used, or those who would have to end first wait for
            this thread, which holds another lease.
        ValueError: an environment variable of this module makes no sense.
    """
    here = (os.getpid(), threading.get_ident())
    own = [one for one in _taken if one.thread == here]
    more = needs.beyond([one.needs for one in own])
    if not more:
        yield Lease(own[-1].file.path if own else None, environment=environment(()))
        return
    granted, chosen = _Wait(more, holder, on_wait, [one.file.path.name for one in own]).run(meanwhile)
    taken = _Taken(here, granted, more)
    try:
        _taken.append(taken)  # in here: an interrupt may come as soon as it is there
        yield Lease(granted.path, tuple(gpu.index for gpu in chosen), environment(chosen))
    finally:
        _taken.remove(taken)
        granted.release()


@dataclass(frozen=True, eq=False)
class _Taken:
    """Remembers a lease that a thread of this process holds."""

    thread: tuple[int, int]
    file: Held
    needs: Needs


_taken: list[_Taken] = []


@contextmanager
def join(path: Path) -> Iterator[None]:
    """Share the lease of a payload that outlived its owner, instead of queueing behind it.

    Raises:
        LeaseError: no living process holds it.
    """
    held = files.join(path)
    try:
        yield
    finally:
        held.release()


def holders() -> list[Claim]:
    """Returns who holds something now, oldest first. Raises LeaseError."""
    return _claims(HOLDER)


def waiters() -> list[Claim]:
    """Returns who waits now, the next one first. Raises LeaseError."""
    return _claims(WAITER)


def _claims(kind: str) -> list[Claim]:
    directory = named_place()
    if not directory.is_dir():
        return []
    with locked(directory, on_stuck=_give_up):  # else a lease that changes hands might show twice
        return files.claims(directory, kind)


def _give_up(text: str) -> None:
    raise LeaseError(text)


# Why each waiter looks again, and takes for itself, under one lock of the directory:
#
# A daemon that grants would be one more thing that can be dead, and would have to run as root to serve all
# users. A counter in a file would drift: whoever is killed never gives back. So there is no sum anywhere; it
# is added up from the files that a living process has locked, each time, and the kernel lets go of what the
# dead held. Granting by a message to the waiter would not do either: between the grant and the moment the
# waiter takes it, nobody holds it, and a waiter that died would block the queue.
#
# What must hold: look and take happen under the same lock, or two would take the same bytes. The grant is a
# new file that appears locked (see `files.add`), and the ticket of the wait goes only after it, in `finally`:
# in between, this process counts twice, which delays others for a moment; the other way round it would count
# not at all, and somebody behind it would be let in. A ticket that somebody has deleted is made again, at the
# end of the queue. GPUs are asked for outside of the lock, since a driver may be slow to answer.
#
# Polling, and not a wait for a lock: a blocked `flock` keeps an interrupt from its thread, and what is waited
# for is a sum over many files, which no single lock stands for.
class _Wait:
    """Waits once, from what there is to the grant."""

    def __init__(
        self,
        needs: Needs,
        holder: Mapping[str, str],
        on_wait: Callable[[str], None],
        inside: Sequence[str] = (),
    ) -> None:
        self.needs, self.on_wait, self.inside = needs, on_wait, tuple(inside)
        self.who = {"pid": str(os.getpid()), **{key: str(value) for key, value in holder.items()}}
        self.capacity = capacity()
        refuse_impossible(needs, self.capacity, self._gpus())
        self.patience = _Patience(needs.memory)
        self.directory = place()
        self.ticket: Held | None = None
        self.granted: Held | None = None

    def run(self, meanwhile: Callable[[], object]) -> tuple[Held, tuple[Gpu, ...]]:
        said = None
        try:
            while True:
                turn = self._look(self._gpus())
                if turn.says and turn.cause != said:
                    said = turn.cause
                    self.on_wait(turn.says)
                if self.granted:
                    return self.granted, turn.gpus
                meanwhile()
                time.sleep(POLL_S)
        except BaseException:
            if self.granted:
                self.granted.release()
            raise
        finally:
            if self.ticket:
                self.ticket.release()

    def _gpus(self) -> Gpus:
        return gpus() if self.needs.gpus else Gpus(())

    def _look(self, there: Gpus) -> QueueTurn:
        """Take what is needed if it is this one's turn, else a place in the queue."""
        with locked(self.directory, on_stuck=self.on_wait):
            held = files.claims(self.directory, HOLDER, sweep=True)
            queue = files.claims(self.directory, WAITER, sweep=True)
            own = self.ticket.path if self.ticket else None
            others = [claim for claim in queue if claim.path != own]
            before = line_before(queue, own, held, inside=bool(self.inside))
            turn = look(self.needs, held, before, self.capacity, there)
            if turn.waits and self.inside:
                self._refuse_knot(held, others, there)
            if not turn.waits:
                turn = self.patience.look(turn)
            if not turn.waits:
                self.granted = self._add(HOLDER, turn.gpus)
            elif len(others) == len(queue):  # not yet there, or somebody has deleted it
                self.ticket = self._add(WAITER, there.found)
        return turn

    def _refuse_knot(self, held: Sequence[Claim], others: Sequence[Claim], there: Gpus) -> None:
        stuck = waits_for_itself(self.needs, self.inside, held, others, self.capacity, there)
        if stuck:
            who = ", ".join(map(describe, stuck))
            raise LeaseError(
                f"needs {needs_text(self.needs)} inside of another lease, and would wait for ever: all who"
                f" would have to end first hold a lease and wait too ({who}); take both at once, in one lease"
            )

    def _add(self, kind: str, some: Sequence[Gpu]) -> Held:
        here = self.capacity.cpus
        claim = Claim(
            *(self.needs, self.who, time.time(), tuple(gpu.uuid for gpu in some)),
            cpus=here.ids if self.needs.cpus else (),
            quotas=here.quotas if self.needs.cpus else {},
            inside=self.inside if kind == WAITER else (),
        )
        return files.add(self.directory, kind, claim)


class _Patience:
    """Compares with the memory that is really available, besides what leases say."""

    def __init__(self, need: int) -> None:
        from blut_resources.machine.amounts import parse_duration

        text = os.environ.get(PATIENCE, "").strip()
        self.need = need
        self.seconds = 0.0 if text in {"", "0"} else parse_duration(text, f"${PATIENCE}")
        self.start: float | None = None

    def look(self, turn: QueueTurn) -> QueueTurn:
        """Returns the turn with a warning, or a wait instead."""
        free = available() if self.need else 0
        if self.need <= free:
            return turn
        if self.start is None:
            self.start = time.monotonic()
        lacks = f"only {size_text(free)} are available now, programs without a lease use the rest"
        if time.monotonic() - self.start < self.seconds:
            text = (
                f"waiting for {size_text(self.need)}: {lacks}; for up to {self.seconds:.0f} s (${PATIENCE})"
            )
            return replace(turn, waits=True, says=text, cause=("available",))
        text = f"{size_text(self.need)} are leased, but {lacks}; starting anyway (${PATIENCE}=10m would wait)"
        return replace(turn, says=text, cause=("shortage",))

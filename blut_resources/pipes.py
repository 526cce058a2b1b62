"""Runs any Pipes script of any Dagster project in a unit of its own: limited, queued, heard to the end.

`ContainedPipesClient` stands wherever a ``dg.PipesSubprocessClient`` does, and is called in the same way.
It needs no cookbook and no home of Blut's, only a directory in which leases are kept.
"""

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Literal

import dagster as dg

from blut_resources.containment import (
    ContainmentError,
    Enforcement,
    Limits,
    LimitsError,
    Outcome,
    Unit,
    launch,
    parse_duration,
    parse_size,
)
from blut_resources.containment.asked import CONTAINED, contained
from blut_resources.containment.backends.base import LOG
from blut_resources.files.durable import StoreError, explanation
from blut_resources.files.full import CAUSE, blamed, is_full, says_full
from blut_resources.files.here import here
from blut_resources.leases.capacity import capacity
from blut_resources.leases.lease import Lease, LeaseError, Needs, NeverFits
from blut_resources.leases.queue import total
from blut_resources.machine.amounts import refused
from blut_resources.payloads import more_memory
from blut_resources.payloads.admission import admitted
from blut_resources.payloads.events import MessageError
from blut_resources.payloads.messages import MESSAGES
from blut_resources.payloads.output import LogTee
from blut_resources.payloads.scratch import MARK, scratch
from blut_resources.payloads.step_tags import is_direct
from blut_resources.payloads.tail import LineTail
from blut_resources.payloads.threads import thread_variables
from blut_resources.payloads.watching import wanted, watched
from blut_resources.runs.hang_up import keep_interrupts
from blut_resources.settings import settings
from blut_resources.text import lines

LONGEST = 64 << 20
"""Bytes of one message."""
Context = dg.OpExecutionContext | dg.AssetExecutionContext


@dataclass(frozen=True)
class AskedLimits:
    """Holds what a process may use, as it was said; None for what was not."""

    memory_max: str | int | None = None
    cpus: float | None = None
    gpus: int | None = None
    timeout: str | float | None = None
    oom_retry_up_to: str | int | None = None
    mode: Literal["required", "best-effort"] | None = None
    network: int | None = None
    disk: int | None = None

    def or_else(self, other: "AskedLimits") -> "AskedLimits":
        """Returns this one, with the other's word for what is not said here."""
        mine = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(other, **{name: value for name, value in mine.items() if value is not None})

    def limits(self, remembered: int | None) -> Limits:
        """Returns the limits: what is said, else the environment; at least what an earlier attempt lacked.

        Raises:
            LimitsError: naming the argument or variable, the value, and what would do.
        """
        seconds = None if self.timeout is None else parse_duration(self.timeout, "timeout")
        said = {"memory_max": self.memory_max, "cpus": self.cpus, "wall_clock_s": seconds}
        said["mode"] = self.mode
        limits = Limits.resolve(said, settings(), {})
        if remembered and limits.memory_max:
            limits = replace(limits, memory_max=max(remembered, limits.memory_max))
        if (enforced := contained(settings())) is False:
            return replace(limits, backend="none", mode="best-effort")
        if enforced and not limits.memory_max:
            raise refused("memory_max", None, f"${CONTAINED}=1 starts nothing without a limit; give one")
        return replace(limits, mode="required") if enforced else limits

    def ceiling(self, limits: Limits) -> int | None:
        """Returns the bytes up to which a limit may be raised. Raises LimitsError."""
        if self.oom_retry_up_to is None:
            return None
        if not limits.memory_max:
            raise refused("oom_retry_up_to", self.oom_retry_up_to, "there is no memory_max to begin with")
        return parse_size(self.oom_retry_up_to, "oom_retry_up_to")

    def needs(self, limits: Limits) -> Needs:
        """Returns what is queued for: the memory limit, GPUs, CPUs and permits. Raises LimitsError."""
        cpus = min(math.ceil(self.cpus), total("cpus", capacity())) if self.cpus else 0
        permits = {name: _whole(name, getattr(self, name)) for name in ("network", "disk")}
        return Needs(limits.memory_max or 0, _whole("gpus", self.gpus), cpus=cpus, **permits)


def _whole(name: str, value: object) -> int:
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        kind = "hide none" if name == "gpus" else "wait for none"
        raise refused(name, value, f"must be a whole number; leave it out to {kind}")
    return value


class Completed(dg.PipesClientCompletedInvocation):
    """Holds what a process reported, and how it ended.

    Each result has what was measured as metadata, beside what the process has reported itself.

    Attributes:
        outcome: how it ended, with its peak of memory.
        enforcement: what held it.
    """

    def __init__(
        self, session: dg.PipesSession, outcome: Outcome, enforcement: Enforcement, seconds: float
    ) -> None:
        peak = {"peak_memory_bytes": outcome.peak} if outcome.peak else {}
        seen = {"outcome": outcome.kind, "seconds": round(seconds, 3), **peak, **enforcement.shown()}
        super().__init__(session, seen)
        self.outcome, self.enforcement, self._reported = outcome, enforcement, session

    def get_results(self, *, implicit_materializations: bool = True) -> Sequence[dg.PipesExecutionResult]:
        """Returns the results in the order in which they were reported; see Dagster's own method."""
        found = self._reported.get_results(implicit_materializations=implicit_materializations)
        return tuple(one._replace(metadata={**self.metadata, **(one.metadata or {})}) for one in found)


class ContainedPipesClient(dg.PipesSubprocessClient):
    """Runs a command as Dagster's own client for processes does, and holds all that it starts.

    Its messages are read line by line until the last process of its tree has ended, so that none is lost; one
    that is not a message fails the step. When the step is cancelled or dies, the whole tree ends. What is
    said here holds for each run that does not say otherwise.

    Args:
        env: variables of the process, beside those of the step.
        cwd: the directory in which it starts.
        context_injector: how it gets its context; as a file if not given.
        memory_max: such as ``"44G"``: it waits until so much is free, and is killed beyond it.
        cpus: how many CPUs' worth of time it gets at most; it waits until so many are free, or all there are,
            and numeric libraries start so many threads. It waits for none if not given.
        gpus: how many it waits for; it sees those and no other. All are left to it if not given.
        network: permits it waits for, one for a download that is as fast as the line; none if not given.
        disk: permits it waits for, one for reading and writing as fast as the disk; none if not given.
        timeout: seconds, or such as ``"12h"``, after which it is ended.
        oom_retry_up_to: after an out-of-memory kill the step asks Dagster for another attempt with a larger
            ``memory_max``, up to this one.
        mode: ``best-effort`` starts it also where nothing here enforces its ``memory_max``, and says so;
            ``required``, as without this, does not.
        termination_timeout_seconds: from SIGTERM to SIGKILL, when it has to end.
    """

    def __init__(
        self,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        context_injector: dg.PipesContextInjector | None = None,
        *,
        memory_max: str | int | None = None,
        cpus: float | None = None,
        gpus: int | None = None,
        timeout: str | float | None = None,
        oom_retry_up_to: str | int | None = None,
        mode: Literal["required", "best-effort"] | None = None,
        network: int | None = None,
        disk: int | None = None,
        termination_timeout_seconds: float = 10,
    ) -> None:
        super().__init__(env, cwd, termination_timeout_seconds=termination_timeout_seconds)
        self._injector = context_injector
        self._asked = AskedLimits(memory_max, cpus, gpus, timeout, oom_retry_up_to, mode, network, disk)

    def run(
        self,
        *,
        context: Context,
        extras: Mapping[str, Any] | None = None,
        command: str | Sequence[str | os.PathLike[str]],
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        memory_max: str | int | None = None,
        cpus: float | None = None,
        gpus: int | None = None,
        timeout: str | float | None = None,
        oom_retry_up_to: str | int | None = None,
        mode: Literal["required", "best-effort"] | None = None,
        network: int | None = None,
        disk: int | None = None,
    ) -> Completed:
        """Run a command to its end, and return what it reported.

        Args:
            context: of the step.
            extras: what the process finds as extras of its context.
            command: program and arguments; a text is a program without any.

        Raises:
            Failure: it did not end by itself with status 0, or said what is not a message, or ended in the
                middle of one; or it was not started, because nothing holds it here or it can never fit.
            RetryRequested: it was killed for lack of memory, and may have more.
        """
        said = AskedLimits(memory_max, cpus, gpus, timeout, oom_retry_up_to, mode, network, disk)
        asked = said.or_else(self._asked)
        words = [command] if isinstance(command, str) else [os.fspath(word) for word in command]
        name = _name(context, words)
        keep_interrupts()  # one that a callback swallows would leave the process to run on
        with _explained(name), contextlib.ExitStack() as held:
            _refuse(words, {**self.env, **(env or {})})
            limits = asked.limits(more_memory.remembered(context))
            ceiling, needs = asked.ceiling(limits), asked.needs(limits)
            place = held.enter_context(scratch())
            lease = held.enter_context(admitted(context, _run_id(context), name, needs))
            tail = LineTail(place / MESSAGES, LONGEST, "the process")
            injector = self._injector or dg.PipesFileContextInjector(str(place / "context.json"))
            session = held.enter_context(dg.open_pipes_session(context, injector, tail, extras))
            started, where = time.monotonic(), Path(cwd or self.cwd or here())
            unit = launch(
                words,
                env={
                    **self._environment(env, asked, lease),
                    **session.get_bootstrap_env_vars(),
                },
                cwd=where,
                limits=limits,
                place=place,
                name=name,
                grace_s=self.termination_timeout_seconds,
                lease=lease.path,
                mark=place / MARK,
            )
            held.enter_context(unit)
            outcome, word, why = _follow(context, name, unit, tail, where)
            if word:
                about = {**unit.enforcement.shown(), **outcome.as_metadata(), "outcome": word}
                failure = dg.Failure(lines(f"{name}: {why}"), about, allow_retries=outcome.retry)
                if word == "oom-kill" and (larger := more_memory.next_size(limits.memory_max, ceiling)):
                    more_memory.ask_again(context, name, failure, larger)
                raise failure
            return Completed(session, outcome, unit.enforcement, time.monotonic() - started)

    def _environment(self, env: Mapping[str, str] | None, asked: AskedLimits, lease: Lease) -> dict[str, str]:
        own = {**os.environ, **self.env, **(env or {})}
        threads = thread_variables(max(1, int(asked.cpus)) if asked.cpus else 0, own)
        return {**threads, **own, **(lease.environment if asked.gpus is not None else {})}


def _follow(context: Context, name: str, unit: Unit, tail: LineTail, cwd: Path) -> tuple[Outcome, str, str]:
    """Returns how a process has ended; and where that is not a success, a word and a sentence for it."""
    warn = context.log.warning
    if unit.enforcement.memory_max and not unit.enforcement.contained:
        warn(f"{name}: its memory limit is not enforced: {unit.enforcement.reason}")
    if unit.enforcement.notes:
        warn(f"{name}: {unit.enforcement.notes}")
    with contextlib.closing(LogTee(unit.place / LOG)) as log:
        try:
            for _ in watched(name, unit, tail, log, _run_ended(context), warn):
                pass
        except MessageError as error:
            unit.close()
            return unit.wait(), "bad-message", str(error)
        outcome = unit.wait()
        if not outcome.ok and says_full(log.tail):
            full = blamed(log.tail, {"$TMPDIR": unit.place.parent, "the working directory": cwd})
            return outcome, CAUSE, f"{outcome.describe()}: {full}\n{log.tail}".rstrip()
        if not outcome.ok:
            return outcome, outcome.kind, f"{outcome.describe()}\n{log.tail}".rstrip()
    why = _unfinished(tail)
    return outcome, "unfinished" if why else "", why


def _unfinished(tail: LineTail) -> str:
    """Says why exit status 0 was not the end of what it had to say; empty if it was."""
    if tail.torn:
        return f"exit status 0, but its last message is cut off ({tail.torn} bytes)"
    if tail.opened and not tail.closed:
        return (
            "exit status 0, but it has not closed Dagster Pipes, so what it reported may not be all: use"
            " open_dagster_pipes() in a `with` block, or call close()"
        )
    return ""


@contextlib.contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn what is wrong with the order, or with this machine, into a failure without a stack trace."""
    try:
        yield
    except (ContainmentError, LeaseError, LimitsError, NeverFits) as error:
        raise dg.Failure(f"{name}: {error}", allow_retries=is_full(error)) from error
    except (OSError, StoreError) as error:
        if not is_full(error):
            raise
        told = explanation(error, Path(gettempdir())) if isinstance(error, OSError) else str(error)
        raise dg.Failure(f"{name}: {told}", {"outcome": CAUSE}) from error


def _run_ended(context: Context) -> Callable[[], str]:
    return str if is_direct(context) else wanted(context.instance, _run_id(context))


def _run_id(context: Context) -> str:
    return (context.op_execution_context if isinstance(context, dg.AssetExecutionContext) else context).run_id


def _name(context: Context, words: Sequence[str]) -> str:
    keys = context.selected_asset_keys if context.has_assets_def else ()
    return next(iter(keys)).to_user_string() if len(keys) == 1 else Path(*words[:1]).name or "command"


def _refuse(words: Sequence[str], env: Mapping[str, Any]) -> None:
    """Refuse what no program can be given, before anything is waited for. Raises LimitsError."""
    if not words:
        raise refused("command", words, "must begin with a program")
    for name, value in env.items():
        if not isinstance(value, str):
            raise refused(f"env[{name!r}]", value, "must be a text, as every variable of a process")

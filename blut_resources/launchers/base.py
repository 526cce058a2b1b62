"""Says what a launcher is told, and what it gives back: the seam between a payload and where it runs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol, Self

from blut_resources.containment.limits import Limits
from blut_resources.containment.outcome import Outcome
from blut_resources.containment.unit import Enforcement
from blut_resources.leases.files import Needs

LOCAL = "local"
"""The launcher that is always there; no profile can have its name."""


class LauncherError(ValueError):
    """Says that a launcher cannot be used as it is asked for; the message has file, line, value, remedy."""


@dataclass(frozen=True)
class Order:
    """Describes one process tree to start, in full: a launcher adds nothing to what it computes.

    Attributes:
        command: program and arguments.
        env: the whole environment.
        cwd: the directory in which it starts.
        limits: what it may use.
        place: a directory of its own, for its log, its messages and its outcome.
        name: what a reader calls it, such as its asset.
        grace_s: seconds from SIGTERM to SIGKILL.
        on_orphan: whether it ends with its owner or goes on without it.
        lease: a file that is kept locked for as long as it lives.
        mark: a file that its supervisor keeps locked.
        isolation: all that it may open; None if it is not isolated.
        job: what a scheduler is told besides; None for what runs on this machine alone.
    """

    command: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    limits: Limits
    place: Path
    name: str
    grace_s: float
    on_orphan: Literal["kill", "adopt"] = "kill"
    lease: Path | None = None
    mark: Path | None = None
    isolation: Mapping[str, Any] | None = None
    job: "OrderedJob | None" = None


@dataclass(frozen=True)
class OrderedJob:
    """Describes what is computed to who finds it a place on other machines.

    Attributes:
        module: the payload module.
        fingerprint: of what is made.
        run: the run that wants it.
        out: where its result is to be.
        inputs: directories that it reads.
        needs: what it is expected to take; its limits say what it may.
        variables: names in its environment that may be secrets, and go into no file.
        ends_s: seconds until its run has to end; None if it has no deadline.
    """

    module: str
    fingerprint: str
    run: str
    out: Path
    inputs: Mapping[str, Path]
    needs: Needs
    variables: Sequence[str] = ()
    ends_s: float | None = None


class LaunchRefused(Exception):
    """Says that a launcher does not start what it was ordered to; another try would end the same way."""


class NeverStarted(Exception):
    """Says that an order has ended before anything of it was started, as when a person cancels it."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.describe())
        self.outcome = outcome


class Launched(Protocol):
    """Stands for a process tree that was started; as a context manager it ends with the block.

    ``fileno`` becomes readable when the tree has ended.
    """

    @property
    def place(self) -> Path:
        """Returns the directory of its files."""
        ...

    @property
    def enforcement(self) -> Enforcement:
        """Says what holds it."""
        ...

    def fileno(self) -> int:
        """Returns a descriptor that becomes readable when it has ended."""
        ...

    def wait(self) -> Outcome:
        """Returns the outcome, as soon as nothing of it is left."""
        ...

    def terminate(self) -> None:
        """Let it end, with time for a checkpoint. Returns at once."""
        ...

    def close(self, grace_s: float | None = None) -> None:
        """End it, within another grace period if one is given, and remove what holds it. Idempotent."""
        ...

    def peak(self) -> int | None:
        """Returns the bytes that it has used at most until now; None if nobody counts."""
        ...

    def broken(self) -> str:
        """Says what does not hold it any more; empty as long as all does."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


class Launcher(Protocol):
    """Starts what it is ordered to. Which one did is not a part of any fingerprint."""

    def start(self, order: Order, waits: Callable[[str], str]) -> Launched:
        """Start it, once; where it has to wait for a machine, return when it has one.

        Args:
            waits: told again and again what is waited for; returns why to wait no longer, empty as long as
                the result is wanted.

        Raises:
            ContainmentRefused: a limit is required that nothing enforces there.
            ContainmentError: the command does not exist, or the place is taken.
            LaunchRefused: no machine there can, or may, start it.
            NeverStarted: it was ended while it waited.
        """
        ...

"""Says what a launcher is told, and what it gives back: the seam between a payload and where it runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol, Self

from blut_resources.containment.limits import Limits
from blut_resources.containment.outcome import Outcome
from blut_resources.containment.unit import Enforcement


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

    def start(self, order: Order) -> Launched:
        """Start it, once.

        Raises:
            ContainmentRefused: a limit is required that nothing enforces there.
            ContainmentError: the command does not exist, or the place is taken.
        """
        ...

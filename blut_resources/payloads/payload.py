"""Defines a payload as it is ordered, and how it may fail."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blut_resources.containment import Limits, Outcome
from blut_resources.containment.sandbox.isolation import Isolation
from blut_resources.files.full import CAUSE
from blut_resources.files.passing import Passing
from blut_resources.leases.lease import Needs
from blut_resources.payloads.files import PayloadFiles
from blut_resources.runs.deadline import WORD
from blut_resources.runs.pruning import WORD as PRUNED


class PayloadFailed(Exception):
    """Says that the payload did not reach ``done``; the message names the module and the cause.

    ``passing`` says that this may pass by itself.
    """

    own_word = ""
    """What its end is called, where its outcome is not the cause."""

    def __init__(self, message: str, outcome: Outcome, passing: Passing | None = None) -> None:
        super().__init__(message)
        self.outcome, self.passing = outcome, passing

    @property
    def cause(self) -> str:
        """Returns the kind of its outcome, in one word."""
        return self.own_word or self.outcome.kind

    @property
    def retry(self) -> bool:
        """Says whether the same thing could end better."""
        return not self.own_word and self.outcome.retry

    def as_metadata(self) -> dict[str, str | int]:
        """Returns what is known of its end."""
        own = {"outcome": self.own_word, "outcome_text": str(self)} if self.own_word else {}
        return {**self.outcome.as_metadata(), **own}


class PayloadDiverged(PayloadFailed):
    """Says that the payload ended itself, because its loss is not a number any more or runs away."""

    own_word = "diverged"


class PayloadOutOfRoom(PayloadFailed):
    """Says that a file system without room ended the payload, which place it is, and what to do."""

    own_word = CAUSE

    @property
    def retry(self) -> bool:
        """Says yes: with room again it can end better."""
        return True


class PayloadPastDeadline(PayloadFailed):
    """Says that the payload was ended because the deadline of its run had come."""

    own_word = WORD


class PayloadPruned(PayloadFailed):
    """Says that the payload was ended early, because other trainings promise more."""

    own_word = PRUNED


class PayloadMisspoke(PayloadFailed):
    """Says that the payload said what is not an event, and was ended for that."""

    own_word = "bad-message"


@dataclass(frozen=True)
class Payload:
    """Says what to run: a module, the contents of its frozen JSON, and what may hold it."""

    module: str
    config: Mapping[str, Any]
    inputs: Mapping[str, Path]
    out: Path
    work: Path
    fingerprint: str
    name: str = "payload"
    limits: Limits = field(default_factory=Limits)
    adopt: bool = False
    watch: Mapping[str, Any] = field(default_factory=dict)
    files: PayloadFiles = field(default_factory=PayloadFiles)
    isolation: Isolation | None = None
    compiled: Path | None = None
    outside: Mapping[str, Any] = field(default_factory=dict)
    variables: tuple[str, ...] = ()
    """Of the environment, what it needs besides what every payload gets."""
    threads: int = 0
    """With how many numeric libraries compute that nobody tells; 0 leaves that to them."""
    ranks: int = 1
    """How many processes of it train together."""
    needs: Needs = field(default_factory=Needs)
    """What it is expected to take, for whoever finds it a machine."""
    run: str = ""
    """The run that wants it."""
    ends_s: float | None = None
    """Seconds until that run has to end; None if it has no deadline."""

    def frozen(self) -> dict[str, Any]:
        """Returns the frozen JSON that the payload reads."""
        return {
            "schema": 1,
            "config": dict(self.config),
            "inputs": {name: str(path) for name, path in self.inputs.items()},
            "out": str(self.out),
            "work": str(self.work),
            "fingerprint": self.fingerprint,
            "watch": dict(self.watch),
        }

    def order(self) -> dict[str, Any]:
        """Returns what it is to do, as a file has it: by this a payload is known again."""
        several = {"ranks": self.ranks} if self.ranks > 1 else {}
        return {**json.loads(json.dumps(self.frozen())), "module": self.module, **several}

"""Runs the epochs of a training that are left, so that a killed one goes on."""

from pathlib import Path
from typing import Any, Protocol

import torch

from blut_resources.payload_kit.ending import Ending
from blut_resources.payload_kit.say import say
from blut_resources.payload_kit.session import PayloadSession, rank
from cookbooks.lamquant.codec.resume import load_state, save_state


class Resumable(Protocol):
    """Stands for a training that is made of epochs."""

    @property
    def epoch(self) -> int:
        """Returns the epochs that are finished."""
        ...

    @property
    def steps(self) -> int:
        """Returns the optimiser steps of these."""
        ...

    def run_epoch(self) -> dict[str, Any]:
        """Trains one epoch; its metrics."""
        ...

    def state(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """Returns the tensors and facts that ``restore`` needs."""
        ...

    def restore(self, tensors: dict[str, torch.Tensor], facts: dict[str, Any]) -> None:
        """Goes on from what `state` returned."""
        ...


def resumed(trainer: Resumable, work: Path, identity: str) -> bool:
    """Says whether a training goes on from the newest state in ``work`` of the same ``identity``."""
    found = load_state(work, identity, say)
    if found is not None:
        trainer.restore(*found)
    return found is not None


def run_epochs(
    session: PayloadSession,
    trainer: Resumable,
    epochs: int,
    ending: Ending,
    identity: str,
    work: Path,
    first: int = 0,
) -> None:
    """Run the epochs that are left, keeping a resumable state after each.

    Args:
        session: is told of each.
        trainer: what is trained.
        epochs: at which it is at its end.
        ending: holds a signal up while a state is written.
        identity: what two attempts must share for one to continue the other.
        work: where states are kept.
        first: epochs of the session that went before.
    """
    while trainer.epoch < epochs:
        metrics = trainer.run_epoch()
        session.epoch(first + trainer.epoch, step=trainer.steps, **metrics)
        tensors, facts = trainer.state()
        if rank():
            continue  # the first one keeps it for all
        with ending.finishing():
            path = save_state(work, trainer.epoch, tensors, facts | {"identity": identity})
            session.checkpoint(first + trainer.epoch, path)

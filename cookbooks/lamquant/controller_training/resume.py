"""Runs the epochs of a training of the controller that are left, so that a killed one goes on."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

import torch

from blut_resources.payload_kit.ending import Ending
from blut_resources.payload_kit.session import PayloadSession
from cookbooks.lamquant.codec.epochs import Resumable, resumed, run_epochs
from cookbooks.lamquant.controller.presets import ControllerPreset
from cookbooks.lamquant.controller_training.examples import LabelledExample

STATE_SCHEMA = 1
_RUN_ONLY = ("resume", "threads")


class Trainable(Resumable, Protocol):
    """Stands for a training of a controller."""

    preset: ControllerPreset


def identity_of(
    config: Mapping[str, Any], preset: ControllerPreset, examples: Sequence[LabelledExample], start: str = ""
) -> str:
    """Returns what two attempts must share for one to continue the other.

    Args:
        start: digest of a trunk that it begins with.
    """
    learned = hashlib.sha256()
    for one in examples:
        learned.update(f"{one.stem} {one.split}\0".encode())
        learned.update(one.measured.tobytes())
        learned.update(one.labels.tobytes())
    kept = {key: value for key, value in config.items() if key not in _RUN_ONLY}
    made = [STATE_SCHEMA, kept, asdict(preset), learned.hexdigest(), start, torch.__version__]
    return hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()


def train(session: PayloadSession, trainer: Trainable, identity: str, ending: Ending, resume: str) -> None:
    """Run the epochs that are left, keeping a resumable state after each."""
    if resume == "auto":
        resumed(trainer, session.work, identity)
    run_epochs(session, trainer, trainer.preset.epochs, ending, identity, session.work)

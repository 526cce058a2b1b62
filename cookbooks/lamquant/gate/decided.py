"""Writes and reads what a controller decided of one recording: a state for each frame, and what it thought.

``<stem>.states`` is an int32 array ``[frames, 4]`` in the form of ``.npy``: the state, and log odds in 1/256:
critical and interesting by the model, critical by the logistic one that was trained beside it.
"""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.controller.controller import Controller
from cookbooks.lamquant.controller.states import CRITICAL

STATES = ".states"
WHOLE, PIECES, BEGIN, SILENCE = "whole", "pieces", "begin", "silence"
"""Directories of one deciding: of whole recordings, cut otherwise, their first half, and of zeros."""
PASSES = (WHOLE, PIECES, BEGIN, SILENCE)
POINT = "events"
"""The operating point that is judged here."""
AS_IT_COMES = {"hold_s": 0.0, "preroll_s": 0.0}
"""Alarms are what the scores are above their threshold in; how long a level is held is for bits."""


@dataclass(frozen=True)
class DecidedRecording:
    """Holds states uint8 ``[T]`` and scores int32 ``[T, 3]`` of one recording."""

    states: NDArray[np.uint8]
    scores: NDArray[np.int32]


def decide(
    controller: Controller,
    logistic: Controller,
    blocks: Iterable[NDArray[np.integer]],
    rate_hz: float,
    channels: int,
) -> DecidedRecording:
    """Returns what a controller decides of samples that come in blocks ``[C, n]``.

    Raises:
        ValueError: a rate or a number of channels that it cannot measure.
    """
    stream, plain = controller.stream(rate_hz, channels), logistic.stream(rate_hz, channels)
    states = controller.states(POINT, **AS_IT_COMES)
    decided: list[NDArray[np.uint8]] = []
    scores = [np.zeros((0, 3), np.int32)]
    for block in blocks:
        found = stream.push(block)
        beside = plain.push(block)
        decided.append(states.push(found))
        scores.append(np.column_stack([found.log_odds, beside.log_odds[:, 0]]))
    decided.append(states.finish())
    return DecidedRecording(np.concatenate(decided), np.concatenate(scores).astype(np.int32))


def write_decided(directory: Path, stem: str, decided: DecidedRecording) -> None:
    """Write the file of a recording."""
    file = io.BytesIO()
    columns = np.column_stack([decided.states.astype(np.int32), decided.scores])
    np.save(file, columns, allow_pickle=False)
    write_atomic(directory / f"{stem}{STATES}", file.getvalue())


def read_decided(path: Path, frames: int) -> DecidedRecording:
    """Returns what is in the file of a recording with so many frames.

    Raises:
        ValueError: it does not hold a known state and three scores for each frame.
    """
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, EOFError, ValueError) as error:
        raise ValueError(f"{path.name} cannot be read as an array ({error})") from error
    if not isinstance(found, np.ndarray) or found.dtype != np.int32 or found.shape != (frames, 4):
        shape = getattr(found, "shape", type(found))
        raise ValueError(
            f"{path.name} holds {shape}, not a state and three scores for each of {frames} frames"
        )
    states = found[:, 0]
    if ((states < 0) | (states > CRITICAL)).any():
        raise ValueError(f"{path.name} holds states that there are not")
    return DecidedRecording(states.astype(np.uint8), found[:, 1:])

"""Decides the states of sealed recordings, in the integers that ship: controller, corpus and split -> states.

    python -m cookbooks.lamquant.payload.snn_decide --config FILE

Inputs: ``candidate``, ``corpus``, ``split``. No label is an input. Each recording is decided four times:
whole, cut into other pieces, its first half alone, and with zeros in place of its samples; see
`gate.decided`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from blut_resources.payload_kit.config import read_config, read_inputs
from blut_resources.payload_kit.session import payload_session
from cookbooks.lamquant.controller.controller import Controller
from cookbooks.lamquant.formats.corpus import Corpus, StoredRecording, open_corpus
from cookbooks.lamquant.gate.decided import (
    BEGIN,
    PASSES,
    PIECES,
    SILENCE,
    DecidedRecording,
    decide,
    write_decided,
)
from cookbooks.lamquant.gate.split import read_split

LARGE_S, SMALL_S = 600.0, 0.25
Blocks = Iterator[NDArray[np.integer]]


@dataclass(frozen=True)
class DecideSettings:
    """Says which recordings are decided."""

    split: str = "test"


@dataclass(frozen=True)
class DecideInputs:
    """Names the inputs."""

    candidate: Path
    corpus: Path
    split: Path


def main() -> None:
    """Decide the recordings of one session."""
    with payload_session() as session:
        settings, inputs = read_config(session, DecideSettings), read_inputs(session, DecideInputs)
        corpus = open_corpus(session.inputs)
        stems = read_split(inputs.split).of(settings.split)
        for number in decide_recordings(inputs.candidate, corpus, stems, session.out):
            session.step(number, of=len(stems))
        session.done(n_recordings=len(stems))


def decide_recordings(candidate: Path, corpus: Corpus, stems: Sequence[str], out: Path) -> Iterator[int]:
    """Decide recordings in all passes; yields how many are done.

    Raises:
        ControllerError: the candidate holds no controller.
        ValueError: a recording has a rate that cannot be measured.
    """
    controller, logistic = Controller.load(candidate), Controller.load(candidate, "logistic")
    for name in PASSES:
        (out / name).mkdir(parents=True)
    for number, stem in enumerate(stems, 1):
        recording = corpus.open(stem)
        for name in PASSES:
            write_decided(out / name, stem, decide_pass(controller, logistic, recording, name))
        yield number


def decide_pass(
    controller: Controller, logistic: Controller, recording: StoredRecording, name: str
) -> DecidedRecording:
    """Returns what is decided of a recording in one pass.

    Raises:
        ValueError: it has a rate that cannot be measured.
    """
    size = recording.rate_hz, len(recording.channels)
    return decide(controller, logistic, _blocks(recording, name), *size)


def _blocks(recording: StoredRecording, name: str) -> Blocks:
    """Yields the samples of one pass in blocks ``[C, n]``."""
    if name == PIECES:
        yield from _pieces(recording)
        return
    length = recording.n_samples // 2 if name == BEGIN else recording.n_samples
    size = int(LARGE_S * recording.rate_hz)
    for start in range(0, length, size):
        block = recording.read(start, min(start + size, length))
        yield np.zeros_like(block) if name == SILENCE else block


def _pieces(recording: StoredRecording) -> Blocks:
    """Yields pieces as short as a frame, and of lengths that no frame begins at."""
    minute = int(60 * recording.rate_hz)
    least = max(1, int(SMALL_S * recording.rate_hz))
    for block in recording.blocks(minute):
        start, number = 0, 0
        while start < block.shape[1]:
            stop = start + least + number % 7
            yield block[:, start:stop]
            start, number = stop, number + 1


if __name__ == "__main__":
    main()

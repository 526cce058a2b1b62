"""Decides and encodes the recordings of one split: bits follow the states of the controller.

    python -m cookbooks.lamquant.payload.pipeline_encode --config FILE

Inputs: ``candidate`` (an adaptive codec), ``corpus``, ``split``. No label is an input. Writes
``coded/<stem>.lqc``, and ``states/<stem>.states``: a byte for each frame of the controller.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from blut_resources.payload_kit.config import Bounds, read_config, read_inputs
from blut_resources.payload_kit.device import use_threads
from blut_resources.payload_kit.refuse import Refused
from blut_resources.payload_kit.session import PayloadSession, payload_session
from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.adaptive.codec import load_adaptive
from cookbooks.lamquant.formats.corpus import open_corpus
from cookbooks.lamquant.gate.checks import BITSTREAM_SUFFIX
from cookbooks.lamquant.gate.decided import STATES
from cookbooks.lamquant.signal.split import read_split, stems_in

CODED, DECIDED = "coded", "states"
"""Directories of the bitstreams, and of the states that they were coded by."""


@dataclass(frozen=True)
class FollowingSettings:
    """Holds the config."""

    split: Literal["train", "val", "test"] = "test"
    threads: Annotated[int, Bounds(1, 256)] = 1


@dataclass(frozen=True)
class FollowingInputs:
    """Names the inputs."""

    candidate: Path
    corpus: Path
    split: Path


def encode_following(session: PayloadSession, inputs: FollowingInputs, settings: FollowingSettings) -> int:
    """Write states and bitstreams of a split; how many recordings."""
    codec, corpus = load_adaptive(inputs.candidate), open_corpus(session.inputs)
    stems = stems_in(read_split(inputs.split, corpus.index), settings.split)
    if not stems:
        raise Refused(f"split.json: no recording in split={settings.split!r}; nothing to encode")
    for name in (CODED, DECIDED):
        (session.out / name).mkdir()
    for number, stem in enumerate(stems, 1):
        recording = corpus.open(stem)
        try:
            states = codec.decide(recording)
            data = codec.encode(recording, states, threads=settings.threads)
        except ValueError as error:
            raise Refused(f"{stem}: {error}") from error
        write_atomic(session.out / DECIDED / f"{stem}{STATES}", states.tobytes())
        write_atomic(session.out / CODED / f"{stem}{BITSTREAM_SUFFIX}", data)
        session.step(number, of=len(stems), n_bytes=len(data))
    return len(stems)


def main() -> None:
    """Run the payload."""
    with payload_session() as session:
        settings, inputs = read_config(session, FollowingSettings), read_inputs(session, FollowingInputs)
        use_threads(settings.threads)
        session.done(n_files=encode_following(session, inputs, settings))


if __name__ == "__main__":
    main()

"""Encode the recordings of one split with a trained codec: one ``<stem>.lqc`` file each.

Only the recordings that the split manifest puts into ``config["split"]`` (default "test") are read.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from blut_resources.payload_kit.config import Bounds, read_config, read_inputs
from blut_resources.payload_kit.device import use_threads
from blut_resources.payload_kit.refuse import Refused
from blut_resources.payload_kit.session import PayloadSession, payload_session
from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.codec.checkpoint import load_checkpoint
from cookbooks.lamquant.formats.corpus import open_corpus
from cookbooks.lamquant.signal.split import read_split, stems_in

SUFFIX = ".lqc"


@dataclass(frozen=True)
class CodingSettings:
    """Holds the config."""

    split: Literal["train", "val", "test"] = "test"
    threads: Annotated[int, Bounds(1, 256)] = 1


@dataclass(frozen=True)
class CodingInputs:
    """Names the inputs."""

    checkpoint: Path
    corpus: Path
    split: Path


def encode_split(session: PayloadSession, inputs: CodingInputs, split: str) -> int:
    """Write the bitstreams of a split; how many."""
    coder = load_checkpoint(inputs.checkpoint).coder
    corpus = open_corpus(session.inputs)
    stems = stems_in(read_split(inputs.split, corpus.index), split)
    if not stems:
        raise Refused(f"split.json: no recording in split={split!r}; nothing to encode")
    for number, stem in enumerate(stems, 1):
        recording = corpus.open(stem)
        try:
            data = coder.encode(recording.digital, recording.rate_hz)
        except ValueError as error:
            raise Refused(f"{stem}: {error}") from error
        write_atomic(session.out / f"{stem}{SUFFIX}", data)
        session.step(number, of=len(stems), n_bytes=len(data))
    return len(stems)


def main() -> None:
    """Run the payload."""
    with payload_session() as session:
        settings, inputs = read_config(session, CodingSettings), read_inputs(session, CodingInputs)
        use_threads(settings.threads)
        session.done(n_files=encode_split(session, inputs, settings.split))


if __name__ == "__main__":
    main()

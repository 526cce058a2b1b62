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
from cookbooks.lamquant.codec.files import open_codec
from cookbooks.lamquant.formats.corpus import open_corpus
from cookbooks.lamquant.lqc.planes import Profile
from cookbooks.lamquant.signal.split import read_split, stems_in

SUFFIX = ".lqc"


@dataclass(frozen=True)
class CodingSettings:
    """Holds the config."""

    split: Literal["train", "val", "test"] = "test"
    profile: Profile = "full"
    threads: Annotated[int, Bounds(1, 256)] = 1


@dataclass(frozen=True)
class CodingInputs:
    """Names the inputs."""

    checkpoint: Path
    corpus: Path
    split: Path


def encode_split(session: PayloadSession, inputs: CodingInputs, settings: CodingSettings) -> int:
    """Write the bitstreams of a split; how many."""
    codec, split = open_codec(inputs.checkpoint, settings.threads, profile=settings.profile), settings.split
    corpus = open_corpus(session.inputs)
    stems = stems_in(read_split(inputs.split, corpus.index), split)
    if not stems:
        raise Refused(f"split.json: no recording in split={split!r}; nothing to encode")
    for number, stem in enumerate(stems, 1):
        try:
            n_bytes = codec.encode(corpus.open(stem), session.out / f"{stem}{SUFFIX}")
        except ValueError as error:
            raise Refused(f"{stem}: {error}") from error
        session.step(number, of=len(stems), n_bytes=n_bytes)
    return len(stems)


def main() -> None:
    """Run the payload."""
    with payload_session() as session:
        settings, inputs = read_config(session, CodingSettings), read_inputs(session, CodingInputs)
        use_threads(settings.threads)
        session.done(n_files=encode_split(session, inputs, settings))


if __name__ == "__main__":
    main()

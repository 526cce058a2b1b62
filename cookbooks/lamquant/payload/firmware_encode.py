"""Encode the sealed recordings with the C program of a firmware bundle: one ``<stem>.lqc`` file each.

The program, among ``programs``, was compiled from the bundle's sources. It is given the recordings' integers,
and what it writes is the file, byte by byte; this process adds nothing.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from blut_resources.payload_kit.config import read_config, read_inputs
from blut_resources.payload_kit.refuse import Refused, explained
from blut_resources.payload_kit.session import PayloadSession, payload_session
from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.device.bundle import encode_with
from cookbooks.lamquant.device.errors import DeviceError
from cookbooks.lamquant.formats.corpus import open_corpus
from cookbooks.lamquant.gate.device import ENCODE, noise_ratio_of
from cookbooks.lamquant.lqc.errors import LqcError
from cookbooks.lamquant.signal.split import read_split, stems_in

SUFFIX = ".lqc"


@dataclass(frozen=True)
class FirmwareEncodeSettings:
    """Holds the config."""

    split: Literal["train", "val", "test"] = "test"


@dataclass(frozen=True)
class EncodeInputs:
    """Names the inputs."""

    bundle: Path
    programs: Path
    corpus: Path
    split: Path


def encode_split(session: PayloadSession, inputs: EncodeInputs, settings: FirmwareEncodeSettings) -> int:
    """Write the bitstreams of a split; how many."""
    corpus = open_corpus(session.inputs)
    stems = stems_in(read_split(inputs.split, corpus.index), settings.split)
    if not stems:
        raise Refused(f"split.json: no recording in split={settings.split!r}; nothing to encode")
    program = inputs.programs / ENCODE
    with explained(LqcError):
        ratio = noise_ratio_of(inputs.bundle)
    for number, stem in enumerate(stems, 1):
        recording = corpus.open(stem)
        try:
            data = encode_with(inputs.bundle, recording.digital, recording.rate_hz, ratio, program=program)
        except (DeviceError, LqcError) as error:
            raise Refused(f"{stem}: {error}") from error
        write_atomic(session.out / f"{stem}{SUFFIX}", data)
        session.step(number, of=len(stems), n_bytes=len(data))
    return len(stems)


def main() -> None:
    """Run the payload."""
    with payload_session() as session:
        settings, inputs = read_config(session, FirmwareEncodeSettings), read_inputs(session, EncodeInputs)
        session.done(n_files=encode_split(session, inputs, settings))


if __name__ == "__main__":
    main()

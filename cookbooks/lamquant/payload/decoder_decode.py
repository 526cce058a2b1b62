"""Decode ``.lqc`` files with a refining decoder: one ``<stem>.npy`` (int32 [C, T]) each.

Nothing but the checkpoint, the decoder and the bitstreams is read.
"""

from dataclasses import dataclass
from pathlib import Path

from blut_resources.payload_kit.config import read_config, read_inputs
from blut_resources.payload_kit.device import use_threads
from blut_resources.payload_kit.refuse import explained
from blut_resources.payload_kit.session import payload_session
from cookbooks.lamquant.codec.files import open_codec
from cookbooks.lamquant.lqc.errors import LqcError
from cookbooks.lamquant.payload.codec_decode import DecodeInputs, DecodeSettings, decode_all
from cookbooks.lamquant.refine.files import load_refiner


@dataclass(frozen=True)
class RefinedInputs(DecodeInputs):
    """Names the inputs."""

    refiner: Path


def main() -> None:
    """Run the payload."""
    with payload_session() as session:
        settings, inputs = read_config(session, DecodeSettings), read_inputs(session, RefinedInputs)
        use_threads(settings.threads)
        with explained(LqcError):
            refiner = load_refiner(inputs.refiner)
        codec = open_codec(inputs.checkpoint, settings.threads, refiner)
        session.done(n_files=decode_all(session, codec, inputs.bitstreams))


if __name__ == "__main__":
    main()

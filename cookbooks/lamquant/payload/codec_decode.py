"""Decode ``.lqc`` files with the checkpoint that made them: one ``<stem>.npy`` (int32 [C, T]) each.

Nothing but the checkpoint and the bitstreams is read.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from blut_resources.payload_kit.config import Bounds, read_config, read_inputs
from blut_resources.payload_kit.device import use_threads
from blut_resources.payload_kit.refuse import Refused
from blut_resources.payload_kit.session import PayloadSession, payload_session
from cookbooks.lamquant.codec.files import FileCodec, open_codec

SUFFIX = ".lqc"


@dataclass(frozen=True)
class DecodeSettings:
    """Holds the config."""

    threads: Annotated[int, Bounds(1, 256)] = 1


@dataclass(frozen=True)
class DecodeInputs:
    """Names the inputs."""

    checkpoint: Path
    bitstreams: Path


def decode_all(session: PayloadSession, codec: FileCodec, bitstreams: Path) -> int:
    """Write the decoded recordings; how many."""
    paths = sorted(bitstreams.glob(f"*{SUFFIX}"))
    if not paths:
        raise Refused(f"bitstreams: no {SUFFIX} file in the directory")
    for number, path in enumerate(paths, 1):
        try:
            n_values = codec.decode(path, session.out / f"{path.stem}.npy")
        except ValueError as error:
            raise Refused(f"{path.name}: {error}") from error
        session.step(number, of=len(paths), n_samples=n_values)
    return len(paths)


def main() -> None:
    """Run the payload."""
    with payload_session() as session:
        settings, inputs = read_config(session, DecodeSettings), read_inputs(session, DecodeInputs)
        use_threads(settings.threads)
        codec = open_codec(inputs.checkpoint, settings.threads)
        session.done(n_files=decode_all(session, codec, inputs.bitstreams))


if __name__ == "__main__":
    main()

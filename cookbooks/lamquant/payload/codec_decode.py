"""Decode ``.lqc`` files with the checkpoint that made them: one ``<stem>.npy`` (int32 [C, T]) each.

Nothing but the checkpoint and the bitstreams is read.
"""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from blut_resources.files.foreign import open_regular
from blut_resources.payload_kit.config import Bounds, read_config, read_inputs
from blut_resources.payload_kit.device import use_threads
from blut_resources.payload_kit.refuse import Refused
from blut_resources.payload_kit.session import PayloadSession, payload_session
from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.codec.checkpoint import load_checkpoint
from cookbooks.lamquant.codec.v1.bitstream import BitstreamError

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


def decode_all(session: PayloadSession, inputs: DecodeInputs) -> int:
    """Write the decoded recordings; how many."""
    coder = load_checkpoint(inputs.checkpoint).coder
    paths = sorted(inputs.bitstreams.glob(f"*{SUFFIX}"))
    if not paths:
        raise Refused(f"bitstreams: no {SUFFIX} file in the directory")
    for number, path in enumerate(paths, 1):
        try:
            with open_regular(path) as file:
                digital = coder.decode(file.read())
        except BitstreamError as error:
            raise BitstreamError(f"{path.name}: {error}") from error
        out = io.BytesIO()
        np.save(out, digital, allow_pickle=False)
        write_atomic(session.out / f"{path.stem}.npy", out.getvalue())
        session.step(number, of=len(paths), n_samples=digital.size)
    return len(paths)


def main() -> None:
    """Run the payload."""
    with payload_session() as session:
        settings, inputs = read_config(session, DecodeSettings), read_inputs(session, DecodeInputs)
        use_threads(settings.threads)
        session.done(n_files=decode_all(session, inputs))


if __name__ == "__main__":
    main()

"""Decode ``.lqc`` files with the checkpoint that made them: one ``<stem>.npy`` (int32 [C, T]) each.

Nothing but the checkpoint and the bitstreams is read.
"""

import io

import numpy as np
import torch

from blut_resources.files.foreign import open_regular
from blut_resources.payload_kit.session import PayloadSession, payload_session
from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.codec.bitstream import BitstreamError
from cookbooks.lamquant.codec.checkpoint import load_checkpoint
from cookbooks.lamquant.codec.presets import checked

SUFFIX = ".lqc"


def decode_all(session: PayloadSession) -> int:
    """Write the decoded recordings; how many."""
    coder = load_checkpoint(session.inputs["checkpoint"]).coder
    paths = sorted(session.inputs["bitstreams"].glob(f"*{SUFFIX}"))
    if not paths:
        raise ValueError(f"bitstreams: no {SUFFIX} file in the directory")
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
        try:
            torch.set_num_threads(checked("threads", session.config.get("threads", 1)))
            n_files = decode_all(session)
        except ValueError as error:
            raise SystemExit(str(error)) from error
        session.done(n_files=n_files)


if __name__ == "__main__":
    main()

"""Encode the recordings of one split with a trained codec: one ``<stem>.lqc`` file each.

Only the recordings that the split manifest puts into ``config["split"]`` (default "test") are read.
"""

import torch

from blut_resources.payload_kit.session import PayloadSession, payload_session
from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.codec.checkpoint import load_checkpoint
from cookbooks.lamquant.codec.presets import checked
from cookbooks.lamquant.formats.corpus import CorpusError, read_corpus, read_recording
from cookbooks.lamquant.formats.lma.archive import LmaError
from cookbooks.lamquant.formats.lml.container import LmlError
from cookbooks.lamquant.signal.split import SplitError, read_split, stems_in

SUFFIX = ".lqc"


def encode_split(session: PayloadSession) -> int:
    """Write the bitstreams; how many."""
    split = session.config.get("split", "test")
    if split not in ("train", "val", "test"):
        raise ValueError(f"split={split!r}: must be one of train, val, test")
    coder = load_checkpoint(session.inputs["checkpoint"]).coder
    corpus = session.inputs["corpus"]
    stems = stems_in(read_split(session.inputs["split"], read_corpus(corpus)), split)
    if not stems:
        raise ValueError(f"split.json: no recording in split={split!r}; nothing to encode")
    for number, stem in enumerate(stems, 1):
        recording = read_recording(corpus, stem)
        try:
            data = coder.encode(recording.digital, recording.rate_hz)
        except ValueError as error:
            raise ValueError(f"{stem}: {error}") from error
        write_atomic(session.out / f"{stem}{SUFFIX}", data)
        session.step(number, of=len(stems), n_bytes=len(data))
    return len(stems)


def main() -> None:
    """Run the payload."""
    with payload_session() as session:
        try:
            torch.set_num_threads(checked("threads", session.config.get("threads", 1)))
            n_files = encode_split(session)
        except (ValueError, CorpusError, SplitError, LmaError, LmlError) as error:
            raise SystemExit(str(error)) from error
        session.done(n_files=n_files)


if __name__ == "__main__":
    main()

"""Encode the recordings of one split with a trained codec: one ``<stem>.lqc`` file each.

Only the recordings that the split manifest puts into ``config["split"]`` (default "test") are read.
"""

import json
from pathlib import Path

import torch

from blut_resources.payload import PayloadSession, payload_session
from blut_resources.store import write_atomic
from cookbooks.lamquant.codec.checkpoint import load_checkpoint
from cookbooks.lamquant.codec.presets import checked
from cookbooks.lamquant.formats.corpus import CorpusError, read_recording

SUFFIX = ".lqc"


def stems_of(manifest: Path, split: str) -> list[str]:
    """Stems that ``split.json`` puts into ``split``, sorted, without the excluded ones.

    Raises:
        ValueError: an unreadable manifest, or nothing in that split.
    """
    try:
        content = json.loads(manifest.read_bytes())
        recordings, excluded = content["recordings"], content.get("excluded", {})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{manifest.name}: cannot be read: {error!r}") from error
    stems = sorted(stem for stem, of in recordings.items() if of == split and stem not in excluded)
    if not stems:
        raise ValueError(f"{manifest.name}: no recording in split={split!r}; nothing to encode")
    return stems


def encode_split(session: PayloadSession) -> int:
    """Write the bitstreams; how many."""
    split = session.config.get("split", "test")
    if split not in ("train", "val", "test"):
        raise ValueError(f"split={split!r}: must be one of train, val, test")
    coder = load_checkpoint(session.inputs["checkpoint"]).coder
    stems = stems_of(session.inputs["split"] / "split.json", split)
    for number, stem in enumerate(stems, 1):
        recording = read_recording(session.inputs["corpus"], stem)
        try:
            data = coder.encode(recording.digital, recording.rate_hz)
        except ValueError as error:
            raise ValueError(f"{stem}: {error}") from error
        write_atomic(session.out / f"{stem}{SUFFIX}", data)
        session.step(number, n_bytes=len(data))
    return len(stems)


def main() -> None:
    """Entry point of the payload."""
    with payload_session() as session:
        try:
            torch.set_num_threads(checked("threads", session.config.get("threads", 1)))
            n_files = encode_split(session)
        except (ValueError, CorpusError) as error:
            raise SystemExit(str(error)) from error
        session.done(n_files=n_files)


if __name__ == "__main__":
    main()

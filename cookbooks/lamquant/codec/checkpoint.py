"""Loads checkpoints of the joint codec, whichever version of it made them."""

from pathlib import Path

from cookbooks.lamquant.codec.v1 import checkpoint as v1


def load_checkpoint(directory: Path) -> v1.LoadedCodec:
    """Read and verify a checkpoint; every expected tensor must be there, and no other.

    Raises:
        CheckpointError: naming the file and what is wrong.
    """
    return v1.load_checkpoint(directory)

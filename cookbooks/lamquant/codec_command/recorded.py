"""Opens a .lqc file of any version, with the checkpoint that it names."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.codec_command.models import checkpoint_for, checkpoint_of
from cookbooks.lamquant.lqc.container.header import ChannelFacts, FileHeader
from cookbooks.lamquant.lqc.container.reader import ChunkReader
from cookbooks.lamquant.lqc.decode import Decoder, Described
from cookbooks.lamquant.lqc.errors import InputError
from cookbooks.lamquant.lqc.group_decoder import Damaged
from cookbooks.lamquant.lqc.model import Model, load_model
from cookbooks.lamquant.lqc.refining import Refiner
from cookbooks.lamquant.refine.files import load_refiner

FIRST = b"BLQ1"
"""Begins a file of the first version."""


class Recorded(Protocol):
    """Defines what is read of a .lqc file, whatever its version."""

    @property
    def header(self) -> FileHeader:
        """Returns what the file says beside its samples."""
        ...

    @property
    def signals(self) -> Sequence[Described]:
        """Returns what it holds, by rates."""
        ...

    def read(self, start: int, stop: int, signal: int = 0) -> NDArray[np.int32]:
        """Returns samples [start, stop) of every channel of a signal, int32 [C, stop - start]."""
        ...


@dataclass(frozen=True)
class WholeRecording:
    """Holds a recording that is in memory."""

    header: FileHeader
    signals: tuple[Described, ...]
    samples: NDArray[np.int32]

    def read(self, start: int, stop: int, signal: int = 0) -> NDArray[np.int32]:
        """Returns samples [start, stop) of every channel."""
        return self.samples[:, start:stop]


def open_recorded(
    path: Path,
    model: str | None,
    threads: int = 1,
    damaged: Damaged = "raise",
    decoder: Path | None = None,
) -> Recorded:
    """Open a .lqc file.

    Args:
        path: the file.
        model: as `checkpoint_of` takes it; what the file names, out of the store, if None.
        threads: that decode chunks.
        damaged: as for ``Decoder``; a file of the first version is one chunk, and is always refused.
        decoder: directory of a refining decoder of the same checkpoint; the shipped one decodes if None.

    Raises:
        NoModel: the checkpoint that it needs is not there.
        LqcError: it is damaged, or was coded with another checkpoint.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        if file.read(len(FIRST)) == FIRST:
            if decoder is not None:
                raise InputError("it is of the first version, for which there is no other decoder: give none")
            return _first(path, model)
    digest = model_digest(path)
    needed = None if digest is None else loaded(checkpoint_of(model) if model else checkpoint_for(digest))
    return Decoder(path, needed, damaged, threads, None if decoder is None else refiner_in(decoder))


def model_digest(path: Path) -> bytes | None:
    """Returns the beginning of the digest of the checkpoint that a file of the second version needs.

    Raises:
        LqcError: it is damaged.
    """
    with ChunkReader(path) as reader:
        return next((group.digest for group in reader.header.groups if group.digest), None)


@functools.lru_cache(maxsize=4)
def loaded(checkpoint: Path) -> Model:
    """Returns a checkpoint, loaded once a process."""
    return load_model(checkpoint)


@functools.lru_cache(maxsize=2)
def refiner_in(decoder: Path) -> Refiner:
    """Returns a refining decoder, loaded once a process."""
    return load_refiner(decoder)


def _first(path: Path, model: str | None) -> WholeRecording:
    data = path.read_bytes()
    decode = _first_coder(checkpoint_of(model) if model else checkpoint_for(data[6:14]))
    samples, rate_hz = decode(data)
    channels = tuple(
        ChannelFacts(label=f"ch{number}", low=int(row.min()), high=int(row.max()))
        for number, row in enumerate(samples, 1)
    )
    return WholeRecording(FileHeader(()), (Described(rate_hz, samples.shape[1], channels),), samples)


@functools.lru_cache(maxsize=2)
def _first_coder(checkpoint: Path) -> Callable[[bytes], tuple[NDArray[np.int32], float]]:
    """Returns what decodes files of the first version: PyTorch is loaded for them alone."""
    from cookbooks.lamquant.codec.v1.bitstream import unpack
    from cookbooks.lamquant.codec.v1.checkpoint import load_first_checkpoint

    coder = load_first_checkpoint(checkpoint).coder
    return lambda data: (coder.decode(data), unpack(data).rate_hz)

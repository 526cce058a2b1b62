"""Compares two codecs by the bytes of their files at equal error, recording by recording.

The error is PRDN, pooled over the channels of a recording as the verdict's is. The candidate is asked for the
error that the reference's file has, until it is near; between its two nearest files the logarithm of the
bytes goes straight with that of the error.
"""

import io
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.decode import decode
from cookbooks.lamquant.lqc.encode import encode_stream
from cookbooks.lamquant.lqc.model import Model
from cookbooks.lamquant.lqc.refining import Refiner
from cookbooks.lamquant.lqc.signals import array_signal
from cookbooks.lamquant.lqc.targets import NoiseRatio
from cookbooks.lamquant.oracle.blocks import bytes_by_block

NEAR = 0.0005
"""Relative difference of two errors that are taken as equal."""
MOST_FILES = 5
DRAWS, SURE_PCT = 2000, 95.0
Error = Callable[[NDArray[np.int32]], float | None]
"""Maps decoded integers [C, T] to PRDN in percent; None where it cannot be measured."""


@dataclass(frozen=True)
class Codec:
    """Holds a model, and what refines its files, if anything."""

    model: Model
    refiner: Refiner | None = None


@dataclass(frozen=True)
class CodedFile:
    """Holds a file and the error, PRDN in percent, that decoding it leaves."""

    data: bytes
    prdn: float


@dataclass(frozen=True)
class Headroom:
    """Holds the bytes of a recording at equal error, of each codec by blocks of ten seconds, [blocks]."""

    prdn: float
    reference: NDArray[np.float64]
    candidate: NDArray[np.float64]

    @property
    def pct(self) -> float:
        """Returns by how many percent the candidate's bytes are fewer; negative where they are more."""
        return saved_pct(self.reference, self.candidate)


def saved_pct(reference: NDArray[np.float64], candidate: NDArray[np.float64]) -> float:
    """Returns by how many percent all of ``candidate`` is less than all of ``reference``."""
    return 100 * (1 - float(candidate.sum()) / float(reference.sum()))


def coded_file(
    digital: NDArray[np.int32], rate_hz: float, codec: Codec, ratio: float, error: Error
) -> CodedFile | None:
    """Returns the file of a recording [C, T] at a noise ratio; None where its error cannot be measured.

    Raises:
        InputError: the model was not trained for an error like this.
    """
    out, source = io.BytesIO(), array_signal(digital, rate_hz, [""] * len(digital))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        encode_stream([source], out, codec.model, NoiseRatio(ratio), threads=1)
    prdn = error(decode(out.getvalue(), codec.model, threads=1, refiner=codec.refiner))
    return None if prdn is None or not prdn > 0 else CodedFile(out.getvalue(), prdn)


def headroom(
    digital: NDArray[np.int32], rate_hz: float, reference: Codec, candidate: Codec, ratio: float, error: Error
) -> Headroom | None:
    """Returns the bytes of both codecs at the error of the reference's file; None where there is none.

    Raises:
        InputError: a model was not trained for an error like this.
    """
    target = coded_file(digital, rate_hz, reference, ratio, error)
    if target is None:
        return None
    files, asked = list[CodedFile](), ratio
    while len(files) < MOST_FILES:
        found = coded_file(digital, rate_hz, candidate, asked, error)
        if found is None:
            return None
        files.append(found)
        if abs(math.log(found.prdn / target.prdn)) < NEAR:
            break
        asked *= target.prdn / found.prdn
    nearest = min(files, key=lambda one: abs(math.log(one.prdn / target.prdn)))
    blocks = bytes_by_block(nearest.data, candidate.model)
    wanted = _bytes_at(files, nearest, target.prdn)
    own = bytes_by_block(target.data, reference.model)
    return Headroom(target.prdn, own, blocks * wanted / len(nearest.data))


def _bytes_at(files: Sequence[CodedFile], nearest: CodedFile, prdn: float) -> float:
    """Returns the bytes at an error between, or close to, those of files; one file counts as it is."""
    others = [one for one in files if one.prdn != nearest.prdn]
    if not others:
        return float(len(nearest.data))
    other = min(others, key=lambda one: abs(math.log(one.prdn / prdn)))
    slope = math.log(len(other.data) / len(nearest.data)) / math.log(other.prdn / nearest.prdn)
    # more error never takes more bytes: what says so is chance between files of almost the same error
    slope = min(slope, 0.0)
    return len(nearest.data) * (prdn / nearest.prdn) ** slope


def interval_pct(rooms: Sequence[Headroom], seed: int = 0) -> tuple[float, float]:
    """Returns the 95 percent interval of the headroom over all blocks of ten seconds, by the bootstrap.

    Blocks are drawn again with replacement (Efron and Tibshirani 1993, section 13.3); both codecs keep theirs
    together.
    """
    reference = np.concatenate([one.reference for one in rooms])
    candidate = np.concatenate([one.candidate for one in rooms])
    picks = np.random.default_rng(seed).integers(0, len(reference), (DRAWS, len(reference)))
    saved = 100 * (1 - candidate[picks].sum(1) / reference[picks].sum(1))
    tail = (100 - SURE_PCT) / 2
    low, high = np.percentile(saved, [tail, 100 - tail])
    return round(float(low), 6), round(float(high), 6)

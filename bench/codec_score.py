"""Rate and distortion of the codec, of what it was before, and of classical coders, on one set after another.

``python -m bench.codec_score GIVEN.json`` prints one JSON object per set, coder and operating point. GIVEN
names the directories ``checkpoint``, ``windows`` and (it may be null) ``before``, and the ``sets``; an empty
list stands for synthetic recordings.

Every coder shares its error out alike: in each channel the same part of the RMS without drift. The points are
those of `ASKED`; between two of them the logarithm of CR goes nearly straight with that of PRDN, by which the
tables compare at equal PRDN.
"""

import json
import math
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bench.codec_anchors import Coder, Dct, Jpeg2000, rms_of
from bench.codec_sets import Signal, real_sets, synthetic_set
from bench.codec_table import BEFORE, DCT_TOGETHER, DEVICE, OURS
from bench.codec_together import DctTogether
from cookbooks.lamquant.codec.data import load_corpus
from cookbooks.lamquant.lqc.errors import LqcError
from cookbooks.lamquant.pictures.rate import AtRatio, Chunked, at_ratio

ASKED = (3.9, 6.5, 8.6, 12.5, 15.0, 18.2)
"""PRDN in percent; the outer two lie outside what is tabled."""


@dataclass(frozen=True)
class Trained:
    """A checkpoint's codec, of either version."""

    name: str
    codec: AtRatio

    def encode(self, signal: Signal, ratio: float) -> bytes:
        return self.codec.encode(signal.digital, signal.rate_hz, ratio)

    def decode(self, data: bytes) -> NDArray[np.int32]:
        return self.codec.decode(data)


def ratio_at(signals: Sequence[Signal], prdn: float) -> float:
    """The share of each channel's RMS without drift that gives the recordings together this PRDN."""
    energy = sum(float((s.centred**2).sum()) for s in signals)
    fast = sum(float((rms_of(s) ** 2).sum()) * s.digital.shape[1] for s in signals)
    return prdn / 100 * math.sqrt(energy / fast)


def point(coder: Coder, signals: Sequence[Signal], ratio: float) -> dict[str, Any]:
    """Totals over the recordings of a set: file bytes, PRDN of all, R of the worst, CPU seconds."""
    n_bytes, error, energy, worst, seconds = 0, 0.0, 0.0, 1.0, [0.0, 0.0]
    for signal in signals:
        started = time.process_time()
        data = coder.encode(signal, ratio)
        between = time.process_time()
        y = coder.decode(data)
        seconds = [seconds[0] + between - started, seconds[1] + time.process_time() - between]
        n_bytes += len(data)
        error += float(((y - signal.digital.astype(np.float64)) ** 2).sum())
        energy += float((signal.centred**2).sum())
        worst = min(worst, float(np.corrcoef(signal.digital.ravel(), y.ravel())[0, 1]))
    raw = sum(s.raw_bytes for s in signals)
    samples = sum(s.digital.size for s in signals)
    prdn = 100 * math.sqrt(error / energy)
    figures = {"bytes": n_bytes, "cr": raw / n_bytes, "prdn": prdn, "r": worst}
    return figures | {"samples": samples, "encode_s": seconds[0], "decode_s": seconds[1]}


def coders(given: dict[str, Any]) -> Iterator[Coder]:
    """Ours first."""
    ours = at_ratio(Path(given["checkpoint"]))
    yield Trained(OURS, ours)
    if isinstance(ours, Chunked):
        yield Trained(DEVICE, replace(ours, profile="device"))
    if given["before"]:
        yield Trained(BEFORE, at_ratio(Path(given["before"])))
    dct = Dct.fitted(load_corpus(Path(given["windows"])))
    yield dct
    yield DctTogether(dct, DCT_TOGETHER)
    yield Jpeg2000()


def main() -> None:
    """Entry point."""
    given = json.loads(Path(sys.argv[1]).read_text())
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as directory:
        sets = real_sets(given["sets"]) if given["sets"] else synthetic_set(Path(directory))
    for coder in coders(given):
        # compiled here, so that it is not measured
        first = next(iter(sets.values()))[0]
        coder.decode(coder.encode(replace(first, digital=first.digital[:, :4000]), 0.2))
        for name, signals in sets.items():
            if coder.name == DCT_TOGETHER and len(signals[0].digital) == 1:
                continue  # it is the DCT
            for asked in given["asked"] or ASKED:
                try:
                    found = point(coder, signals, ratio_at(signals, asked))
                except LqcError as error:
                    found = {"refused": str(error)}
                print(json.dumps({"set": name, "coder": coder.name, "asked": asked, **found}), flush=True)


if __name__ == "__main__":
    main()

"""Lossless coding, each recording by itself: file bytes of the codec's exact mode beside what is used today.

``python -m bench.codec_lossless GIVEN.json`` prints one JSON object per set and coder. FLAC gets the channels
singly; it comes from the package ``soundfile`` where that is installed, which this project does not need.

The bound is what an ideal coder would make of the residuals of a plain backward-adaptive predictor: order 16,
recursive least squares, each channel by itself, the histogram of a channel's residuals known for nothing.
"""

import io
import json
import lzma
import math
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import edfio
import numba
import numpy as np
from numpy.typing import NDArray

from bench.codec_sets import Signal, real_sets, synthetic_set
from bench.codec_table import BOUND, FLAC, OURS
from cookbooks.lamquant.formats.lml.container import encode_lml
from cookbooks.lamquant.lqc.exact.chunk import decode_exact, encode_exact

ORDER, FORGETTING = 16, 0.9995


def edf_zip(signal: Signal) -> bytes:
    """An EDF+ file in a ZIP archive, deflated as far as it goes; records of at most a second, none padded."""
    plain, packed = io.BytesIO(), io.BytesIO()
    rows = [
        edfio.EdfSignal.from_digital(
            row.astype(np.int16),
            signal.rate_hz,
            digital_range=(-32768, 32767),
            physical_range=(-32768, 32767),
        )
        for row in signal.digital
    ]
    samples = signal.digital.shape[1]
    width = max(n for n in range(1, round(signal.rate_hz) + 1) if samples % n == 0)
    edfio.Edf(rows, data_record_duration=width / signal.rate_hz).write(plain)
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("recording.edf", plain.getvalue())
    return packed.getvalue()


def xz(signal: Signal) -> bytes:
    """Differences from sample to sample, channel after channel, by LZMA at its strongest."""
    differences = np.diff(signal.digital, axis=1, prepend=0).astype("<i2")
    return lzma.compress(differences.tobytes(), preset=9 | lzma.PRESET_EXTREME)


def flac(signal: Signal) -> bytes:
    """One FLAC file a channel at the highest level, joined."""
    import soundfile  # type: ignore[import-not-found]

    files = []
    for row in signal.digital.astype(np.int16):
        out, how = io.BytesIO(), {"format": "FLAC", "subtype": "PCM_16", "compression_level": 1.0}
        soundfile.write(out, row, round(signal.rate_hz), **how)
        files.append(out.getvalue())
    return b"".join(files)


def lml(signal: Signal) -> bytes:
    """The archive format of the corpus."""
    return encode_lml(signal.digital, signal.rate_hz, bit_depth=16, metadata={})


def packers() -> Mapping[str, Callable[[Signal], bytes]]:
    """What a recording is packed with today; FLAC where it can be had."""
    found = {"LML": lml, "EDF+zip": edf_zip, "xz -9e of differences": xz}
    try:
        import soundfile  # type: ignore[import-not-found]  # noqa: F401
    except ImportError:
        return found
    return {FLAC: flac, **found}


@numba.njit(cache=True)
def _residuals(x: Any) -> Any:
    """What recursive least squares leaves of int64 [T], rounded."""
    inverse = np.eye(ORDER) * 1e3
    weights, past = np.zeros(ORDER), np.zeros(ORDER)
    weights[0] = 1.0
    out = np.empty(len(x), np.int64)
    for t in range(len(x)):
        error = x[t] - weights @ past
        out[t] = round(error)
        gain = inverse @ past
        gain /= FORGETTING + past @ gain
        weights += gain * error
        inverse -= np.outer(gain, past @ inverse)
        inverse /= FORGETTING
        past[1:] = past[:-1].copy()
        past[0] = x[t]
    return out


def bound(signal: Signal) -> float:
    """Bytes of the ideal coder."""
    bits = 0.0
    for row in signal.digital:
        centred = row.astype(np.int64) - round(float(row.mean()))
        counts = np.unique(_residuals(centred), return_counts=True)[1]
        bits -= float((counts * np.log2(counts / counts.sum())).sum())
    return math.ceil(bits / 8)


def ours(signals: list[Signal]) -> dict[str, float]:
    """Bytes and CPU seconds of the exact mode.

    Raises:
        RuntimeError: samples did not come back.
    """
    n_bytes, encode_s, decode_s = 0, 0.0, 0.0
    for signal in signals:
        started = time.process_time()
        data = encode_exact(signal.digital)
        between = time.process_time()
        back: NDArray[np.int32] = decode_exact(data, *signal.digital.shape)
        decode_s += time.process_time() - between
        encode_s += between - started
        if not np.array_equal(back, signal.digital):
            raise RuntimeError(f"{signal.name} did not come back as it was: the figures mean nothing")
        n_bytes += len(data)
    return {"bytes": n_bytes, "encode_s": encode_s, "decode_s": decode_s}


def main() -> None:
    """Entry point."""
    given = json.loads(Path(sys.argv[1]).read_text())
    with tempfile.TemporaryDirectory() as directory:
        sets = real_sets(given["sets"]) if given["sets"] else synthetic_set(Path(directory))
    ours(next(iter(sets.values()))[:1])  # compiled here, so that it is not measured
    for name, signals in sets.items():
        about = {"set": name, "raw": sum(s.raw_bytes for s in signals)}
        about["samples"] = sum(s.digital.size for s in signals)
        print(json.dumps({**about, "coder": OURS, **ours(signals)}), flush=True)
        for coder, pack in packers().items():
            print(json.dumps({**about, "coder": coder, "bytes": sum(len(pack(s)) for s in signals)}))
        print(json.dumps({**about, "coder": BOUND, "bytes": sum(bound(s) for s in signals)}))


if __name__ == "__main__":
    main()

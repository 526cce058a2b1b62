"""Lossless coding of EEG: LML against general compressors and FLAC, in ratio and in speed on one core.

Each recording is coded by itself, headers included; ratios are against 16-bit samples. The general
compressors get the samples channel after channel, which suits them best. FLAC comes from the package
``soundfile`` where that is installed; it is no dependency of this project.
"""

import io
import lzma
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bench.lengths as lengths
from bench.homes import CACHE, scratch
from bench.table import Quantity, Row, Target, skipped

Coder = Callable[[Any, float], bytes]
SETS = ("scp1", "scp2", "blink")
FLAC_CHANNELS = 8


@dataclass(frozen=True)
class Signal:
    """One recording: int32 [channels, samples] and its rate."""

    digital: Any
    rate_hz: float


def rows(quick: bool) -> list[Row]:
    """Memory against length, and the corpus against the encoder; then per set: compression ratio against each
    baseline, encode and decode speed."""
    lengths_first = lengths.rows(quick)  # while this process is small, or its memory counts as theirs
    coders, decoders, why = _coders()
    lines = [skipped("lml", "against FLAC", why)] if why else []
    for name, signals in _sets(quick):
        coders["lml"](signals[0].digital[:, :1000], signals[0].rate_hz)  # compiled once, not measured
        decoders["lml"](coders["lml"](signals[0].digital[:, :1000], signals[0].rate_hz))
        lines += _measure(name, signals, coders, decoders, 2 if quick else 3)
    return [*lengths_first, *lines]


def _measure(
    name: str, signals: list[Signal], coders: dict[str, Coder], decoders: dict[str, Any], rounds: int
) -> list[Row]:
    raw = sum(2 * s.digital.size for s in signals)
    ratio: dict[str, float] = {}
    speeds: dict[str, list[float]] = {}
    back: dict[str, list[float]] = {}
    for _ in range(rounds):
        for coder, encode in coders.items():
            started = time.process_time()
            coded = [encode(s.digital, s.rate_hz) for s in signals]
            speeds.setdefault(coder, []).append(raw / 1e6 / (time.process_time() - started))
            started = time.process_time()
            decoded = [decoders[coder](data) for data in coded]
            back.setdefault(coder, []).append(raw / 1e6 / (time.process_time() - started))
            ratio[coder] = raw / sum(map(len, coded))
            _check(coder, decoded, signals)
    others = [coder for coder in coders if coder != "lml"]
    cr = Quantity("CR", [ratio["lml"]])
    return [
        *(Row("lml", f"{name}: ratio", cr, o, Quantity("CR", [ratio[o]])) for o in others),
        *(_speed(f"{name}: encode", speeds, o, Target("ours", ">=", 5)) for o in (others[0], others[-1])),
        *(_speed(f"{name}: decode", back, o, None) for o in (others[0], others[-1])),
    ]


def _speed(case: str, speeds: dict[str, list[float]], other: str, target: Target | None) -> Row:
    ours, base = Quantity("MB/s", speeds["lml"]), Quantity("MB/s", speeds[other])
    return Row("lml", case, ours, other, base, target)


def _check(coder: str, decoded: list[Any], signals: list[Signal]) -> None:
    samples = coder in ("lml", "FLAC -8")
    if samples and not all((d == s.digital).all() for d, s in zip(decoded, signals, strict=True)):
        raise RuntimeError(f"{coder} did not give the samples back: its figures mean nothing")


def _coders() -> tuple[dict[str, Coder], dict[str, Any], str]:
    from cookbooks.lamquant.formats.lml.container import decode_lml, encode_lml

    coders: dict[str, Coder] = {
        "lml": lambda x, rate: encode_lml(x, rate, bit_depth=16, metadata={}),
        "zlib -9": lambda x, rate: zlib.compress(_bytes(x), 9),
        "xz -9": lambda x, rate: lzma.compress(_bytes(x), preset=9),
        "delta + xz -9": lambda x, rate: lzma.compress(_bytes(_delta(x)), preset=9),
    }
    decoders: dict[str, Any] = {
        "lml": lambda data: decode_lml(data).digital,
        "zlib -9": zlib.decompress,
        "xz -9": lzma.decompress,
        "delta + xz -9": lzma.decompress,
    }
    try:
        import soundfile  # type: ignore[import-not-found]
    except ImportError:
        return coders, decoders, "the package `soundfile` is not installed"
    coders["FLAC -8"] = lambda x, rate: _flac(soundfile, x, rate)
    decoders["FLAC -8"] = lambda data: _unflac(soundfile, data)
    return coders, decoders, ""


class _Parts(bytes):
    """FLAC files of at most eight channels each, joined."""

    parts: list[bytes]


def _flac(soundfile: Any, x: Any, rate: float) -> bytes:
    parts = []
    for first in range(0, len(x), FLAC_CHANNELS):
        out = io.BytesIO()
        samples = x[first : first + FLAC_CHANNELS].T.astype("int16")
        soundfile.write(out, samples, round(rate), format="FLAC", subtype="PCM_16", compression_level=1.0)
        parts.append(out.getvalue())
    joined = _Parts(b"".join(parts))
    joined.parts = parts
    return joined


def _unflac(soundfile: Any, data: _Parts) -> Any:
    import numpy as np

    read = [soundfile.read(io.BytesIO(part), dtype="int16", always_2d=True)[0].T for part in data.parts]
    return np.concatenate(read)


def _bytes(x: Any) -> bytes:
    return x.astype("<i2").tobytes()


def _delta(x: Any) -> Any:
    import numpy as np

    return np.diff(x, axis=1, prepend=0)


def _sets(quick: bool) -> list[tuple[str, list[Signal]]]:
    from cookbooks.lamquant.samples.aeon import ensure_aeon_sample
    from cookbooks.lamquant.samples.synthetic import write_synthetic

    found = []
    sample = ensure_aeon_sample(CACHE / "aeon", cache=CACHE / "downloads", sets=SETS)
    for name in SETS:
        signals = [_load(path) for path in sorted(sample.glob(f"{name}*/*.edf"))]
        found.append((f"aeon {name}", signals[:3] if quick else signals))
    with scratch() as directory:
        write_synthetic(directory / "made", subjects=2, seconds=60, seed=0)
        found.append(("synthetic", [_load(path) for path in sorted((directory / "made").rglob("*.edf"))]))
    return found


def _load(path: Path) -> Signal:
    from cookbooks.lamquant.formats.edf.recording import read_edf

    recording = read_edf(path)
    return Signal(recording.digital, recording.rate_hz)

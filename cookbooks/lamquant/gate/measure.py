"""Measures one decoded recording: the whole, its worst channel, its worst stretch.

The worst counts, and a part that cannot be measured is worse than any number. One thing alone excuses a part
from the relative figures: an original that is digitally constant there (an electrode that is off) has
nothing to be relative to, so its decoded signal is held to an absolute bound instead (``flat_uv``).
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blut_resources.files.digest import digest_path
from cookbooks.lamquant.formats.corpus import Recording
from cookbooks.lamquant.gate import metrics
from cookbooks.lamquant.gate.stretches import Stretches, measure_stretches
from cookbooks.lamquant.signal.bands import GATED


@dataclass(frozen=True)
class Part:
    """Holds one figure of one channel; ``from_s`` and ``to_s`` are None where it is of the whole channel."""

    figure: str
    measured: float | None
    channel: str
    from_s: float | None = None
    to_s: float | None = None


def measure_recording(
    recording: Recording,
    decoded: NDArray[np.integer],
    entry: dict[str, Any],
    bitstream: Path,
    stretch_s: float,
) -> tuple[dict[str, Any], list[Part]]:
    """Returns all figures of one recording, None where one cannot be measured,
    and the parts they are the worst of.

    Args:
        recording: the original.
        decoded: integers ``[C, T]``.
        entry: the recording's entry in ``corpus.json``.
        bitstream: the file that was decoded.
        stretch_s: length of a stretch in seconds.

    Raises:
        ValueError: if the signals hold nothing, or something that is not finite.
    """
    x = recording.microvolts
    with np.errstate(over="ignore"):
        y = decoded * recording.scale[:, None] + recording.offset[:, None]
    whole, channels = metrics.measure_parts(x, y, recording.rate_hz)
    parts = [*_channel_parts(recording, channels), *_stretch_parts(recording, x, y, stretch_s)]
    values = recording.digital.size
    original_bytes = metrics.raw_bytes(values, entry["bit_depth"])
    file_bytes = bitstream.stat().st_size
    cr = metrics.compression_ratio(original_bytes, file_bytes)
    figures: dict[str, Any] = {
        "subject": recording.subject,
        "rate_hz": recording.rate_hz,
        "synthetic": bool(entry["synthetic"]),
        "exact": bool(np.array_equal(recording.digital, decoded)),
        "samples": values,
        "original_bytes": original_bytes,
        "bitstream_bytes": file_bytes,
        "bitstream_digest": digest_path(bitstream),
        "cr": cr,
        "bits_per_sample": 8 * file_bytes / values,
        **{name: getattr(whole, name) for name in ("prd", "prdn", "r", "snr_db")},
        "qs": None if whole.prd is None else metrics.quality_score(cr, whole.prd),
    }
    for band, measured in whole.bands.items():
        for name in ("prd", "r", "snr_db"):
            figures[f"{band}_{name}"] = getattr(measured, name, None)
    return figures | worst_figures(parts), parts


def worst_figures(parts: Iterable[Part]) -> dict[str, float | None]:
    """Returns the worst value of each figure;
    None where a part has none, or where there is no part to measure.
    """
    values: dict[str, list[float | None]] = {name: [] for name in _names()}
    for part in parts:
        values[part.figure].append(part.measured)
    values["flat_uv"].append(0.0)  # what is flat nowhere errs nowhere
    return {name: _worst(name, found) for name, found in values.items()}


def higher_is_better(figure: str) -> bool:
    """Says whether a figure is met by large values: correlations and ratios are, errors are not."""
    return figure in ("r", "cr") or figure.endswith(("_r", "_snr_db"))


def _names() -> list[str]:
    bands = [f"channel_{band}_{name}" for band in GATED for name in ("prd", "r")]
    return ["channel_prdn", "channel_r", *bands, "stretch_prdn", "stretch_r", "flat_uv"]


def _worst(figure: str, values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return None
    return min(known) if higher_is_better(figure) else max(known)


def _channel_parts(recording: Recording, channels: list[metrics.Fidelity]) -> Iterable[Part]:
    for name, digital, fidelity in zip(recording.channels, recording.digital, channels, strict=True):
        if digital.min() == digital.max():
            continue
        yield Part("channel_prdn", fidelity.prdn, name)
        yield Part("channel_r", fidelity.r, name)
        for band in GATED:
            measured = fidelity.bands[band]
            yield Part(f"channel_{band}_prd", getattr(measured, "prd", None), name)
            yield Part(f"channel_{band}_r", getattr(measured, "r", None), name)


def _stretch_parts(
    recording: Recording, x: metrics.Signal, y: metrics.Signal, stretch_s: float
) -> Iterable[Part]:
    samples = max(2, round(stretch_s * recording.rate_hz))
    for name, digital, a, b in zip(recording.channels, recording.digital, x, y, strict=True):
        found = measure_stretches(digital, a, b, samples)
        moving, flat = np.flatnonzero(~found.flat), np.flatnonzero(found.flat)
        if len(moving):
            # argmax and argmin give a NaN, where there is one, before any number
            yield _stretch(
                "stretch_prdn", found.prdn, moving[np.argmax(found.prdn[moving])], found, recording, name
            )
            yield _stretch("stretch_r", found.r, moving[np.argmin(found.r[moving])], found, recording, name)
        if len(flat):
            yield _stretch("flat_uv", found.error, flat[np.argmax(found.error[flat])], found, recording, name)


def _stretch(
    figure: str, values: metrics.Signal, at: np.intp, found: Stretches, recording: Recording, channel: str
) -> Part:
    value, start = float(values[at]), int(found.starts[at])
    return Part(
        figure,
        value if math.isfinite(value) else None,
        channel,
        round(start / recording.rate_hz, 3),
        round((start + found.samples) / recording.rate_hz, 3),
    )

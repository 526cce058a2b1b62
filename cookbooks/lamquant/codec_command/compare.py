"""Measures what was decoded beside its original, by the formulas of a verdict, and finds the worst."""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blut_assets.terminal.output import columns
from cookbooks.lamquant.codec_command.files import LQC
from cookbooks.lamquant.codec_command.pairs import FilePair, Paired, opened, paired
from cookbooks.lamquant.codec_command.recorded import open_recorded
from cookbooks.lamquant.codec_command.sums import Sums
from cookbooks.lamquant.gate.metrics import Fidelity, measure_parts
from cookbooks.lamquant.gate.stretches import measure_stretches
from cookbooks.lamquant.signal.bands import BANDS

STRETCH_S = 10.0
"""Length of the stretches of which the worst is shown."""
IN_MEMORY = 1 << 26
"""Values of both signals that are held in memory; more lie in a file that goes with the command."""
TOGETHER = 1 << 24
"""Values up to which R and bands of all channels as one are measured; of more those of each channel."""
AT_ONCE = 1 << 20

Figures = dict[str, Any]


@dataclass(frozen=True)
class Worst:
    """Holds the channel with the largest PRDN around its worst stretch, microvolts ``[T]``, to be drawn."""

    label: str
    unit: str
    rate_hz: float
    from_s: float
    start_s: float
    original: NDArray[np.float64]
    decoded: NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """Holds all figures, and what is worst; None where nothing moves."""

    figures: Figures
    worst: Worst | None


def compared(original: Path, decoded: Path, model: str | None, threads: int) -> Comparison:
    """Returns the figures of a .lqc, EDF or BDF file beside its original.

    Raises:
        BadRecording, LqcError, NoModel: one of them cannot be read.
        Failed: they are not of one recording.
    """
    n_bytes = decoded.stat().st_size
    with contextlib.ExitStack() as stack:
        if decoded.suffix.lower() == LQC:
            recorded, is_coded = open_recorded(decoded, model, threads), True
        else:
            recorded, is_coded = stack.enter_context(opened(decoded)), False
        found = stack.enter_context(paired(original, recorded))
        values = sum(pair.n_samples for pair in found.pairs)
        x, y = stack.enter_context(_held(values)), stack.enter_context(_held(values))
        places = _read(found, x, y)
        raw = sum(pair.n_samples for pair in found.pairs) * found.sample_bytes
        figures = _figures(found, x, y, places)
        figures |= {"original": str(original), "decoded": str(decoded), "bytes": n_bytes}
        figures["cr"] = raw / n_bytes if is_coded else None
        return Comparison(figures, _worst(found, x, y, places, figures))


@contextlib.contextmanager
def _held(values: int) -> Iterator[NDArray[np.int32]]:
    if values <= IN_MEMORY:
        yield np.empty(values, np.int32)
        return
    with tempfile.TemporaryFile() as file:
        yield np.memmap(file, np.int32, "w+", shape=(values,))


def _read(found: Paired, x: NDArray[np.int32], y: NDArray[np.int32]) -> list[int]:
    """Read both, channel behind channel; returns where each channel begins."""
    ends = np.cumsum([pair.n_samples for pair in found.pairs])
    places = [int(end) - pair.n_samples for end, pair in zip(ends, found.pairs, strict=True)]
    for numbers, start, first, second in found.blocks(AT_ONCE):
        for row, number in enumerate(numbers):
            at = places[number] + start
            x[at : at + first.shape[1]], y[at : at + first.shape[1]] = first[row], second[row]
    return places


def _figures(found: Paired, x: NDArray[np.int32], y: NDArray[np.int32], places: list[int]) -> Figures:
    pairs = found.pairs
    eeg = [number for number, pair in enumerate(pairs) if pair.is_eeg] or list(range(len(pairs)))
    together = [number for number in eeg if pairs[number].rate_hz == pairs[eeg[0]].rate_hz]
    rows, energy, error = [], 0.0, 0.0
    for number in eeg:
        pair, at = pairs[number], places[number]
        digital, other = x[at : at + pair.n_samples], y[at : at + pair.n_samples]
        sums = Sums()
        sums.add(digital, other)
        energy, error = energy + sums.energy * pair.scale**2, error + sums.error * pair.scale**2
        rows.append(_channel(pair, digital, other))
    whole = None
    if sum(pairs[number].n_samples for number in together) <= TOGETHER:
        signals = [
            np.stack([_physical(part, pairs[number], places[number]) for number in together])
            for part in (x, y)
        ]
        whole = measure_parts(signals[0], signals[1], pairs[together[0]].rate_hz)[0]
    others = [number for number in range(len(pairs)) if number not in eeg]
    exact = [
        bool(np.array_equal(x[at : at + pairs[number].n_samples], y[at : at + pairs[number].n_samples]))
        for number in others
        for at in [places[number]]
    ]
    return {
        "prdn": 100 * (error / energy) ** 0.5 if energy else (None if error else 0.0),
        "prd": whole and whole.prd,
        "r": whole and whole.r,
        "snr_db": whole and whole.snr_db,
        "bands": None if whole is None else _bands(whole),
        "channels": rows,
        "other_signals": {"n": len(others), "exact": sum(exact)},
        "missing": found.missing,
    }


def _channel(pair: FilePair, digital: NDArray[np.int32], other: NDArray[np.int32]) -> Figures:
    a, b = _physical(digital, pair), _physical(other, pair)
    measured = measure_parts(a[None], b[None], pair.rate_hz)[0]
    stretches = measure_stretches(digital, a, b, max(1, round(STRETCH_S * pair.rate_hz)))
    moving = np.where(np.isnan(stretches.prdn), -1.0, stretches.prdn)
    at = int(moving.argmax())
    return {
        "channel": pair.label,
        "prdn": measured.prdn,
        "r": measured.r,
        "max_error": float(np.abs(a - b).max()),
        "unit": pair.unit,
        "worst_from_s": float(stretches.starts[at] / pair.rate_hz),
        "worst_prdn": None if moving[at] < 0 else float(moving[at]),
        "bands": _bands(measured),
    }


def _physical(digital: NDArray[np.int32], pair: FilePair, at: int = 0) -> NDArray[np.float64]:
    return digital[at : at + pair.n_samples] * np.float64(pair.scale) + pair.offset


def _bands(measured: Fidelity) -> dict[str, Figures | None]:
    return {name: one and {"prd": one.prd, "r": one.r} for name, one in measured.bands.items()}


def _worst(
    found: Paired, x: NDArray[np.int32], y: NDArray[np.int32], places: list[int], figures: Figures
) -> Worst | None:
    """Returns the stretch with the largest PRDN of any channel, with as much again before and behind it."""
    rows = [row for row in figures["channels"] if row["worst_prdn"] is not None]
    if not rows:
        return None
    row = max(rows, key=lambda one: one["worst_prdn"])
    number = next(i for i, pair in enumerate(found.pairs) if pair.label == row["channel"] and pair.is_eeg)
    pair, at = found.pairs[number], places[number]
    first = max(0, round((row["worst_from_s"] - STRETCH_S) * pair.rate_hz))
    stop = min(pair.n_samples, round((row["worst_from_s"] + 2 * STRETCH_S) * pair.rate_hz))
    a, b = (_physical(part, pair, at)[first:stop] for part in (x, y))
    figures["worst"] = {"channel": pair.label, "from_s": row["worst_from_s"], "prdn": row["worst_prdn"]}
    return Worst(pair.label, pair.unit, pair.rate_hz, first / pair.rate_hz, row["worst_from_s"], a, b)


def told(figures: Figures) -> str:
    """Returns the figures in lines."""
    bands = figures["bands"] or {}
    lines = [
        f"{figures['decoded']} beside {figures['original']}: PRDN {_number(figures['prdn'])} %,"
        f" R {_number(figures['r'])}" + (f", CR {figures['cr']:.4g}" if figures["cr"] else ""),
    ]
    rows = [
        {
            "channel": row["channel"],
            "PRDN %": _number(row["prdn"]),
            "R": _number(row["r"]),
            "largest error": f"{_number(row['max_error'])} {row['unit']}",
            "worst 10 s": f"{_number(row['worst_prdn'])} % from {row['worst_from_s']:g} s",
        }
        for row in sorted(figures["channels"], key=lambda one: -(one["prdn"] or 0))
    ]
    shown = [
        {
            "band": name,
            "Hz": f"{BANDS[name][0]:g} to {BANDS[name][1]:g}",
            "PRD %": _number(one["prd"]),
            "R": _number(one["r"]),
        }
        for name, one in bands.items()
        if one
    ]
    lines += ["", columns(rows)]
    if shown:
        lines += ["", columns(shown)]
    others = figures["other_signals"]
    if others["n"]:
        lines += ["", f"{others['exact']} of {others['n']} other signals are exactly those of the original"]
    return "\n".join(lines + [f"not in it: {name}" for name in figures["missing"]])


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.4g}"

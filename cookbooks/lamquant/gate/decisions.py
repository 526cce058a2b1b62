"""Measures decisions of sealed recordings against their labels; frames without a label count nowhere."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.controller.figures import alarms, auc, event_figures
from cookbooks.lamquant.controller.states import CRITICAL, INTERESTING, Point
from cookbooks.lamquant.gate.decided import DecidedRecording
from cookbooks.lamquant.labels.frames import runs
from cookbooks.lamquant.labels.kinds import SEEN_CRITICAL, UNLABELLED

BEFORE_S, AFTER_S, APART_S, LONGEST_S = 30, 60, 90, 300
"""How SzCORE compares events: an alarm may lie so much before and after; those closer are one, and a longer
one is several. Dan et al. 2024, https://arxiv.org/abs/2402.13005."""
MOST_MERGE_S = 10.0
"""Seconds between two alarms that may count as one."""
Z_95 = 1.959964
Span = tuple[int, int]


@dataclass(frozen=True)
class Judged:
    """Holds one sealed recording: what was decided of it, its labels, and how loud it is.

    Attributes:
        labels: uint8 ``[T]``.
        energies: power and line length, int32 ``[T]`` each.
    """

    stem: str
    patient: str
    decided: DecidedRecording
    labels: NDArray[np.uint8]
    energies: tuple[NDArray[np.int32], NDArray[np.int32]]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Returns which frames have a label."""
        return self.labels != UNLABELLED


def raised(decided: DecidedRecording, point: Point, frame_ms: int) -> list[Span]:
    """Returns first frame and end of each alarm: stretches of CRITICAL, as the operating point joins them.

    Those far apart stay several, whatever the point says: joined, false ones would hide in a true one.
    """
    merge_s = min(point.merge_s, MOST_MERGE_S)
    return alarms(decided.states, CRITICAL, point.min_event_s, merge_s, frame_ms)


def decision_figures(every: Sequence[Judged], point: Point, frame_ms: int) -> dict[str, float | None]:
    """Returns the figures over all recordings; None where there was nothing to measure one on."""
    labels = [one.labels for one in every]
    own = [raised(one.decided, point, frame_ms) for one in every]
    events = event_figures(own, labels, frame_ms)
    low, high = wilson(events.found, events.events)
    model, logistic = (auc([one.decided.scores[:, n] for one in every], labels) for n in (0, 2))
    energy = max(auc([one.energies[n] for one in every], labels) for n in (0, 1))
    rows = event_rows(every, point, frame_ms)
    latencies = [row["latency_s"] for row in rows if row["latency_s"] is not None]
    tolerant = [_tolerant(spans, one.labels, frame_ms) for spans, one in zip(own, every, strict=True)]
    found, true, false = (sum(one[n] for one in tolerant) for n in range(3))
    figures = {
        "event_sensitivity": events.sensitivity,
        "sensitivity_low": low,
        "sensitivity_high": high,
        "fa_per_h": events.fa_per_h,
        "critical_share": _share(every, lambda one: one.decided.states == CRITICAL),
        "interesting_share": _share(every, lambda one: one.decided.states == INTERESTING),
        "critical_frame_recall": _recall(every),
        "median_latency_s": float(np.median(latencies)) if latencies else math.nan,
        "auc": model,
        "logistic_auc": logistic,
        "energy_auc": energy,
        "margin_over_energy_auc": model - energy,
        "margin_over_logistic_auc": model - logistic,
        "szcore_sensitivity": found / true if true else math.nan,
        "szcore_fa_per_day": 24 * false / events.hours if events.hours else math.nan,
    }
    return {name: float(value) if math.isfinite(value) else None for name, value in figures.items()}


def counted(every: Sequence[Judged], frame_ms: int) -> dict[str, float]:
    """Returns how much was measured: recordings, patients, samples of time, hours with a label, seizures."""
    critical = [one for one in every if (one.labels == SEEN_CRITICAL).any()]
    return {
        "hours": sum(int(one.known.sum()) for one in every) * frame_ms / 3_600_000,
        "critical_events": sum(len(runs(one.labels, SEEN_CRITICAL)) for one in critical),
        "patients_with_critical": len({one.patient for one in critical}),
    }


def event_rows(every: Sequence[Judged], point: Point, frame_ms: int) -> list[dict[str, Any]]:
    """Returns a row for each seizure, and for each alarm without one.

    The latency is from the onset to the time at which the alarm has lasted as long as one must.
    """
    rows: list[dict[str, Any]] = []
    for one in every:
        spans = raised(one.decided, point, frame_ms)
        for begin, end in runs(one.labels, SEEN_CRITICAL):
            met = [span for span in spans if span[0] < end and begin < span[1]]
            latency_s = _latency(met, begin, point, frame_ms)
            rows.append(_row(one, "found" if met else "missed", (begin, end), frame_ms, latency_s))
        for begin, end in spans:
            seen = one.labels[begin:end]
            if (seen != UNLABELLED).any() and not (seen == SEEN_CRITICAL).any():
                rows.append(_row(one, "false alarm", (begin, end), frame_ms, None))
    return sorted(rows, key=lambda row: (row["recording"], row["from_s"], row["what"]))


def said_by_silence(every: Sequence[Judged], silent: Mapping[str, DecidedRecording]) -> float:
    """Returns the share of the variance of scores that is there without a signal, by the time alone."""
    heard = np.concatenate([one.decided.scores[:, 0] for one in every]).astype(float)
    alone = np.concatenate([silent[one.stem].scores[:, 0] for one in every]).astype(float)
    if not heard.std() or not alone.std():
        return 0.0
    return float(np.corrcoef(heard, alone)[0, 1] ** 2)


def wilson(found: int, of: int) -> tuple[float, float]:
    """Returns the 95 % interval of a share; NaN of nothing. Wilson 1927."""
    if not of:
        return math.nan, math.nan
    share, z2 = found / of, Z_95**2
    middle = share + z2 / (2 * of)
    half = Z_95 * math.sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    return max(0.0, (middle - half) / (1 + z2 / of)), min(1.0, (middle + half) / (1 + z2 / of))


def _row(one: Judged, what: str, span: Span, frame_ms: int, latency_s: float | None) -> dict[str, Any]:
    begin, end = (edge * frame_ms / 1000 for edge in span)
    return {
        "patient": one.patient, "recording": one.stem, "what": what,
        "from_s": begin, "to_s": end, "latency_s": latency_s,
    }  # fmt: skip


def _latency(met: Sequence[Span], begin: int, point: Point, frame_ms: int) -> float | None:
    if not met:
        return None
    return max(0.0, (met[0][0] - begin) * frame_ms / 1000 + point.min_event_s)


def _share(every: Sequence[Judged], of: Any) -> float:
    known = sum(int(one.known.sum()) for one in every)
    return sum(int((of(one) & one.known).sum()) for one in every) / known if known else math.nan


def _recall(every: Sequence[Judged]) -> float:
    critical = [(one.labels == SEEN_CRITICAL, one.decided.states == CRITICAL) for one in every]
    total = sum(int(seen.sum()) for seen, _ in critical)
    return sum(int((seen & said).sum()) for seen, said in critical) / total if total else math.nan


def _tolerant(spans: Sequence[Span], labels: NDArray[np.uint8], frame_ms: int) -> tuple[int, int, int]:
    """Returns events found, events, and false alarms, as SzCORE counts them."""
    true, said = (_joined(one, frame_ms) for one in (runs(labels, SEEN_CRITICAL), spans))
    wide = [(a - BEFORE_S * 1000 // frame_ms, b + AFTER_S * 1000 // frame_ms) for a, b in true]
    found = sum(any(a < end and begin < b for a, b in said) for begin, end in wide)
    false = [s for s in said if (labels[s[0] : s[1]] != UNLABELLED).any() and not _meets(s, wide)]
    return found, len(true), len(false)


def _meets(span: Span, others: Sequence[Span]) -> bool:
    return any(a < span[1] and span[0] < b for a, b in others)


def _joined(spans: Sequence[Span], frame_ms: int) -> list[Span]:
    """Returns stretches, joined where they are close and cut where they are long."""
    joined: list[Span] = []
    for begin, end in spans:
        if joined and (begin - joined[-1][1]) * frame_ms < 1000 * APART_S:
            joined[-1] = joined[-1][0], end
        else:
            joined.append((begin, end))
    longest = LONGEST_S * 1000 // frame_ms
    return [
        (start, min(start + longest, end)) for begin, end in joined for start in range(begin, end, longest)
    ]

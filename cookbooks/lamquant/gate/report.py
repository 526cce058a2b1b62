"""Reports what a verdict shows beside its criteria: figures of the corpus, by recording and by band."""

import math
from collections.abc import Callable, Iterable
from statistics import fmean
from typing import Any

from cookbooks.lamquant.gate.floors import FloorRegistryFile
from cookbooks.lamquant.gate.grade import Level, grade_corpus, grade_recording
from cookbooks.lamquant.gate.metrics import quality_score
from cookbooks.lamquant.signal.bands import BANDS
from cookbooks.lamquant.subjects.names import patient_key

MEANS = ("prd", "prdn", "r", "snr_db", "bits_per_sample")
Figures = dict[str, dict[str, Any]]
"""Figures of the measured recordings, by stem."""


def summary(figures: Figures, stems: list[str]) -> dict[str, float | None]:
    """Returns the corpus figures;
    None unless every test recording was measured, since a part could flatter.
    """
    rows = [figures[stem] for stem in stems if stem in figures]
    complete = bool(rows) and len(rows) == len(stems)

    def of(name: str, reduce: Callable[[list[float]], float]) -> float | None:
        return _over((row[name] for row in rows), reduce) if complete else None

    cr, prd = None, of("prd", fmean)
    if complete:
        cr = sum(row["original_bytes"] for row in rows) / sum(row["bitstream_bytes"] for row in rows)
    return {
        "cr": cr,
        **{name: of(name, fmean) for name in MEANS},
        "qs": quality_score(cr, prd) if cr is not None and prd is not None else None,
        "worst_cr": of("cr", min),
        "worst_prd": of("prd", max),
        "worst_prdn": of("prdn", max),
        "worst_r": of("r", min),
    }


def report(figures: Figures, stems: list[str], registry: FloorRegistryFile) -> dict[str, Any]:
    """Grade, figures of each recording and of each band, and how much was measured."""
    levels: dict[str, Level] = {
        stem: grade_recording(figures.get(stem, {}), registry.bands) for stem in stems
    }
    return {
        "grade": grade_corpus(levels.values()),
        "registry": {"model": registry.model, "version": registry.version, "bands": sorted(registry.bands)},
        "per_recording": {stem: {**row, "grade": levels[stem]} for stem, row in sorted(figures.items())},
        "per_band": {band: _band(band, list(figures.values())) for band in BANDS},
        "counts": {
            "test_recordings": len(stems),
            "measured_recordings": len(figures),
            "patients": len({patient_key(row["subject"]) for row in figures.values()}),
            "samples": sum(row["samples"] for row in figures.values()),
            "original_bytes": sum(row["original_bytes"] for row in figures.values()),
            "bitstream_bytes": sum(row["bitstream_bytes"] for row in figures.values()),
            "synthetic_recordings": sum(row["synthetic"] for row in figures.values()),
        },
    }


def _over(values: Iterable[float | None], reduce: Callable[[list[float]], float]) -> float | None:
    """Returns the mean, least or largest of figures;
    None where one of them, or their mean, is not a finite number.
    """
    found = list(values)
    known = [value for value in found if value is not None]
    if not known or len(known) < len(found):
        return None
    reduced = float(reduce(known))
    return reduced if math.isfinite(reduced) else None


def _band(band: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns mean and worst figures over the recordings on which the band could be measured."""
    report: dict[str, Any] = {
        "measured_recordings": sum(row[f"{band}_prd"] is not None for row in rows),
        "edges_hz": list(BANDS[band]),
    }
    for name, worst in (("prd", max), ("r", min), ("snr_db", min)):
        values = [row[f"{band}_{name}"] for row in rows if row[f"{band}_{name}"] is not None]
        report[name], report[f"worst_{name}"] = _over(values, fmean), _over(values, worst)
    return report

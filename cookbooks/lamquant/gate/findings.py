"""Collects what the gate found: violations, and the figures of every recording whose files are sound."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cookbooks.lamquant.gate.checks as checks
import cookbooks.lamquant.gate.worst as worst
from blut_resources.registry.verdicts import Floor
from cookbooks.lamquant.formats.corpus import Corpus
from cookbooks.lamquant.gate.floors import CORPUS, INTEGRITY
from cookbooks.lamquant.gate.measure import Part, measure_recording
from cookbooks.lamquant.subjects.names import patient_key


@dataclass
class GateFindings:
    """Holds violations by integrity check; figures, and figures of channels and stretches, by recording."""

    violations: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in INTEGRITY})
    figures: dict[str, dict[str, Any]] = field(default_factory=dict)
    parts: dict[str, list[Part]] = field(default_factory=dict)

    def measured(self, lqs_level: int) -> dict[str, dict[str, Any]]:
        """Returns every figure that a floor may ask for, by recording,
        and what is counted over all of them.
        """
        figures = self.figures.values()
        counts = {
            "recordings": len(figures),
            "patients": len({patient_key(figure["subject"]) for figure in figures}),
            "samples": sum(figure["samples"] for figure in figures),
            "lqs_level": lqs_level,
            **{f"{name}_violations": len(found) for name, found in self.violations.items()},
        }
        return {**self.figures, CORPUS: counts}

    def rows(self, floors: list[Floor]) -> list[worst.Row]:
        """Returns every figure beside its floor, the worst of all recordings first."""
        found = (worst.rows_of(stem, self.figures[stem], self.parts[stem], floors) for stem in self.figures)
        return worst.worst_first(row for rows in found for row in rows)

    def reasons(self) -> list[str]:
        """Returns every violation as a sentence."""
        return [f"{name}: {problem}" for name, problems in self.violations.items() for problem in problems]


def measure_files(
    findings: GateFindings,
    corpus: Corpus,
    stems: list[str],
    inputs: Mapping[str, Path],
    stretch_s: float,
) -> None:
    """Measure every test recording whose bitstream and decoded samples are what they should be.

    Args:
        findings: what is found is added to it.
        corpus: the originals.
        stems: the test recordings.
        inputs: ``candidate``, and its ``bitstreams`` and ``decoded`` files.
        stretch_s: length of a stretch in seconds.
    """
    bitstreams, missing = checks.files_for(inputs["bitstreams"], stems, checks.BITSTREAM_SUFFIX)
    findings.violations["one_bitstream_per_recording"] = missing
    decoded, missing = checks.files_for(inputs["decoded"], stems, checks.DECODED_SUFFIX)
    findings.violations["one_decoding_per_recording"] = missing
    model = checks.model_digest(inputs["candidate"])
    for stem in stems:
        if stem not in bitstreams or stem not in corpus.entries:
            continue
        recording = corpus.open(stem).whole()
        shape, path = recording.digital.shape, bitstreams[stem]
        if problem := checks.not_a_bitstream(path, model, shape, recording.rate_hz):
            findings.violations["real_bitstreams"].append(problem)
        elif stem in decoded:
            try:
                samples = _samples(decoded[stem], shape)
                findings.figures[stem], findings.parts[stem] = measure_recording(
                    recording, samples, corpus.entries[stem], path, stretch_s
                )
            except ValueError as error:
                findings.violations["one_decoding_per_recording"].append(f"{stem}: {error}")


def _samples(path: Path, shape: tuple[int, int]) -> NDArray[np.integer]:
    """Returns the decoded integers; anything else in the file is a ValueError."""
    try:
        samples = np.load(path, allow_pickle=False)
    except (OSError, EOFError, ValueError) as error:
        raise ValueError(f"{path.name} cannot be read as an array ({error})") from error
    if not isinstance(samples, np.ndarray) or samples.dtype.kind != "i":
        raise ValueError(f"{path.name} holds {getattr(samples, 'dtype', type(samples))}, not integers")
    if samples.shape != shape:
        raise ValueError(f"{path.name} has shape {samples.shape}, the original {shape}")
    return samples

"""Judges a codec by its bytes: bitstream files and decoded samples against the original integers.

    python -m cookbooks.lamquant.payload.verdict_score --config FILE

Inputs: ``candidate``, the ``windows`` it was trained on, ``corpus``, ``split``, ``bitstreams``
(``<stem>.lqc``), ``decoded`` (``<stem>.npy``, integers ``[C, T]``), ``registry`` and, if wanted, ``anchor``
(a JSON object that is shown beside the verdict). Config: see `ScoreConfig`. Writes ``verdict.json``. A
candidate that fails gets a verdict that says so and exit status 0; only unusable input ends the process,
and then there is no verdict at all.

Signals are compared in microvolts; CR counts each original sample as its acquisition file holds it and the
bitstream as the file on disk has it. A corpus figure is pooled (CR) or the mean over recordings, but floors
and the grade apply to each recording, and to the worst of its channels and stretches.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

# by their own names: `from` the package would make its recipes part of the verdict's code version
import cookbooks.lamquant.verdict_checks as checks
import cookbooks.lamquant.verdict_rules as rules
import cookbooks.lamquant.verdict_worst as worst
from blut_assets.gates import VERDICT_FILE, Change, Floor, Isolation, Verdict, judge
from blut_resources.payload import payload_session
from blut_resources.store import write_atomic
from blut_resources.store_files import StoreError
from cookbooks.lamquant.formats.corpus import CorpusError, read_corpus, read_recording
from cookbooks.lamquant.formats.lma import LmaError
from cookbooks.lamquant.formats.lml import LmlError
from cookbooks.lamquant.formats.names import patient_key
from cookbooks.lamquant.verdict_measure import Part, measure_recording
from cookbooks.lamquant.verdict_report import report, summary

Digest = Annotated[str, Field(min_length=1)]
DIGESTED = ("candidate", "corpus", "split", "bitstreams", "decoded", "registry")
UNREADABLE = (CorpusError, LmaError, LmlError, StoreError)
REQUIRED_INPUTS = (*DIGESTED, "windows")


class ComputedBy(BaseModel):
    """The digest of what the processes of the verdict run in, and its listing."""

    model_config = ConfigDict(extra="forbid", strict=True)

    digest: Digest
    listing: dict[str, Any]


class ScoreConfig(BaseModel):
    """What the verdict is about: the digests that the graph recorded, and the proposed change."""

    model_config = ConfigDict(extra="forbid", strict=True)

    candidate_digest: Digest
    corpus_digest: Digest
    split_digest: Digest
    registry_digest: Digest
    bitstreams_digest: Digest | None = None
    decoded_digest: Digest | None = None
    split: str
    change: Change
    isolation: Isolation | None = None
    environment: ComputedBy | None = None

    def named(self) -> dict[str, str | None]:
        """Input name to the digest it must have; None where none was given."""
        return {name: getattr(self, f"{name}_digest") for name in DIGESTED}


@dataclass
class Findings:
    """Violations by integrity check; figures, and figures of channels and stretches, by recording."""

    violations: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in rules.INTEGRITY})
    figures: dict[str, dict[str, Any]] = field(default_factory=dict)
    parts: dict[str, list[Part]] = field(default_factory=dict)

    def rows(self, floors: list[Floor]) -> list[worst.Row]:
        """Every figure beside its floor, the worst of all recordings first."""
        found = (worst.rows_of(stem, self.figures[stem], self.parts[stem], floors) for stem in self.figures)
        return worst.worst_first(row for rows in found for row in rows)

    def reasons(self) -> list[str]:
        """Every violation as a sentence."""
        return [f"{name}: {problem}" for name, problems in self.violations.items() for problem in problems]


def main() -> None:
    """Score one session's candidate."""
    with payload_session() as session:
        try:
            config = ScoreConfig.model_validate(session.config)
            verdict = score(config, session.inputs)
        except ValidationError as error:
            problems = [f"{'.'.join(str(p) for p in e['loc'])}: {e['msg']}" for e in error.errors()]
            raise SystemExit("config: " + "; ".join(problems)) from error
        except (rules.RegistryInvalid, rules.SplitInvalid, InputMissing, *UNREADABLE) as error:
            raise SystemExit(str(error)) from error
        write_atomic(session.out / VERDICT_FILE, verdict.to_json())
        session.done(**_facts(verdict))


class InputMissing(ValueError):
    """An input is not there or cannot be used; the message names it."""


def score(config: ScoreConfig, inputs: dict[str, Path]) -> Verdict:
    """The verdict on a candidate.

    Raises:
        InputMissing, RegistryInvalid, SplitInvalid, CorpusError, StoreError: if there is nothing to judge
            by. What speaks against the candidate is in the verdict instead.
    """
    for name in REQUIRED_INPUTS:
        if name not in inputs or not inputs[name].exists():
            raise InputMissing(f"input {name} is missing: a verdict needs {', '.join(REQUIRED_INPUTS)}")
    registry = rules.load_registry(inputs["registry"])
    registry.authorise(config.change)
    findings = Findings()
    digests, findings.violations["inputs_unchanged"] = checks.unchanged(
        {name: inputs[name] for name in DIGESTED}, config.named()
    )
    corpus, split = read_corpus(inputs["corpus"]), rules.read_split(inputs["split"])
    _check_split(findings, config, corpus, split, inputs)
    stems = split.of("test")
    _measure_all(findings, corpus, stems, inputs, registry.stretch_floors().seconds)
    floors = rules.required_floors(registry, stems)
    details = report(findings.figures, stems, registry)
    counted = {**_counted(findings), "lqs_level": rules.lqs_level(details["grade"])}
    criteria = judge({**findings.figures, rules.CORPUS: counted}, floors, rules.possible)
    rows = findings.rows(floors)
    return Verdict.of(
        criteria,
        reasons=[*findings.reasons(), *_missed_by_parts(rows)],
        model=registry.model,
        change=config.change,
        candidate=config.candidate_digest,
        inputs={name: digest for name, digest in digests.items() if name != "candidate"},
        measurements=summary(findings.figures, stems),
        isolation=config.isolation,
        environment=config.environment.digest if config.environment else None,
        details={
            **details,
            "worst": rows[: worst.MAX_ROWS],
            "model_bytes": checks.total_bytes(inputs["candidate"]),
            **({"environment": config.environment.listing} if config.environment else {}),
            **({"anchor": _anchor(inputs["anchor"])} if "anchor" in inputs else {}),
        },
    )


def _check_split(
    findings: Findings,
    config: ScoreConfig,
    corpus: dict[str, Any],
    split: rules.Split,
    inputs: dict[str, Path],
) -> None:
    if config.split != "test":
        findings.violations["sealed_test_split"].append(
            f"asked to judge on {config.split!r}; only the sealed test split counts"
        )
    if not split.of("test"):
        findings.violations["sealed_test_split"].append("the split has no test recording")
    findings.violations["patients_disjoint"] = checks.disjoint_patients(corpus, split)
    findings.violations["test_patients_unseen"] = checks.seen_in_training(
        inputs["candidate"], inputs["windows"], corpus, split
    )
    known = {entry["stem"] for entry in corpus["recordings"]}
    if split.recordings.keys() <= known:
        found = checks.shared_content(split, lambda stem: read_recording(inputs["corpus"], stem))
        findings.violations["no_duplicates_across_splits"] = found


def _missed_by_parts(rows: list[worst.Row]) -> list[str]:
    """The worst channel and the worst stretch of each recording that misses a floor, in words."""
    missed: dict[tuple[str, str], str] = {}
    for row in rows:
        if row["kind"] in ("channel", "stretch") and (row["margin"] is None or row["margin"] < 0):
            missed.setdefault((row["recording"], row["kind"]), f"worst {row['kind']}: {worst.sentence(row)}")
    return list(missed.values())


def _measure_all(
    findings: Findings,
    corpus: dict[str, Any],
    stems: list[str],
    inputs: dict[str, Path],
    stretch_s: float,
) -> None:
    """Figures of every test recording whose bitstream and decoded samples are what they should be."""
    bitstreams, missing = checks.files_for(inputs["bitstreams"], stems, checks.BITSTREAM_SUFFIX)
    findings.violations["one_bitstream_per_recording"] = missing
    decoded, missing = checks.files_for(inputs["decoded"], stems, checks.DECODED_SUFFIX)
    findings.violations["one_decoding_per_recording"] = missing
    entries = {entry["stem"]: entry for entry in corpus["recordings"]}
    model = checks.model_digest(inputs["candidate"])
    for stem in stems:
        if stem not in bitstreams or stem not in entries:
            continue
        recording = read_recording(inputs["corpus"], stem)
        shape, path = recording.digital.shape, bitstreams[stem]
        if problem := checks.not_a_bitstream(path, model, shape, recording.rate_hz):
            findings.violations["real_bitstreams"].append(problem)
        elif stem in decoded:
            try:
                samples = _samples(decoded[stem], shape)
                findings.figures[stem], findings.parts[stem] = measure_recording(
                    recording, samples, entries[stem], path, stretch_s
                )
            except ValueError as error:
                findings.violations["one_decoding_per_recording"].append(f"{stem}: {error}")


def _samples(path: Path, shape: tuple[int, int]) -> NDArray[np.integer]:
    """Decoded integers; anything else in the file is a ValueError."""
    try:
        samples = np.load(path, allow_pickle=False)
    except (OSError, EOFError, ValueError) as error:
        raise ValueError(f"{path.name} cannot be read as an array ({error})") from error
    if not isinstance(samples, np.ndarray) or samples.dtype.kind != "i":
        raise ValueError(f"{path.name} holds {getattr(samples, 'dtype', type(samples))}, not integers")
    if samples.shape != shape:
        raise ValueError(f"{path.name} has shape {samples.shape}, the original {shape}")
    return samples


def _counted(findings: Findings) -> dict[str, int]:
    figures = findings.figures.values()
    counts = {
        "recordings": len(findings.figures),
        "patients": len({patient_key(figure["subject"]) for figure in figures}),
        "samples": sum(figure["samples"] for figure in figures),
    }
    return counts | {f"{name}_violations": len(found) for name, found in findings.violations.items()}


def _anchor(path: Path) -> dict[str, Any]:
    """The classical codec's figures to show beside the verdict; they decide nothing."""
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    try:
        if len(files) != 1:
            raise ValueError(f"one JSON file is needed, found {len(files)}")
        anchor = json.loads(files[0].read_bytes())
        json.dumps(anchor, allow_nan=False)
    except (OSError, ValueError) as error:
        raise InputMissing(f"input anchor: {error}") from error
    if not isinstance(anchor, dict):
        raise InputMissing("input anchor: a JSON object is needed")
    return anchor


def _facts(verdict: Verdict) -> dict[str, Any]:
    names = ("cr", "prd", "prdn", "r", "snr_db", "worst_cr", "worst_prdn", "worst_r")
    rows = verdict.details["worst"]
    return {
        "candidate": verdict.candidate,
        "passed": verdict.passed,
        "grade": verdict.details["grade"],
        **{name: verdict.measurements[name] for name in names},
        "n_recordings": verdict.details["counts"]["measured_recordings"],
        "n_failed_criteria": sum(not criterion.passed for criterion in verdict.criteria),
        "worst_part": worst.sentence(rows[0]) if rows else "",
    }


if __name__ == "__main__":
    main()

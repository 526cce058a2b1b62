"""Judges a codec by its bytes: bitstream files and decoded samples against the original integers.

    python -m cookbooks.lamquant.payload.verdict_score --config FILE

Inputs: ``candidate``, the ``windows`` it was trained on, ``corpus``, ``split``, ``bitstreams``
(``<stem>.lqc``), ``decoded`` (``<stem>.npy``, integers ``[C, T]``), ``registry`` and, if wanted, ``anchor``
(a JSON object that is shown beside the verdict). Where the candidate would replace another, that one as
``incumbent``, with ``incumbent_bitstreams`` and ``incumbent_decoded``. Config: see `ScoreSettings`. Writes
``verdict.json``. A candidate that fails gets a verdict that says so and exit status 0; only unusable input
ends the process, and then there is no verdict at all.

Signals are compared in microvolts; CR counts each original sample as its acquisition file holds it and the
bitstream as the file on disk has it. A corpus figure is pooled (CR) or the mean over recordings, but floors
and the grade apply to each recording, and to the worst of its channels and stretches.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

# by their own names: `from` the package would make its recipes part of the verdict's code version
import cookbooks.lamquant.gate.checks as checks
import cookbooks.lamquant.gate.worst as worst
from blut_resources.files.durable import StoreError
from blut_resources.payload_kit.config import Bounds, read_config
from blut_resources.payload_kit.refuse import Refused, explained
from blut_resources.payload_kit.session import payload_session
from blut_resources.registry.verdicts import VERDICT_FILE, Change, Incumbent, Isolation, Verdict, judge
from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.formats.corpus import Corpus, open_corpus
from cookbooks.lamquant.gate.findings import GateFindings, measure_files
from cookbooks.lamquant.gate.floors import (
    STRETCH_SECONDS,
    load_registry,
    possible,
    required_floors,
)
from cookbooks.lamquant.gate.grade import lqs_level
from cookbooks.lamquant.gate.incumbent import HEADLINE, worse_than
from cookbooks.lamquant.gate.report import report, summary
from cookbooks.lamquant.gate.split import JudgedSplit, read_split, sealed_digest

Digest = Annotated[str, Bounds(1)]
DIGESTED = ("candidate", "corpus", "split", "bitstreams", "decoded", "registry")
REQUIRED_INPUTS = (*DIGESTED, "windows")


@dataclass(frozen=True)
class ComputedBy:
    """Holds the digest of what the processes of the verdict run in, and its listing."""

    digest: Digest
    listing: dict[str, Any]


@dataclass(frozen=True)
class ScoreSettings:
    """Says what the verdict is about: the digests that the graph recorded, and the proposed change."""

    candidate_digest: Digest
    corpus_digest: Digest
    split_digest: Digest
    registry_digest: Digest
    split: str
    change: Change
    bitstreams_digest: Digest | None = None
    decoded_digest: Digest | None = None
    incumbent_digest: Digest | None = None
    tries: Annotated[int, Bounds(1)] | None = None
    isolation: Isolation | None = None
    environment: ComputedBy | None = None

    def named(self) -> dict[str, str | None]:
        """Returns the digest that each input must have, by its name; None where none was given."""
        return {name: getattr(self, f"{name}_digest") for name in (*DIGESTED, "incumbent")}


def main() -> None:
    """Score one session's candidate."""
    with payload_session() as session:
        settings = read_config(session, ScoreSettings)
        with explained(StoreError):
            verdict = score(settings, session.inputs)
        write_atomic(session.out / VERDICT_FILE, verdict.to_json())
        session.done(**_facts(verdict))


class InputMissing(Refused):
    """Says that an input is not there or cannot be used; the message names it."""


def score(config: ScoreSettings, inputs: dict[str, Path]) -> Verdict:
    """Returns the verdict on a candidate.

    Raises:
        InputMissing, RegistryInvalid, SplitInvalid, CorpusError, StoreError: if there is nothing to judge
            by. What speaks against the candidate is in the verdict instead.
    """
    for name in REQUIRED_INPUTS:
        if name not in inputs or not inputs[name].exists():
            raise InputMissing(f"input {name} is missing: a verdict needs {', '.join(REQUIRED_INPUTS)}")
    registry = load_registry(inputs["registry"])
    registry.authorise(config.change)
    findings = GateFindings()
    judged = [*DIGESTED, *(["incumbent"] if "incumbent" in inputs else [])]
    digests, findings.violations["inputs_unchanged"] = checks.unchanged(
        {name: inputs[name] for name in judged}, {name: config.named()[name] for name in judged}
    )
    corpus, split = open_corpus(inputs), read_split(inputs["split"])
    _check_split(findings, config, corpus, split, inputs)
    stems = split.of("test")
    measure_files(findings, corpus, stems, inputs, registry.stretch_floors().seconds)
    for stem, figures in findings.figures.items():  # the corpus knows nothing of shared content
        figures["subject"] = split.people.get(stem, figures["subject"])
    figures = summary(findings.figures, stems)
    floors = required_floors(registry, stems)
    details = report(findings.figures, stems, registry)
    measured = findings.measured(lqs_level(details["grade"]))
    criteria = judge(measured, floors, possible)
    rows = findings.rows(floors)
    return Verdict.of(
        criteria,
        reasons=[*findings.reasons(), *worst.missed_by_parts(rows)],
        model=registry.model,
        change=config.change,
        candidate=config.candidate_digest,
        inputs={name: digest for name, digest in digests.items() if name != "candidate"},
        measurements=figures,
        synthetic=checks.made_up(corpus.index, split, inputs["windows"]),
        sealed=sealed_digest(corpus.index, stems),
        tries=config.tries,
        incumbent=_incumbent(config.incumbent_digest, corpus, stems, inputs, figures),
        isolation=config.isolation,
        environment=config.environment.digest if config.environment else None,
        reservations=split.reservations() or None,
        details={
            **details,
            **({"split": dict(split.files)} if split.files else {}),
            "worst": rows[: worst.MAX_ROWS],
            "model_bytes": checks.total_bytes(inputs["candidate"]),
            **({"environment": config.environment.listing} if config.environment else {}),
            **({"anchor": _anchor(inputs["anchor"])} if "anchor" in inputs else {}),
        },
    )


def _check_split(
    findings: GateFindings,
    config: ScoreSettings,
    corpus: Corpus,
    split: JudgedSplit,
    inputs: dict[str, Path],
) -> None:
    if config.split != "test":
        findings.violations["sealed_test_split"].append(
            f"asked to judge on {config.split!r}; only the sealed test split counts"
        )
    if not split.of("test"):
        findings.violations["sealed_test_split"].append("the split has no test recording")
    findings.violations["patients_disjoint"] = checks.disjoint_patients(corpus.index, split)
    findings.violations["test_patients_unseen"] = checks.seen_in_training(
        inputs["candidate"], inputs["windows"], corpus.index, split
    )
    if split.recordings.keys() <= corpus.entries.keys():
        found = checks.shared_content(split, corpus.open)
        findings.violations["no_duplicates_across_splits"] = found


def _incumbent(
    digest: str | None,
    corpus: Corpus,
    stems: list[str],
    inputs: dict[str, Path],
    ours: dict[str, float | None],
) -> Incumbent | None:
    """Measure what the candidate would replace, on the same recordings; no figures if it is lost."""
    if digest is None:
        return None
    if "incumbent" not in inputs:
        nothing: dict[str, float | None] = {name: None for name in HEADLINE}
        return Incumbent(candidate=digest, figures=nothing, worse=worse_than(nothing, ours))
    own = {
        "candidate": inputs["incumbent"],
        "bitstreams": inputs["incumbent_bitstreams"],
        "decoded": inputs["incumbent_decoded"],
    }
    findings = GateFindings()
    measure_files(findings, corpus, stems, own, STRETCH_SECONDS)
    figures = summary(findings.figures, stems)
    return Incumbent(candidate=digest, figures=figures, worse=worse_than(figures, ours))


def _anchor(path: Path) -> dict[str, Any]:
    """Measure the classical codec, to be shown beside the verdict; it decides nothing."""
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

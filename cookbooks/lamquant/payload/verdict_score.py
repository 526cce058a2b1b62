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
from blut_resources.payload_kit.refuse import explained
from blut_resources.payload_kit.session import payload_session
from blut_resources.registry.verdicts import VERDICT_FILE, Change, Incumbent, Isolation, Verdict
from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.gate.findings import GateFindings, measure_files
from cookbooks.lamquant.gate.floors import STRETCH_SECONDS
from cookbooks.lamquant.gate.incumbent import HEADLINE, worse_than
from cookbooks.lamquant.gate.judgement import (
    JUDGED,
    ComputedBy,
    InputMissing,
    Judgement,
    JudgementSettings,
    facts_of,
)
from cookbooks.lamquant.gate.report import summary

Digest = Annotated[str, Bounds(1)]
CODED = ("bitstreams", "decoded")
SHOWN = ("cr", "prd", "prdn", "r", "snr_db", "worst_cr", "worst_prdn", "worst_r")
"""Summary figures that are facts of the artifact."""


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

    def judgement(self) -> JudgementSettings:
        """Returns what the verdict is about, as every gate says it."""
        names = (*JUDGED, *CODED, "incumbent")
        found = {name: getattr(self, f"{name}_digest") for name in names}
        return JudgementSettings(
            digests={name: digest for name, digest in found.items() if digest is not None},
            split=self.split,
            change=self.change,
            tries=self.tries,
            isolation=self.isolation,
            environment=self.environment,
        )


def main() -> None:
    """Score one session's candidate."""
    with payload_session() as session:
        settings = read_config(session, ScoreSettings)
        with explained(StoreError):
            verdict = score(settings, session.inputs)
        write_atomic(session.out / VERDICT_FILE, verdict.to_json())
        session.done(**_facts(verdict))


def score(config: ScoreSettings, inputs: dict[str, Path]) -> Verdict:
    """Returns the verdict on a candidate.

    Raises:
        InputMissing, RegistryInvalid, SplitInvalid, CorpusError, StoreError: if there is nothing to judge
            by. What speaks against the candidate is in the verdict instead.
    """
    digested = [*CODED, *(["incumbent"] if "incumbent" in inputs else [])]
    judgement = Judgement(None, config.judgement(), inputs, digested=digested, needed=["windows"])
    judgement.note_training(inputs["candidate"])
    judgement.measure_coding(inputs["candidate"], inputs["bitstreams"], inputs["decoded"])
    figures = judgement.summary()
    return judgement.verdict(
        figures,
        synthetic=checks.made_up(judgement.corpus.index, judgement.split, inputs["windows"]),
        incumbent=_incumbent(config.incumbent_digest, judgement, inputs, figures),
        details={
            "model_bytes": checks.total_bytes(inputs["candidate"]),
            **({"anchor": _anchor(inputs["anchor"])} if "anchor" in inputs else {}),
        },
    )


def _incumbent(
    digest: str | None,
    judgement: Judgement,
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
    measure_files(findings, judgement.corpus, judgement.stems, own, STRETCH_SECONDS)
    figures = summary(findings.figures, judgement.stems)
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
    rows = verdict.details["worst"]
    return {
        **facts_of(verdict, *SHOWN),
        "grade": verdict.details["grade"],
        "n_recordings": verdict.details["counts"]["measured_recordings"],
        "worst_part": worst.sentence(rows[0]) if rows else "",
    }


if __name__ == "__main__":
    main()

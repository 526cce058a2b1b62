"""Judges a codec that follows a controller: bytes, errors where it matters and elsewhere, what is still seen.

    python -m cookbooks.lamquant.payload.pipeline_score --config FILE

Inputs: ``candidate`` (an adaptive codec), the ``windows`` that its codec was trained on, ``corpus``,
``split``, ``labels`` (all of the artifact), ``bitstreams`` (``<stem>.lqc``), ``states``
(``<stem>.states``), ``decoded`` (``<stem>.npy``), ``registry``. Config: see `PipelineSettings`. Writes
``verdict.json``. A candidate that fails gets a verdict that says so and exit status 0.

The labels are read here and nowhere before: what decided the states, and what coded by them, never saw them.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# by their own names: `from` the package would make its recipes part of the verdict's code version
import cookbooks.lamquant.adaptive.checks as following
import cookbooks.lamquant.gate.checks as checks
from blut_resources.files.durable import StoreError
from blut_resources.payload_kit.config import read_config
from blut_resources.payload_kit.refuse import Refused, explained
from blut_resources.payload_kit.session import payload_session
from blut_resources.registry.verdicts import VERDICT_FILE, Verdict
from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.adaptive.advantage import Constant, ConstantLevel
from cookbooks.lamquant.adaptive.codec import CONTROLLER, FollowingCodec, load_adaptive
from cookbooks.lamquant.adaptive.fidelity import PartSums, labelled_samples, pooled, sums_of
from cookbooks.lamquant.controller.controller import Controller
from cookbooks.lamquant.controller.states import CRITICAL
from cookbooks.lamquant.formats.corpus import StoredRecording
from cookbooks.lamquant.gate import metrics
from cookbooks.lamquant.gate.decided import POINT, STATES, decide
from cookbooks.lamquant.gate.decisions import Judged, counted, decision_figures
from cookbooks.lamquant.gate.energy import loudness
from cookbooks.lamquant.gate.floors import CORPUS
from cookbooks.lamquant.gate.grade import grade_recording
from cookbooks.lamquant.gate.judgement import Judgement, JudgementSettings, facts_of
from cookbooks.lamquant.gate.labelled import seen_labels, trained_patients
from cookbooks.lamquant.labels.kinds import UNLABELLED
from cookbooks.lamquant.labels.store import FIT, SEALED, read_labels
from cookbooks.lamquant.signal.bands import GATED

DIGESTED = ("labels", "bitstreams", "states", "decoded")
FIGURES = (
    *("rate_advantage", "critical_prdn", "critical_r", "elsewhere_prdn", "elsewhere_r"),
    *("detection_loss", "fa_rise_pct", "event_sensitivity", "fa_per_h", "critical_share"),
)
_BLOCK = 1 << 16


@dataclass(frozen=True, kw_only=True)
class PipelineSettings(JudgementSettings):
    """Says what the verdict is about; ``threads`` encode what the candidate is compared with."""

    threads: int = 1


@dataclass(frozen=True)
class Coded:
    """Holds one sealed recording that was decided, coded and decoded."""

    stem: str
    recording: StoredRecording
    labels: NDArray[np.uint8]
    states: NDArray[np.uint8]
    bitstream: Path
    decoded: NDArray[np.integer]
    critical: NDArray[np.bool_]
    sums: tuple[PartSums, PartSums]


def main() -> None:
    """Score one session's candidate."""
    with payload_session() as session:
        settings = read_config(session, PipelineSettings)
        with explained(StoreError):
            verdict = score(settings, session.inputs, told=lambda coded: session.step(coded))
        write_atomic(session.out / VERDICT_FILE, verdict.to_json())
        figures = ("cr", "worst_cr", "worst_prdn", "worst_r", *FIGURES)
        session.done(
            **facts_of(verdict, *figures),
            grade=verdict.details["grade"],
            constant_level=verdict.details["constant"].get("level"),
        )


def score(
    settings: PipelineSettings,
    inputs: dict[str, Path],
    told: Callable[[int], object] = lambda coded: None,
) -> Verdict:
    """Returns the verdict on a candidate.

    Args:
        settings: of the payload.
        inputs: of the payload.
        told: called with how many files were made to compare with.

    Raises:
        Refused: there is nothing to judge by. What speaks against the candidate is in the verdict instead.
    """
    judged = Judgement("pipeline", settings, inputs, digested=DIGESTED, needed=("windows",))
    judged.note_training(inputs["candidate"])
    judged.measure_coding(inputs["candidate"], inputs["bitstreams"], inputs["decoded"])
    codec = load_adaptive(inputs["candidate"])
    whose = {entry["stem"]: entry["subject"] for entry in judged.corpus.index["recordings"]}
    people = whose | dict(judged.split.people)
    judged.note("labels_seen", seen_labels(inputs["candidate"] / CONTROLLER, inputs["labels"], judged.split))
    judged.note("labels_seen", following.other_labels(codec, inputs["labels"]))
    fit = read_labels(inputs["labels"] / FIT)
    judged.note("test_patients_unseen", trained_patients(judged.corpus.index, fit, judged.split))
    coded = _coded(judged, codec, inputs)
    whole = judged.measured[CORPUS]
    constant = None
    if len(coded) == len(judged.stems):  # a part could flatter
        constant = _compared(settings, codec, coded, whole, told)
        _detected(inputs["candidate"] / CONTROLLER, codec, coded, people, whole)
    measurements = {**judged.summary(), **{name: whole.get(name) for name in FIGURES}}
    return judged.verdict(
        measurements,
        synthetic=checks.made_up(judged.corpus.index, judged.split, inputs["windows"]),
        details={
            "constant": {} if constant is None else asdict(constant),
            "levels": list(codec.levels.levels),
            "point": asdict(codec.point),
            "decisions": {name: value for name, value in whole.items() if name not in measurements},
            "states": [_row(one, people, judged) for one in coded],
            "model_bytes": checks.total_bytes(inputs["candidate"]),
        },
    )


def _coded(judged: Judgement, codec: FollowingCodec, inputs: dict[str, Path]) -> list[Coded]:
    """Check the states of every sealed recording; returns those whose files could be measured."""
    labels, found = read_labels(inputs["labels"] / SEALED), list[Coded]()
    for name in ("states_in_bitstream", "causality", "fail_safe"):
        judged.note(name, ())
    written, missing = checks.files_for(inputs["states"], judged.stems, STATES)
    judged.note("states_in_bitstream", missing)
    for stem in judged.stems:
        recording, bitstream = judged.corpus.open(stem), inputs["bitstreams"] / f"{stem}.lqc"
        try:
            states = codec.decide(recording)
        except ValueError as error:  # such as a rate below what a controller can measure
            judged.note("states_in_bitstream", [f"{stem}: {error}"])
            continue
        judged.note("causality", following.not_causal(codec, stem, recording, states))
        judged.note("fail_safe", following.not_fail_safe(codec, stem, recording))
        if stem in written and bitstream.is_file():
            said = np.frombuffer(written[stem].read_bytes(), np.uint8)
            problems = following.states_differ(codec, stem, states, said, bitstream)
            judged.note("states_in_bitstream", problems)
        if stem not in judged.findings.figures:
            continue
        try:
            marks = labels.of(stem)
        except Refused as error:
            judged.note("labels_seen", [str(error)])
            continue
        if len(marks) != len(states):
            judged.note("labels_seen", [f"{stem} has {len(marks)} labels, and {len(states)} states"])
            continue
        frame_ms, n = codec.controller.frame_ms, recording.n_samples
        critical, elsewhere = labelled_samples(marks, n, recording.rate_hz, frame_ms)
        decoded = np.load(inputs["decoded"] / f"{stem}.npy", allow_pickle=False)
        first, second = sums_of(recording.digital, decoded, [critical, elsewhere])
        found.append(Coded(stem, recording, marks, states, bitstream, decoded, critical, (first, second)))
    return found


def _compared(
    settings: PipelineSettings,
    codec: FollowingCodec,
    coded: list[Coded],
    whole: dict[str, Any],
    told: Callable[[int], object],
) -> ConstantLevel | None:
    """Measure errors in critical seconds and elsewhere, and what a constant level would have cost."""
    critical, elsewhere = (pooled(one.sums[n] for one in coded) for n in (0, 1))
    whole |= {
        "critical_prdn": critical.prdn,
        "critical_r": critical.r,
        "elsewhere_prdn": elsewhere.prdn,
        "elsewhere_r": elsewhere.r,
    }
    if critical.prdn is None:
        return None
    others = Constant(
        codec,
        {one.stem: one.recording for one in coded},
        {one.stem: one.critical for one in coded},
        settings.threads,
        told,
    )
    constant = others.find(critical.prdn)
    whole["rate_advantage"] = constant.n_bytes / sum(one.bitstream.stat().st_size for one in coded)
    return constant


def _detected(
    controller: Path, codec: FollowingCodec, coded: list[Coded], people: dict[str, str], whole: dict[str, Any]
) -> None:
    """Measure what the controller sees, in the originals and in what was decoded, at its point for alarms."""
    own = Controller.load(controller, codec.controller.kind)
    plain = Controller.load(controller, "logistic")
    frame_ms, point = own.frame_ms, own.points[POINT]
    before, after = list[Judged](), list[Judged]()
    for one in coded:
        rate_hz, channels = one.recording.rate_hz, len(one.recording.channels)
        seen = decide(own, plain, one.recording.blocks(_BLOCK), rate_hz, channels)
        again = decide(own, plain, [one.decoded], rate_hz, channels)
        energies = loudness(one.recording, frame_ms)
        for decided, kept in ((seen, before), (again, after)):
            kept.append(Judged(one.stem, people[one.stem], decided, one.labels, energies))
    first, then = (decision_figures(every, point, frame_ms) for every in (before, after))
    whole |= {**first, **counted(before, frame_ms)}
    whole["critical_share"] = _share(coded)
    whole["alarm_share"] = first["critical_share"]
    if first["event_sensitivity"] is not None and then["event_sensitivity"] is not None:
        whole["detection_loss"] = first["event_sensitivity"] - then["event_sensitivity"]
    if first["fa_per_h"] is not None and then["fa_per_h"] is not None:
        # of no false alarm a rise has no percentage: the first one counts as 100
        least = max(first["fa_per_h"], 1 / whole["hours"])
        whole["fa_rise_pct"] = 100 * (then["fa_per_h"] - first["fa_per_h"]) / least
    whole |= {f"decoded_{name}": then[name] for name in ("event_sensitivity", "fa_per_h", "auc")}


def _share(coded: list[Coded]) -> float | None:
    """Returns the share of labelled time that was coded as CRITICAL."""
    known = [one.labels != UNLABELLED for one in coded]
    found = sum(int(((one.states == CRITICAL) & k).sum()) for one, k in zip(coded, known, strict=True))
    total = sum(int(k.sum()) for k in known)
    return found / total if total else None


def _row(one: Coded, people: dict[str, str], judged: Judgement) -> dict[str, Any]:
    """Returns what the page shows of a recording: bytes, errors, grade of its critical seconds, states."""
    counts = np.bincount(one.states, minlength=CRITICAL + 1) / max(len(one.states), 1)
    return {
        "patient": people[one.stem],
        "recording": one.stem,
        "bytes": one.bitstream.stat().st_size,
        "cr": judged.findings.figures[one.stem]["cr"],
        "critical_s": float(one.critical.sum() / one.recording.rate_hz),
        "critical_prdn": one.sums[0].prdn,
        "elsewhere_prdn": one.sums[1].prdn,
        "critical_grade": _critical_grade(one, judged),
        "shares": [round(float(share), 4) for share in counts],
    }


def _critical_grade(one: Coded, judged: Judgement) -> str | None:
    """Returns the LQS level of the critical seconds, joined, with the recording's CR; None without any."""
    if one.critical.sum() < 2 * one.recording.rate_hz:
        return None
    scale, offset = one.recording.scale[:, None], one.recording.offset[:, None]
    x, y = (part[:, one.critical] * scale + offset for part in (one.recording.digital, one.decoded))
    found = metrics.measure_parts(x, y, one.recording.rate_hz)[0]
    figures: dict[str, Any] = {"cr": judged.findings.figures[one.stem]["cr"], "r": found.r, "prd": found.prd}
    for band in GATED:
        figures |= {f"{band}_{name}": getattr(found.bands[band], name, None) for name in ("prd", "r")}
    fidelity = judged.registry.fidelity()
    return grade_recording(figures, fidelity.bands if fidelity else ())


if __name__ == "__main__":
    main()

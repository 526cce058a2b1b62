"""Judges a controller by its decisions: states of sealed recordings against what people have marked in them.

    python -m cookbooks.lamquant.payload.snn_score --config FILE

Inputs: ``candidate``, ``corpus``, ``split``, ``labels``, ``decided`` (what `snn_decide` wrote) and
``registry``. Where the candidate would replace another, that one as ``incumbent``, with
``incumbent_decided``. Config: see `SnnScoreSettings`. Writes ``verdict.json``. A candidate that fails gets a
verdict that says so and exit status 0; only unusable input ends the process.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from blut_resources.files.durable import StoreError
from blut_resources.payload_kit.config import read_config
from blut_resources.payload_kit.refuse import Refused, explained
from blut_resources.payload_kit.session import payload_session
from blut_resources.registry.verdicts import VERDICT_FILE, Incumbent, Verdict
from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.controller.controller import Controller
from cookbooks.lamquant.controller.states import Point
from cookbooks.lamquant.gate import checks
from cookbooks.lamquant.gate.decided import (
    BEGIN,
    PASSES,
    PIECES,
    POINT,
    SILENCE,
    STATES,
    WHOLE,
    DecidedRecording,
    read_decided,
)
from cookbooks.lamquant.gate.decisions import Judged, counted, decision_figures, event_rows, said_by_silence
from cookbooks.lamquant.gate.energy import loudness
from cookbooks.lamquant.gate.floors import CORPUS
from cookbooks.lamquant.gate.judgement import Judgement, JudgementSettings, facts_of
from cookbooks.lamquant.gate.labelled import seen_labels, trained_patients
from cookbooks.lamquant.labels.frames import n_frames
from cookbooks.lamquant.labels.store import FIT, SEALED, Labels, read_labels
from cookbooks.lamquant.payload.snn_decide import decide_pass
from cookbooks.lamquant.subjects.names import patient_key

FIGURES = (
    *("event_sensitivity", "sensitivity_low", "sensitivity_high", "fa_per_h", "critical_share"),
    *("median_latency_s", "auc", "logistic_auc", "energy_auc"),
)
HEADLINE = {"auc": 1, "event_sensitivity": 1, "fa_per_h": -1}
"""Figures that are compared with what a candidate would replace, and whether more or less is better."""
MOST_BY_SILENCE = 0.5
"""Share of the variance of scores that may be there without a signal."""
MOST_ROWS = 2000
By = Mapping[str, DecidedRecording]


@dataclass(frozen=True, kw_only=True)
class SnnScoreSettings(JudgementSettings):
    """Says what the verdict is about, and the digest of what the candidate would replace."""

    incumbent_digest: str | None = None


def main() -> None:
    """Score one session's candidate."""
    with payload_session() as session:
        settings = read_config(session, SnnScoreSettings)
        with explained(StoreError):
            verdict = score(settings, session.inputs)
        write_atomic(session.out / VERDICT_FILE, verdict.to_json())
        counts = verdict.details["counts"]
        session.done(**facts_of(verdict, *FIGURES), n_events=counts["critical_events"], hours=counts["hours"])


def score(settings: SnnScoreSettings, inputs: dict[str, Path]) -> Verdict:
    """Returns the verdict on a candidate.

    Raises:
        InputMissing, RegistryInvalid, SplitInvalid, CorpusError, LabelsInvalid, ControllerError, StoreError:
            there is nothing to judge by. What speaks against the candidate is in the verdict instead.
    """
    one = Judgement("snn", settings, inputs, digested=("labels", "decided"))
    labels = read_labels(inputs["labels"] / SEALED)
    fit = read_labels(inputs["labels"] / FIT)
    one.note("labels_seen", seen_labels(inputs["candidate"], inputs["labels"], one.split))
    one.note("test_patients_unseen", trained_patients(one.corpus.index, fit, one.split))
    point = point_of(inputs["candidate"], labels)
    passes = {name: _read(one, labels.frame_ms, inputs["decided"] / name, name) for name in PASSES}
    whole = passes[WHOLE]
    one.note("one_stream_of_states", _not_its_own(one, passes))
    one.note("chunk_invariance", _otherwise(whole, passes[PIECES], "when it comes in other pieces"))
    one.note("causality", _otherwise(passes[BEGIN], whole, "when its second half is not there"))
    judged = _judged(one, whole, labels)
    figures = decision_figures(judged, point, labels.frame_ms)
    one.note("position_only", _position_only(judged, passes[SILENCE]))
    counts = {**counted(judged, labels.frame_ms), **_sizes(one, judged)}
    one.measured[CORPUS] |= {**counts, **figures}
    synthetic = {entry["stem"]: entry["synthetic"] for entry in one.corpus.index["recordings"]}
    return one.verdict(
        figures,
        synthetic=any(synthetic.get(stem, True) for stem in one.split.recordings),
        incumbent=_incumbent(settings.incumbent_digest, one, labels, figures),
        details={
            "counts": counts,
            "point": asdict(point),
            "frame_s": labels.frame_ms / 1000,
            "events": event_rows(judged, point, labels.frame_ms)[:MOST_ROWS],
            "model_bytes": checks.total_bytes(inputs["candidate"]),
        },
    )


def point_of(candidate: Path, labels: Labels) -> Point:
    """Returns the operating point that is judged.

    Raises:
        ControllerError: there is no controller.
        Refused: its frames are not those of the labels.
    """
    controller = Controller.load(candidate)
    if controller.frame_ms != labels.frame_ms:
        raise Refused(
            f"the candidate decides every {controller.frame_ms} ms, the labels {labels.frame_ms} ms: train"
            " it on these labels"
        )
    return controller.points[POINT]


def _read(one: Judgement, frame_ms: int, directory: Path, name: str) -> dict[str, DecidedRecording]:
    """Returns what was decided in one pass, by stem; what is missing or unsound is noted."""
    if not directory.is_dir():
        one.note("one_stream_of_states", [f"{name}: nothing was decided"])
        return {}
    files, problems = checks.files_for(directory, one.stems, STATES)
    found = {}
    for stem in (stem for stem in files if stem in one.corpus.entries):
        entry = one.corpus.entries[stem]
        length = entry["n_samples"] // 2 if name == BEGIN else entry["n_samples"]
        try:
            found[stem] = read_decided(files[stem], n_frames(length, entry["rate_hz"], frame_ms))
        except ValueError as error:
            problems.append(str(error))
    one.note("one_stream_of_states", [f"{name}: {problem}" for problem in problems])
    return found


def _not_its_own(one: Judgement, passes: Mapping[str, By]) -> list[str]:
    """Returns which decisions are not the candidate's own: who knows the labels could write better ones."""
    candidate = one.inputs["candidate"]
    controller, logistic = Controller.load(candidate), Controller.load(candidate, "logistic")
    problems = []
    for name in (WHOLE, SILENCE):
        for stem, said in sorted(passes[name].items()):
            own = decide_pass(controller, logistic, one.corpus.open(stem), name)
            if not (np.array_equal(own.scores, said.scores) and np.array_equal(own.states, said.states)):
                problems.append(f"{name}: what was decided of {stem} is not what the candidate decides")
    return problems


def _otherwise(some: By, others: By, when: str) -> list[str]:
    """Returns which recordings have other decisions in two passes, as far as the first of them goes."""
    problems = []
    for stem, mine in sorted(some.items()):
        n = len(mine.states)
        if stem not in others:
            problems.append(f"{stem} was not decided {when}")
        elif not np.array_equal(mine.scores, others[stem].scores[:n]):
            problems.append(f"{stem} has other scores {when}")
        elif not np.array_equal(mine.states, others[stem].states[:n]):
            problems.append(f"{stem} has other states {when}")
    return problems


def _judged(one: Judgement, whole: By, labels: Labels) -> list[Judged]:
    """Returns the recordings that can be judged; one whose labels have other frames is a violation."""
    found = []
    for stem, decided in sorted(whole.items()):
        if stem not in labels.recordings:
            one.note("labels_seen", [f"{stem} has no labels"])
            continue
        marks, energies = labels.of(stem), loudness(one.corpus.open(stem), labels.frame_ms)
        if len(marks) != len(decided.states):
            one.note("one_stream_of_states", [f"{stem} has {len(marks)} labels, and other states"])
            continue
        patient = one.split.people.get(stem, one.corpus.entries[stem]["subject"])
        found.append(Judged(stem, patient, decided, marks, energies))
    return found


def _position_only(judged: Sequence[Judged], silent: By) -> list[str]:
    """Returns a violation where the scores follow the time in the recording, and hardly the signal."""
    if not judged or any(one.stem not in silent for one in judged):
        return ["it was not decided what silence looks like"]
    found = said_by_silence(judged, silent)
    if found < MOST_BY_SILENCE:
        return []
    return [f"{found:.0%} of what the scores do, they do on silence too"]


def _sizes(one: Judgement, judged: Sequence[Judged]) -> dict[str, int]:
    """Returns how many recordings and patients were judged, and how many samples."""
    entries = [one.corpus.entries[stem.stem] for stem in judged]
    return {
        "recordings": len(judged),
        "patients": len({patient_key(recording.patient) for recording in judged}),
        "samples": sum(entry["n_samples"] * len(entry["channels"]) for entry in entries),
    }


def _incumbent(
    digest: str | None, one: Judgement, labels: Labels, ours: Mapping[str, float | None]
) -> Incumbent | None:
    """Measure what the candidate would replace, on the same recordings; no figures if it is lost."""
    if digest is None:
        return None
    theirs: dict[str, float | None] = {name: None for name in HEADLINE}
    if "incumbent" in one.inputs:
        point = point_of(one.inputs["incumbent"], labels)
        decided = {}
        for stem in one.stems:
            path = one.inputs["incumbent_decided"] / WHOLE / f"{stem}{STATES}"
            decided[stem] = read_decided(path, labels.recordings[stem]["frames"])
        found = decision_figures(_judged(one, decided, labels), point, labels.frame_ms)
        theirs = {name: found[name] for name in HEADLINE}
    worse = [name for name, sign in HEADLINE.items() if _worse(ours[name], theirs[name], sign)]
    return Incumbent(candidate=digest, figures=theirs, worse=worse)


def _worse(ours: float | None, theirs: float | None, sign: int) -> bool:
    """Says whether a figure is worse; one that is not known counts as worse."""
    return ours is None or theirs is None or sign * ours < sign * theirs


if __name__ == "__main__":
    main()

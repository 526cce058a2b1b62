"""Compares the answers of a classifier with the sealed labels, and judges it by the floors.

Writes ``verdict.json``. A classifier that misses a floor gets a verdict that says so, and exit status 0.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blut_resources.files.digest import digest_path
from blut_resources.files.durable import write_atomic
from blut_resources.payload_kit.config import read_config, read_inputs
from blut_resources.payload_kit.session import PayloadSession, payload_session
from blut_resources.registry.verdicts import VERDICT_FILE, Change, Isolation, Verdict, judge

from toybook.floors import FLOORS_FILE, TEST, class_scope, parse_floors


@dataclass(frozen=True)
class Settings:
    """Holds the change that is judged, and how the answers were come by."""

    model: str
    change: Change
    sealed: str
    tries: int
    isolation: Isolation | None


@dataclass(frozen=True)
class Inputs:
    """Names the inputs."""

    candidate: Path
    split: Path
    floors: Path
    answers: Path


def measure(answers: list[Any], labels: list[str], classes: list[str]) -> dict[str, dict[str, float]]:
    """Returns the figures of the whole and of each class, by scope; none if an answer is missing."""
    if len(answers) != len(labels):
        return {}
    right = [answer == label for answer, label in zip(answers, labels, strict=True)]
    found = {TEST: {"accuracy": sum(right) / len(right), "rows": float(len(right))}}
    for one in classes:
        of_it = [hit for hit, label in zip(right, labels, strict=True) if label == one]
        if of_it:
            found[class_scope(one)] = {"recall": sum(of_it) / len(of_it)}
    return found


def verdict_of(session: PayloadSession) -> Verdict:
    """Returns the judgement of the candidate; it names what was read here, by digests taken here."""
    inputs, settings = read_inputs(session, Inputs), read_config(session, Settings)
    split = json.loads((inputs.split / "split.json").read_bytes())
    labels = json.loads((inputs.split / "test_labels.json").read_bytes())
    answers = json.loads((inputs.answers / "answers.json").read_bytes())
    floors = parse_floors((inputs.floors / FLOORS_FILE).read_bytes(), FLOORS_FILE)
    scopes = [class_scope(label) for label in split["classes"]]
    found = measure(answers, labels, split["classes"])
    recalls = [found[scope]["recall"] for scope in scopes if scope in found]
    return Verdict.of(
        judge(found, floors.required(scopes)),
        model=settings.model,
        change=settings.change,
        candidate=digest_path(inputs.candidate),
        inputs={name: digest_path(getattr(inputs, name)) for name in ("split", "floors")},
        measurements={
            "accuracy": found.get(TEST, {}).get("accuracy"),
            "worst_recall": min(recalls) if len(recalls) == len(scopes) else None,
        },
        synthetic=split["synthetic"],
        sealed=settings.sealed,
        tries=settings.tries,
        isolation=settings.isolation,
        details={"n_test": len(labels)},
    )


def main() -> None:
    """Judge the candidate of one session."""
    with payload_session() as session:
        verdict = verdict_of(session)
        write_atomic(session.out / VERDICT_FILE, verdict.to_json())
        session.done(
            candidate=verdict.candidate,
            passed=verdict.passed,
            **verdict.measurements,
            n_test=verdict.details["n_test"],
            n_failed_criteria=sum(not criterion.passed for criterion in verdict.criteria),
        )


if __name__ == "__main__":
    main()

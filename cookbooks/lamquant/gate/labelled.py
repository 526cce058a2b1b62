"""Checks what a controller has learned from: labels of train and validation patients, and no others."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cookbooks.lamquant.controller.controller import DESCRIPTION
from cookbooks.lamquant.gate.split import JudgedSplit
from cookbooks.lamquant.labels.store import FIT, INDEX, SEALED, Labels, LabelsInvalid, read_labels
from cookbooks.lamquant.subjects.names import patient_key


def seen_labels(candidate: Path, labels: Path, split: JudgedSplit) -> list[str]:
    """Returns what speaks for labels of sealed patients in a training.

    Args:
        candidate: the controller, whose description names the labels by their SHA-256.
        labels: the artifact, of which a training gets one directory.
        split: that is in force.
    """
    try:
        trained_on = json.loads((candidate / DESCRIPTION).read_bytes())["labels_sha256"]
        index = (labels / FIT / INDEX).read_bytes()
        fit, sealed = read_labels(labels / FIT), read_labels(labels / SEALED)
    except (OSError, KeyError, TypeError, ValueError, LabelsInvalid) as error:
        return [f"what the candidate was trained on cannot be read: {error!r}"]
    problems = []
    if hashlib.sha256(index).hexdigest() != trained_on:
        problems.append("the candidate was trained on other labels than those given")
    known = {**fit.recordings, **sealed.recordings}
    both = fit.recordings.keys() & sealed.recordings.keys()
    problems += [f"{stem} is labelled twice, once for a training" for stem in sorted(both)]
    for stem, one in sorted(known.items()):
        home = split.recordings.get(stem)
        if home != one["split"] or (home == "test") != (stem in sealed.recordings):
            problems.append(f"{stem} is labelled for {one['split']}, the split has it in {home or 'no side'}")
    problems += [f"{stem} has no labels" for stem in sorted(split.recordings.keys() - known.keys())]
    return problems


def trained_patients(corpus: Mapping[str, Any], fit: Labels, split: JudgedSplit) -> list[str]:
    """Returns sealed patients among those whose labels a training gets."""
    subject_of = {entry["stem"]: entry["subject"] for entry in corpus["recordings"]} | {**split.people}
    sealed = {patient_key(subject) for subject, home in split.subjects.items() if home == "test"}
    problems = ["the labels list no recording"] if not fit.recordings else []
    for stem, one in sorted(fit.recordings.items()):
        if stem not in subject_of:
            problems.append(f"{stem} of {one['patient']} was trained on but is not in the corpus")
        elif split.recordings.get(stem) == "test" or patient_key(subject_of[stem]) in sealed:
            problems.append(f"{stem} of {one['patient']} was trained on and is in the test split")
    return problems

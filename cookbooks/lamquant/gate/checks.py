"""Checks what must hold before the codec gate believes a figure: inputs, split, files.

Each check returns its violations as sentences; none of them is decided by a default. The samples
themselves are looked at where they are measured.
"""

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from blut_resources.files.digest import digest_path
from cookbooks.lamquant.gate.split import JudgedSplit
from cookbooks.lamquant.gate.stream_facts import DIGEST_BYTES, NotSound, stream_facts
from cookbooks.lamquant.signal.duplicates import Signal, find_duplicates
from cookbooks.lamquant.subjects.join import joined
from cookbooks.lamquant.subjects.lookup import listed
from cookbooks.lamquant.subjects.names import patient_key

BITSTREAM_SUFFIX = ".lqc"
DECODED_SUFFIX = ".npy"
WEIGHTS = "model.safetensors"
DESCRIPTION = "model.json"
WINDOWS_INDEX = "windows.json"


def unchanged(
    inputs: Mapping[str, Path], named: Mapping[str, str | None]
) -> tuple[dict[str, str], list[str]]:
    """Returns the digests of the inputs' bytes now, and where one is not the digest it was named by."""
    found = {name: digest_path(path) for name, path in sorted(inputs.items())}
    return found, [
        f"{name} has digest {found[name]}, not {digest}: it was changed or replaced"
        for name, digest in sorted(named.items())
        if digest is not None and found[name] != digest
    ]


def disjoint_patients(corpus: Mapping[str, Any], split: JudgedSplit) -> list[str]:
    """Check that every recording has a split, and that it is the one split of its patient.

    Who a patient is, is worked out again from the evidence in the corpus, and not believed.
    """
    subject_of = {entry["stem"]: entry["subject"] for entry in corpus["recordings"]} | {**split.people}
    problems = [
        f"{stem} is in the split but not in the corpus"
        for stem in sorted((split.recordings.keys() | split.excluded) - subject_of.keys())
    ]
    for stem, subject in sorted(subject_of.items()):
        placed, patient = split.recordings.get(stem), split.subjects.get(subject)
        if stem in split.excluded:
            continue
        if placed is None:
            problems.append(f"{stem} is in the corpus but has no split")
        elif patient != placed:
            problems.append(f"{stem} is in {placed}, its patient {subject} in {patient or 'no split'}")
    first_spelling: dict[str, str] = {}
    for subject, home in sorted(split.subjects.items()):
        other = first_spelling.setdefault(patient_key(subject), subject)
        if split.subjects[other] != home:
            problems.append(f"{other} is in {split.subjects[other]}, {subject}, the same patient, in {home}")
    for unit in joined(corpus["recordings"], stated=split.stated).all():
        homes = {split.recordings[stem]: stem for stem in reversed(unit.stems) if stem in split.recordings}
        if len(homes) > 1:
            places = " and ".join(f"{stem} ({name})" for name, stem in sorted(homes.items()))
            problems.append(f"{places} are of one patient: {listed(unit.evidence, 4)}")
    return problems


def seen_in_training(
    candidate: Path,
    windows: Path,
    corpus: Mapping[str, Any],
    split: JudgedSplit,
    *,
    description: str = DESCRIPTION,
) -> list[str]:
    """Returns test patients the candidate was trained or selected on, by its description's windows.

    The split in force may be newer than the candidate. A training recording that this corpus does not hold
    counts too: nobody compared it with the test recordings.
    """
    index = windows / WINDOWS_INDEX
    try:
        data = index.read_bytes()
        trained_on = json.loads((candidate / description).read_bytes())["windows_sha256"]
        recordings = json.loads(data)["recordings"]
        used = {entry["stem"]: entry["subject"] for entry in recordings}
    except (OSError, KeyError, TypeError, ValueError) as error:
        return [f"what the candidate was trained on cannot be read: {error!r}"]
    if hashlib.sha256(data).hexdigest() != trained_on:
        return [f"the candidate was trained on other windows than those given: {trained_on}"]
    subject_of = {entry["stem"]: entry["subject"] for entry in corpus["recordings"]}
    problems = ["the windows list no recording"] if not used else []
    sealed = {patient_key(subject) for subject, home in split.subjects.items() if home == "test"}
    person_of = subject_of | {**split.people}
    for stem, subject in sorted(used.items()):
        if subject_of.get(stem) != subject:
            problems.append(f"{stem} of {subject} was trained on but is not in the corpus")
        elif split.recordings.get(stem) == "test" or patient_key(person_of[stem]) in sealed:
            problems.append(f"{stem} of {subject} was trained on and is in the test split")
    return problems


def made_up(corpus: Mapping[str, Any], split: JudgedSplit, windows: Path) -> bool:
    """Says whether any recording that is sealed, chosen by or trained on is synthetic;
    so is what nobody knows.
    """
    synthetic = {entry["stem"]: entry["synthetic"] for entry in corpus["recordings"]}
    try:
        trained_on = [
            entry["stem"] for entry in json.loads((windows / WINDOWS_INDEX).read_bytes())["recordings"]
        ]
    except (OSError, KeyError, TypeError, ValueError):
        return True
    return any(synthetic.get(stem, True) for stem in (*split.recordings, *trained_on))


def shared_content(split: JudgedSplit, load: Callable[[str], Signal]) -> list[str]:
    """Find recordings, trials or channels that lie in two splits, in the samples themselves."""
    problems = []
    for finding in find_duplicates(split.recordings, load).findings:
        homes = {split.recordings[stem]: stem for stem in sorted(finding.members, reverse=True)}
        if len(homes) > 1:
            places = " and ".join(f"{stem} ({name})" for name, stem in sorted(homes.items()))
            problems.append(f"{places} share content: {finding.kind}")
    return problems


def files_for(directory: Path, stems: Iterable[str], suffix: str) -> tuple[dict[str, Path], list[str]]:
    """Returns the file of each stem, and what is missing, what is there besides, what is not a plain file.

    Anything besides counts as a violation: it could carry what the measured bytes leave out.
    """
    wanted = {f"{stem}{suffix}": stem for stem in stems}
    found, problems = {}, []
    for entry in sorted(os.scandir(directory), key=lambda item: item.name):
        if entry.name not in wanted:
            problems.append(f"{entry.name} belongs to no recording of the test split")
        elif not stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
            problems.append(f"{entry.name} is not a plain file")
        else:
            found[wanted[entry.name]] = Path(entry.path)
    problems += [f"{name} is missing" for name, stem in sorted(wanted.items()) if stem not in found]
    return found, problems


def model_digest(candidate: Path) -> bytes | None:
    """Returns what the candidate's bitstreams carry to name it: the start of its weights' SHA-256."""
    weights = candidate / WEIGHTS
    return hashlib.sha256(weights.read_bytes()).digest()[:DIGEST_BYTES] if weights.is_file() else None


def not_a_bitstream(path: Path, model: bytes | None, shape: tuple[int, int], rate_hz: float) -> str | None:
    """Says why a file is not what this candidate wrote for a recording of this shape and rate, or None."""
    try:
        facts = stream_facts(path)
    except NotSound as error:
        return f"{path.name} is not a bitstream: {error}"
    if not facts.models <= {model}:
        return f"{path.name} was not written by this candidate"
    if facts.shape != shape or facts.rate_hz != rate_hz:
        return f"{path.name} holds {facts.shape} at {facts.rate_hz} Hz, the original {shape} at {rate_hz} Hz"
    return None


def total_bytes(path: Path) -> int:
    """Returns the bytes of a file, or of all files in a directory."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())

"""Decides which subject is trained on, validated on, or sealed for the gate.

A subject's bucket is a hash of the seed and its name, so a subject stays where it is when others come or
go. Subjects that share content, or are spellings of one name (see ``patient_key``), are one group and go one
way together. Where val or test subjects are named
they, and what is joined to them, are that split and its fraction does not apply; train takes the rest. Where
the buckets leave a split empty, the free group whose bucket lies nearest is moved into it.
"""

import hashlib
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blut_resources.payload_kit.refuse import Refused

if TYPE_CHECKING:  # reading a split needs no signal processing
    from cookbooks.lamquant.signal.duplicates import Duplicates
    from cookbooks.lamquant.signal.findings import SharedContent

from cookbooks.lamquant.formats.index import read_index
from cookbooks.lamquant.subjects.names import patient_key

SCHEMA = "blut.split.v1"
MANIFEST = "split.json"
SPLITS = ("train", "val", "test")
_LISTED = 12


class SplitError(Refused):
    """Says that a split cannot be made or read; names field, recording or subject, and the remedy."""


@dataclass(frozen=True)
class SplitPolicy:
    """Holds the wish: ``named`` subjects for some splits, and shares of the subjects for the others.

    Raises:
        SplitError: fractions that leave nothing to train on, or a subject
            named twice.
    """

    seed: int = 0
    val_fraction: float = 0.15
    test_fraction: float = 0.15
    named: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.val_fraction + self.test_fraction > 1:
            raise SplitError(
                f"val_fraction={self.val_fraction} and test_fraction={self.test_fraction} sum to more "
                "than 1: lower one of them"
            )
        owner: dict[str, tuple[str, str]] = {}
        for split in SPLITS:
            for subject in self.named.get(split, ()):
                first, name = owner.setdefault(patient_key(subject), (split, subject))
                if first != split:
                    spelled = "" if name == subject else f" as {name!r}"
                    raise SplitError(
                        f"subject {subject!r} is in {first}_subjects{spelled} and in {split}_subjects: "
                        "remove it from one"
                    )

    def bucket(self, name: str) -> float:
        """Returns a number in [0, 1) that depends on the seed and the name only."""
        digest = hashlib.sha1(f"{self.seed}:{name}".encode(), usedforsecurity=False).hexdigest()
        return int(digest[:8], 16) / 2**32

    def interval(self, split: str) -> tuple[float, float]:
        """Returns the half-open range of buckets that a split takes; empty where its fraction is 0 or its
        subjects are named, and the range of a named split then falls to train.
        """
        test_end = self.val_fraction + self.test_fraction
        ranges = {"val": (0.0, self.val_fraction), "test": (self.val_fraction, test_end)}
        low, high = ranges.get(split, (test_end, 1.0))
        return (low, low if split in ranges and self.named.get(split) else high)

    def share(self, split: str) -> float:
        """Returns the share of the unnamed subjects that a split is to have."""
        shares = {name: self.interval(name)[1] - self.interval(name)[0] for name in ("val", "test")}
        return shares.get(split, 1.0 - sum(shares.values()))

    def by_bucket(self, name: str) -> str:
        """Returns the split that a bucket falls into."""
        bucket = self.bucket(name)
        taken = (s for s in ("val", "test") if self.interval(s)[0] <= bucket < self.interval(s)[1])
        return next(taken, "train")


def build_split(corpus: Mapping[str, Any], duplicates: "Duplicates", policy: SplitPolicy) -> dict[str, Any]:
    """Returns the manifest, as written to ``split.json``.

    Args:
        corpus: the parsed ``corpus.json``.
        duplicates: what ``find_duplicates`` found in the same corpus.

    Raises:
        SplitError: an unknown named subject, named lists that part duplicated content, or too few
            independent subjects for three splits.
    """
    subject_of = {entry["stem"]: entry["subject"] for entry in corpus["recordings"]}
    if not subject_of:
        raise SplitError("the corpus lists no recordings: encode some first")
    links = _links(duplicates.findings, subject_of)
    groups = _groups(set(subject_of.values()), links)
    assigned, moved = _assign(groups, links, policy)
    subjects = {subject: assigned[key] for key, members in groups.items() for subject in members}
    excluded = {
        stem: f"same samples as {group[0]}, which is kept"
        for group in duplicates.copies
        for stem in group[1:]
    }
    kept = {stem: subjects[subject] for stem, subject in subject_of.items() if stem not in excluded}
    channels = {stem: indices for stem, indices in duplicates.kept_channels.items() if stem in kept}
    return {
        "schema": SCHEMA,
        "subjects": subjects,
        "recordings": kept,
        "excluded": excluded,
        "duplicates": [finding.as_json() for finding in duplicates.findings],
        **({"channels": channels} if channels else {}),
        "meta": {
            "seed": policy.seed,
            "val_fraction": policy.val_fraction,
            "test_fraction": policy.test_fraction,
            **{f"{split}_subjects": list(policy.named.get(split, ())) for split in SPLITS},
            "joined_subjects": [members for _, members in sorted(groups.items()) if len(members) > 1],
            "moved_to_fill_a_split": moved,
        },
    }


_Links = dict[str, dict[str, str]]


def _links(findings: Iterable["SharedContent"], subject_of: Mapping[str, str]) -> _Links:
    """Find subjects that are one patient: ``links[a][b]`` says in words what shows it."""
    links: _Links = defaultdict(dict)
    first_spelling: dict[str, str] = {}
    for b in sorted(set(subject_of.values())):
        a = first_spelling.setdefault(patient_key(b), b)
        if a != b:
            links[a][b] = links[b][a] = f"subjects {a!r} and {b!r} are spellings of one name"
    for finding in findings:
        first = finding.members[0]
        for other in finding.members[1:]:
            a, b = subject_of[first], subject_of[other]
            if a != b:
                how = f"shares content with {{}}: {finding.in_words()}"
                one, two = f"{first} (subject {a})", f"{other} (subject {b})"
                links[a].setdefault(b, f"recording {one} {how.format(two)}")
                links[b].setdefault(a, f"recording {two} {how.format(one)}")
    return links


def _groups(subjects: set[str], links: _Links) -> dict[str, list[str]]:
    """Returns connected subjects, under the first name in each group."""
    groups: dict[str, list[str]] = {}
    seen: set[str] = set()
    for subject in sorted(subjects):
        if subject in seen:
            continue
        members, queue = {subject}, [subject]
        while queue:
            fresh = set(links.get(queue.pop(), ())) - members
            members |= fresh
            queue += fresh
        seen |= members
        groups[subject] = sorted(members)
    return groups


def _assign(
    groups: Mapping[str, list[str]], links: _Links, policy: SplitPolicy
) -> tuple[dict[str, str], dict[str, str]]:
    """Returns group -> split, and those of them that were moved out of their bucket's split."""
    named = _named(groups, links, policy)
    assigned = {key: named.get(key) or policy.by_bucket(key) for key in groups}
    moved: dict[str, str] = {}
    for split in ("test", "val", "train"):
        if split in assigned.values():
            continue
        counts = {name: list(assigned.values()).count(name) for name in SPLITS}
        free = [key for key in groups if key not in named and counts[assigned[key]] > 1]
        no_share = policy.share(split) <= 0
        if not free or no_share:
            raise SplitError(_empty_split(split, groups, no_share))
        low, high = policy.interval(split)
        chosen = min(free, key=lambda key: (_distance(policy.bucket(key), low, high), key))
        assigned[chosen] = moved[chosen] = split
    return assigned, moved


def _distance(bucket: float, low: float, high: float) -> float:
    return max(low - bucket, bucket - high, 0.0)


def _named(groups: Mapping[str, list[str]], links: _Links, policy: SplitPolicy) -> dict[str, str]:
    """Returns groups with a named member, and the split that it was named for."""
    known = sorted(subject for members in groups.values() for subject in members)
    spelled = {patient_key(name): (name, split) for split in SPLITS for name in policy.named.get(split, ())}
    for key in spelled.keys() - {patient_key(subject) for subject in known}:
        subject, split = spelled[key]
        raise SplitError(
            f"{split}_subjects names {subject!r}, which is not in the corpus: it holds {_some(known)}"
        )
    wanted = {s: spelled[patient_key(s)][1] for s in known if patient_key(s) in spelled}
    named: dict[str, str] = {}
    for key, members in groups.items():
        first: str | None = None
        for subject in members:
            if subject not in wanted:
                continue
            if first is not None and wanted[first] != wanted[subject]:
                raise SplitError(_torn_apart(first, subject, wanted, links))
            first, named[key] = first or subject, wanted[subject]
    return named


def _torn_apart(start: str, goal: str, wanted: Mapping[str, str], links: _Links) -> str:
    """Names the recordings along the shortest chain of shared content between two subjects."""
    came_from: dict[str, str] = {start: start}
    queue = deque([start])
    while goal not in came_from:
        subject = queue.popleft()
        for other in sorted(links[subject]):
            if other not in came_from:
                came_from[other] = subject
                queue.append(other)
    steps: list[str] = []
    subject = goal
    while subject != start:
        steps.append(links[came_from[subject]][subject])
        subject = came_from[subject]
    return (
        f"subject {start!r} is named in {wanted[start]}_subjects and {goal!r} in {wanted[goal]}_subjects, "
        f"but {'; '.join(reversed(steps))}. Name both for one split, or remove one of the recordings"
    )


def _empty_split(split: str, groups: Mapping[str, list[str]], no_share: bool) -> str:
    if no_share and len(groups) >= len(SPLITS):
        share = f"{split}_fraction is 0" if split != "train" else "val_fraction and test_fraction sum to 1"
        return f"no subject is left for {split}: {share}; change that or name some in {split}_subjects"
    joined = [" + ".join(members) for members in groups.values() if len(members) > 1]
    because = f" after joining those that share content ({_some(joined)})" if joined else ""
    return (
        f"no subject is left for {split}: train, val and test need an independent subject each, and the "
        f"corpus has {len(groups)}{because}: {_some(sorted(groups))}. Add recordings of other subjects, or "
        "name fewer in train_subjects, val_subjects and test_subjects"
    )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def read_split(split_dir: Path, corpus: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the parsed ``split.json``, after checking it again and against the corpus it is for.

    Raises:
        SplitError: it is missing or of another schema, does not list exactly the recordings of the
            corpus, gives two splits to one subject, or parts duplicated content.
    """
    path = split_dir / MANIFEST
    split = read_index(path, SCHEMA, "a split manifest", "build the split again", SplitError)
    try:
        problem = _problem(split, {entry["stem"]: entry for entry in corpus["recordings"]})
    except (KeyError, TypeError, AttributeError) as error:
        problem = f"field missing or of the wrong type: {error}"
    if problem:
        raise SplitError(f"{path}: {problem}; build the split again from this corpus")
    return split


def patients_of(subjects: Iterable[str]) -> dict[str, list[str]]:
    """Returns the spellings of each patient's name, sorted, by what they share."""
    patients: dict[str, list[str]] = defaultdict(list)
    for subject in sorted(subjects):
        patients[patient_key(subject)].append(subject)
    return dict(patients)


def _problem(split: Mapping[str, Any], entries: Mapping[str, Any]) -> str | None:
    recordings, excluded = split["recordings"], split["excluded"]
    for stem in sorted(set(entries) ^ (set(recordings) | set(excluded))):
        return f"recording {stem!r} is in only one of split and corpus"
    for stem, name in sorted(recordings.items()):
        if stem in excluded:
            return f"recording {stem!r} is assigned and excluded"
        subject = entries[stem]["subject"]
        if name not in SPLITS or split["subjects"].get(subject) != name:
            return f"recording {stem!r} is in {name!r}, its subject {subject!r} is not"
    for spellings in patients_of(split["subjects"]).values():
        if len({split["subjects"][subject] for subject in spellings}) > 1:
            return f"one patient is in two splits: {spellings}"
    for stem, kept in sorted(split.get("channels", {}).items()):
        if not kept or not set(kept) <= set(range(len(entries[stem]["channels"]))):
            return f"channels of {stem!r} are {kept}, it has {len(entries[stem]['channels'])}"
    for finding in split["duplicates"]:
        homes = {recordings[stem]: stem for stem in finding["members"] if stem in recordings}
        if len(homes) > 1:
            return f"duplicated content in two splits: {sorted(homes.values())}"
    return None


def stems_in(split: Mapping[str, Any], name: str) -> list[str]:
    """Returns the recordings of one split, sorted."""
    return sorted(stem for stem, home in split["recordings"].items() if home == name)

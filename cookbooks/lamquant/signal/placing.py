"""Puts each unit of splitting on a side: by the bucket of its name, by lists, or as a manifest says."""

import hashlib
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Literal

from blut_resources.payload_kit.refuse import Refused
from cookbooks.lamquant.subjects.join import Patient, People
from cookbooks.lamquant.subjects.lookup import NamedPatients, listed
from cookbooks.lamquant.subjects.names import patient_key
from cookbooks.lamquant.subjects.sides import SPLITS

VAL_FRACTION = TEST_FRACTION = 0.1


class SplitError(Refused, ValueError):
    """Says that a split cannot be made or read; names field, recording or subject, and the remedy."""


@dataclass(frozen=True)
class SplitPolicy:
    """Holds the wish: ``named`` subjects for some splits, and shares of the subjects for the others.

    A fraction that is None was not given. ``unlisted`` and ``test_from`` are of a manifest.

    Raises:
        SplitError: fractions that leave nothing to train on, or a subject
            named twice.
    """

    seed: int = 0
    val_fraction: float | None = None
    test_fraction: float | None = None
    named: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unlisted: Literal["refuse", "leave_out"] = "refuse"
    test_from: Literal["manifest", "val"] = "manifest"

    def __post_init__(self) -> None:
        if self.val_share + self.test_share > 1:
            raise SplitError(
                f"val_fraction={self.val_share} and test_fraction={self.test_share} sum to more "
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

    @property
    def val_share(self) -> float:
        """Returns the share of the subjects that validation is to have."""
        return VAL_FRACTION if self.val_fraction is None else self.val_fraction

    @property
    def test_share(self) -> float:
        """Returns the share of the subjects that are to be sealed."""
        return TEST_FRACTION if self.test_fraction is None else self.test_fraction

    def bucket(self, key: str) -> float:
        """Returns a number in [0, 1) that depends on the seed and the key only."""
        digest = hashlib.sha1(f"{self.seed}:{key}".encode(), usedforsecurity=False).hexdigest()
        return int(digest[:8], 16) / 2**32

    def interval(self, split: str) -> tuple[float, float]:
        """Returns the half-open range of buckets that a split takes; empty where its fraction is 0 or its
        subjects are named, and the range of a named split then falls to train.
        """
        test_end = self.val_share + self.test_share
        ranges = {"val": (0.0, self.val_share), "test": (self.val_share, test_end)}
        low, high = ranges.get(split, (test_end, 1.0))
        return (low, low if split in ranges and self.named.get(split) else high)

    def share(self, split: str) -> float:
        """Returns the share of the unnamed subjects that a split is to have."""
        shares = {name: self.interval(name)[1] - self.interval(name)[0] for name in ("val", "test")}
        return shares.get(split, 1.0 - sum(shares.values()))

    def by_bucket(self, key: str) -> str:
        """Returns the split that a bucket falls into."""
        bucket = self.bucket(key)
        taken = (s for s in ("val", "test") if self.interval(s)[0] <= bucket < self.interval(s)[1])
        return next(taken, "train")


def drawn(
    people: People, policy: SplitPolicy, critical: Set[str] | None = None
) -> tuple[dict[str, str], dict[str, str]]:
    """Returns the side of each unit, by name, and those that were moved out of their bucket's side.

    Args:
        critical: units that are to be shared out by themselves; None where that was not asked for.

    Raises:
        SplitError: an unknown named subject, lists that part one unit, too few units for three sides, or too
            few of those that are shared out.
    """
    named = wanted(people, policy)
    units = people.all()
    placed = {unit.name: named.get(unit.name) or policy.by_bucket(unit.key) for unit in units}
    moved = {} if critical is None else share_out(units, placed, named, policy, critical)
    return placed, moved | fill(units, placed, {**named, **moved}, policy)


def share_out(
    units: Sequence[Patient],
    placed: dict[str, str],
    fixed: Mapping[str, str],
    policy: SplitPolicy,
    critical: Set[str],
) -> dict[str, str]:
    """Move units until each side has its share of the critical ones, and one at least.

    Whole units are moved, the nearest buckets first; the others stay where their buckets are. A side whose
    subjects were named is left as it is.

    Raises:
        SplitError: there are too few of them.
    """
    chosen = [unit for unit in units if unit.name in critical]
    least = {split: max(1, round(policy.share(split) * len(chosen))) for split in ("test", "val")}
    least["train"] = 1
    moved: dict[str, str] = {}
    for split in (one for one in least if not policy.named.get(one)):
        while (counts := _counts(chosen, placed))[split] < least[split]:
            free = [one for one in chosen if one.name not in fixed and one.name not in moved]
            spare = [one for one in free if counts[placed[one.name]] > least[placed[one.name]]]
            if not counts[split]:
                spare = spare or [one for one in free if counts[placed[one.name]] > 1]
            if not spare and counts[split]:
                break
            if not spare:
                raise SplitError(
                    f"stratify: no patient with annotated seizures is left for {split}:"
                    f" {len(chosen)} of the corpus have some, and train, val and test need one each;"
                    " annotate recordings of more, or name fewer in train_subjects, val_subjects and"
                    " test_subjects"
                )
            low, high = policy.interval(split)
            nearest = min(spare, key=lambda one: (_distance(policy.bucket(one.key), low, high), one.name))
            placed[nearest.name] = moved[nearest.name] = split
    return moved


def _counts(units: Sequence[Patient], placed: Mapping[str, str]) -> dict[str, int]:
    homes = [placed[unit.name] for unit in units]
    return {split: homes.count(split) for split in SPLITS}


def fill(
    units: Sequence[Patient],
    placed: dict[str, str],
    fixed: Mapping[str, str],
    policy: SplitPolicy,
    sides: Sequence[str] = ("test", "val", "train"),
) -> dict[str, str]:
    """Move, into each side that is empty, the free unit whose bucket lies nearest.

    Raises:
        SplitError: there is none, or the side is to have no share.
    """
    moved: dict[str, str] = {}
    for split in sides:
        if split in placed.values():
            continue
        counts = {name: list(placed.values()).count(name) for name in SPLITS}
        free = [u for u in units if u.name in placed and u.name not in fixed and counts[placed[u.name]] > 1]
        no_share = policy.share(split) <= 0
        if not free or no_share:
            raise SplitError(empty_side(split, units, no_share))
        low, high = policy.interval(split)
        chosen = min(free, key=lambda unit: (_distance(policy.bucket(unit.key), low, high), unit.name))
        placed[chosen.name] = moved[chosen.name] = split
    return moved


def _distance(bucket: float, low: float, high: float) -> float:
    return max(low - bucket, bucket - high, 0.0)


def wanted(people: People, policy: SplitPolicy) -> dict[str, str]:
    """Returns the units that lists name, and the side.

    Raises:
        SplitError: a subject is unknown, or two that are one unit are named for two sides.
    """
    persons = NamedPatients(people)
    found: dict[str, tuple[str, str]] = {}
    for split in SPLITS:
        for subject in policy.named.get(split, ()):
            try:
                unit = persons.named(subject)
            except KeyError as error:
                raise SplitError(f"{split}_subjects names {error.args[0]}") from None
            other, first = found.setdefault(unit, (split, subject))
            if other != split:
                raise SplitError(
                    f"{torn(people, unit, (first, subject))}; {first!r} is named in {other}_subjects and"
                    f" {subject!r} in {split}_subjects. Name both for one split, or remove one of the"
                    " recordings; where they are two people, subjects: FILE says so"
                )
    return {unit: split for unit, (split, _) in found.items()}


def torn(people: People, unit: str, names: tuple[str, str]) -> str:
    """Returns in words what makes one unit of two names that somebody gave."""
    stems = next(one.stems for one in people.all() if one.name == unit)
    places = [_stems_of(people, stems, name) for name in names]
    start = next((stem for stem in places[0] if stem not in places[1]), stems[0])
    steps = people.chain(start, set(places[1]) - {start} or set(stems) - {start})
    return f"{names[0]!r} and {names[1]!r} are one patient: {'; '.join(steps) or f'both are {unit}'}"


def _stems_of(people: People, stems: Sequence[str], name: str) -> list[str]:
    key = patient_key(name)
    tied = [t.stems for t in people.ties if key in (patient_key(t.name), patient_key(t.alias or t.name))]
    inside = {stem for group in tied for stem in group}
    return [stem for stem in stems if stem in inside or patient_key(stem) == key]


def empty_side(split: str, units: Sequence[Patient], no_share: bool = False) -> str:
    """Returns why nobody is left for a side, and what to do."""
    if no_share and len(units) >= len(SPLITS):
        share = f"{split}_fraction is 0" if split != "train" else "val_fraction and test_fraction sum to 1"
        return f"no subject is left for {split}: {share}; change that or name some in {split}_subjects"
    ties = [f"{unit.name}: {listed(list(unit.evidence), 4)}" for unit in units if len(unit.stems) > 1]
    joined = f" Joined are {'; '.join(ties[:5])}." if ties else ""
    return (
        f"no subject is left for {split}: train, val and test need an independent subject each, and the "
        f"corpus has {len(units)}: {listed([unit.name for unit in units])}.{joined} Add recordings of other "
        "subjects, state who is who in a file (subjects: FILE), or name fewer in train_subjects, "
        "val_subjects and test_subjects"
    )

"""Puts each unit of splitting on the side that a manifest gives it, and refuses what it leaves open."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cookbooks.lamquant.signal.placing import SplitError, SplitPolicy, fill, torn, wanted
from cookbooks.lamquant.subjects.join import People
from cookbooks.lamquant.subjects.lookup import NamedPatients, NamedRecordings, listed
from cookbooks.lamquant.subjects.sides import SPLITS, Sides


@dataclass(frozen=True)
class Listed:
    """Holds what a manifest decides: the side of each unit, and the recordings that it leaves out."""

    placed: dict[str, str]
    left_out: list[str]


def refuse_beside(policy: SplitPolicy, *, manifest: bool) -> None:
    """Refuse what says something else than a manifest, or says something about one that is not there.

    Raises:
        SplitError: with the field and the remedy.
    """
    if not manifest:
        if policy.unlisted != "refuse" or policy.test_from != "manifest":
            field = "unlisted" if policy.unlisted != "refuse" else "test_from"
            raise SplitError(f"{field} is about a manifest: give manifest: FILE, or leave it out")
        return
    given = [f"{split}_subjects" for split in ("train", "val") if policy.named.get(split)]
    given += ["test_fraction"] if policy.test_fraction is not None else []
    if policy.val_fraction is not None and policy.test_from != "val":
        given.append("val_fraction")
    if given:
        raise SplitError(
            f"{' and '.join(given)} beside manifest: the manifest says who is where; leave it out"
        )


def listed_sides(
    entries: Sequence[Mapping[str, Any]], people: People, sides: Sides, policy: SplitPolicy
) -> Listed:
    """Returns where a manifest puts everybody.

    Raises:
        SplitError: it names somebody unknown, parts a patient, leaves a recording without a side where that
            is not allowed, or leaves a side empty.
    """
    refuse_beside(policy, manifest=True)
    by_stem = _by_stem(entries, people, sides)
    _refuse_unsealed({side for side, _ in by_stem.values()}, policy)
    for unit in wanted(people, policy):
        by_stem |= {stem: ("test", unit) for stem, one in people.units.items() if one.name == unit}
    placed = _whole(people, by_stem)
    left_out = sorted(stem for stem in people.units if stem not in by_stem)
    if left_out and policy.unlisted == "refuse":
        raise SplitError(
            f"manifest: {len(left_out)} of {len(people.units)} recordings have no side: {listed(left_out)}."
            " Add them, or say unlisted: leave_out"
        )
    if policy.test_from == "val":
        _seal_val(people, placed, policy)
    empty = [split for split in SPLITS if split not in placed.values()]
    if empty:
        counts = ", ".join(f"{list(placed.values()).count(split)} {split}" for split in SPLITS)
        raise SplitError(
            f"manifest: nobody is in {' and '.join(empty)} (subjects: {counts}): list some there"
        )
    return Listed(placed, left_out)


def _by_stem(
    entries: Sequence[Mapping[str, Any]], people: People, sides: Sides
) -> dict[str, tuple[str, str]]:
    """Returns the side of each recording that is listed, and by which name."""
    recordings, persons = NamedRecordings(entries), NamedPatients(people)
    of_unit: dict[str, list[str]] = defaultdict(list)
    for stem, unit in people.units.items():
        of_unit[unit.name].append(stem)
    found: dict[str, tuple[str, str]] = {}
    unknown: list[str] = []
    for kind, chosen in sides.as_json().items():
        for name, side in chosen.items():
            try:
                stems = _meant(name, kind, recordings, persons, of_unit)
            except KeyError as error:
                unknown.append(str(error.args[0]))
                continue
            for stem in sorted(stems):
                other, first = found.setdefault(stem, (side, name))
                if other != side:
                    raise SplitError(
                        f"manifest: {first!r} is in {other}, {name!r} in {side}; "
                        f"{torn(people, people.units[stem].name, (first, name))}. Put both on one side; where"
                        " they are two people, subjects: FILE says so"
                    )
    if unknown:
        raise SplitError(
            f"manifest: {len(unknown)} names are unknown: {listed(unknown, 5)}. Correct or remove them"
        )
    return found


def _meant(
    name: str,
    kind: str,
    recordings: NamedRecordings,
    persons: NamedPatients,
    of_unit: Mapping[str, Sequence[str]],
) -> set[str]:
    if kind != "recordings":
        try:
            return set(of_unit[persons.named(name)])
        except KeyError:
            if kind == "subjects":
                raise
    return recordings.named(name)[0]


def _whole(people: People, by_stem: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    """Returns the side of each unit; what the manifest says of some of its recordings must agree."""
    placed: dict[str, tuple[str, str]] = {}
    for stem, (side, _) in sorted(by_stem.items()):
        unit = people.units[stem].name
        other, first = placed.setdefault(unit, (side, stem))
        if other != side:
            raise SplitError(
                f"manifest: {first} is in {other}, {stem} in {side}, and they are of one patient:"
                f" {'; '.join(people.chain(first, [stem]))}. Put both on one side; where they are two people,"
                " subjects: FILE says so"
            )
    return {unit: side for unit, (side, _) in placed.items()}


def _refuse_unsealed(found: set[str], policy: SplitPolicy) -> None:
    """Refuse a manifest without a test side, unless the user said what is to be sealed."""
    named = policy.named.get("test", ())
    if "test" in found and (named or policy.test_from == "val"):
        field = "test_subjects" if named else "test_from: val"
        raise SplitError(f"{field} beside a manifest that has a test side: leave it out")
    if named and policy.test_from == "val":
        raise SplitError("test_subjects beside test_from: val: give one of them")
    if "test" not in found and not named and policy.test_from != "val":
        raise SplitError(
            "manifest: it has no test side, and a side that was chosen by is not sealed unless you say so:"
            " test_from: val seals all of val and draws validation from train anew; test_subjects names those"
            " to seal"
        )


def _seal_val(people: People, placed: dict[str, str], policy: SplitPolicy) -> None:
    """Seal all that is in val, and draw validation from train by whole patients."""
    sealed = {unit: "test" for unit, side in placed.items() if side == "val"}
    if not sealed:
        raise SplitError("test_from: val, but nobody is in val: list some there")
    placed.update(sealed)
    units = [unit for unit in people.all() if placed.get(unit.name) == "train"]
    for unit in units:
        placed[unit.name] = "val" if policy.bucket(unit.key) < policy.val_share else "train"
    fill(units, placed, sealed, policy, ("val", "train"))

"""Decides which subject is trained on, validated on, or sealed for the gate.

The unit is all recordings that anything shows to be of one person (``subjects/``), and those that share
content with them. A unit's bucket is a hash of the seed and its name, so a unit stays where it is when others
come or go. Where val or test subjects are named they, and what is joined to them, are that side and its
fraction does not apply; train takes the rest. Where the buckets leave a side empty, the free unit whose
bucket lies nearest is moved into it. A manifest puts everybody where it says instead.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # reading a split needs no signal processing
    from cookbooks.lamquant.signal.duplicates import Duplicates
    from cookbooks.lamquant.signal.findings import SharedContent

from cookbooks.lamquant.formats.index import read_index
from cookbooks.lamquant.signal.listing import Listed, listed_sides, refuse_beside
from cookbooks.lamquant.signal.placing import SplitError, SplitPolicy, drawn
from cookbooks.lamquant.signal.request import Requested
from cookbooks.lamquant.subjects.join import CONTENT, People, joined
from cookbooks.lamquant.subjects.sides import SPLITS
from cookbooks.lamquant.subjects.stated import stated_of
from cookbooks.lamquant.subjects.ties import Tie

SCHEMA = "blut.split.v1"
MANIFEST = "split.json"


def build_split(
    corpus: Mapping[str, Any],
    duplicates: "Duplicates",
    policy: SplitPolicy,
    request: Requested | None = None,
) -> dict[str, Any]:
    """Returns the manifest, as written to ``split.json``.

    Args:
        corpus: the parsed ``corpus.json``.
        duplicates: what ``find_duplicates`` found in the same corpus.
        request: what the user's files say.

    Raises:
        SplitError: an unknown named subject, lists or a manifest that part one patient, or too few
            independent subjects for three sides.
        SubjectsInvalid, Contradiction: the stated subjects do not fit the corpus.
    """
    entries, request = corpus["recordings"], request or Requested()
    if not entries:
        raise SplitError("the corpus lists no recordings: encode some first")
    stated = stated_of(entries, request.subjects)
    people = joined(
        entries, [_tie(finding) for finding in duplicates.findings if len(finding.members) > 1], stated
    )
    plan, moved = _plan(entries, people, policy, request)
    excluded = {
        stem: f"same samples as {group[0]}, which is kept"
        for group in duplicates.copies
        for stem in group[1:]
    }
    excluded |= {stem: "not in the manifest" for stem in plan.left_out}
    kept = {stem: plan.placed[u.name] for stem, u in sorted(people.units.items()) if stem not in excluded}
    channels = {stem: indices for stem, indices in duplicates.kept_channels.items() if stem in kept}
    return {
        "schema": SCHEMA,
        "subjects": plan.placed,
        "people": {stem: unit.name for stem, unit in people.units.items()},
        "evidence": _evidence(people),
        "recordings": kept,
        "excluded": excluded,
        "duplicates": [finding.as_json() for finding in duplicates.findings],
        **({"channels": channels} if channels else {}),
        **({"stated": stated} if stated else {}),
        "meta": {
            "seed": policy.seed,
            "val_fraction": policy.val_share,
            "test_fraction": policy.test_share,
            **{f"{split}_subjects": list(policy.named.get(split, ())) for split in SPLITS},
            "moved_to_fill_a_split": moved,
            "no_evidence": list(people.ignored),
            "by_names_only": sorted(
                {u.name for stem, u in people.units.items() if u.names_only and stem in kept}
            ),
            **_files(request, policy),
        },
    }


def _plan(
    entries: list[dict[str, Any]], people: People, policy: SplitPolicy, request: Requested
) -> tuple[Listed, dict[str, str]]:
    if request.sides:
        return listed_sides(entries, people, request.sides, policy), {}
    refuse_beside(policy, manifest=False)
    files = set(request.critical or ())
    critical = {
        people.units[one["stem"]].name for one in entries if one.get("recording", one["stem"]) in files
    }
    placed, moved = drawn(people, policy, None if request.critical is None else critical)
    return Listed(placed, []), moved


def _evidence(people: People) -> dict[str, Any]:
    return {
        unit.name: {
            "from": unit.source,
            "evidence": list(unit.evidence),
            "files": len(unit.stems),
            "names_only": unit.names_only,
        }
        for unit in people.all()
    }


def _files(request: Requested, policy: SplitPolicy) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if request.sides:
        found["manifest"] = {
            "digest": request.manifest_digest,
            "test_from": policy.test_from,
            "unlisted": policy.unlisted,
            "test_subjects": list(policy.named.get("test", ())),
            **request.sides.as_json(),
        }
    if request.subjects:
        found["subjects_file"] = {"digest": request.subjects_digest, "names": len(request.subjects)}
    return found


def _tie(finding: "SharedContent") -> Tie:
    return Tie(tuple(finding.members), CONTENT, "", -1, f"content: {finding.in_words()}")


def read_split(split_dir: Path, corpus: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the parsed ``split.json``, after checking it again and against the corpus it is for.

    Raises:
        SplitError: it is missing or of another schema, does not list exactly the recordings of the
            corpus, gives two sides to one subject, or parts duplicated content.
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


def _problem(split: Mapping[str, Any], entries: Mapping[str, Any]) -> str | None:
    recordings, excluded = split["recordings"], split["excluded"]
    for stem in sorted(set(entries) ^ (set(recordings) | set(excluded))):
        return f"recording {stem!r} is in only one of split and corpus"
    people = split.get("people") or {stem: entry["subject"] for stem, entry in entries.items()}
    for stem, name in sorted(recordings.items()):
        if stem in excluded:
            return f"recording {stem!r} is assigned and excluded"
        if name not in SPLITS or split["subjects"].get(people[stem]) != name:
            return f"recording {stem!r} is in {name!r}, its subject {people[stem]!r} is not"
    for unit in joined(list(entries.values()), stated=split.get("stated")).all():
        homes = {recordings[stem]: stem for stem in unit.stems if stem in recordings}
        if len(homes) > 1:
            return f"one patient is in two splits: {sorted(homes.values())}"
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

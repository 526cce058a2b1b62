"""Makes the content of ``annotations.json``: class, onset, duration and source of each event."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from blut_resources.payload_kit.refuse import Refused
from cookbooks.lamquant.annotations.outcome import Labelling
from cookbooks.lamquant.formats.index import read_index

SCHEMA = "blut.annotations.v1"
FILE = "annotations.json"
MOST_TEXTS = 10_000
"""Different texts that are written where the identity is kept."""


class AnnotationsInvalid(Refused):
    """Says that ``annotations.json`` cannot be read."""


def read_annotations(directory: Path) -> dict[str, Any]:
    """Returns the parsed ``annotations.json``.

    Raises:
        AnnotationsInvalid: it is missing, not JSON, or of another schema.
    """
    remedy = "read the annotations again"
    return read_index(directory / FILE, SCHEMA, "what annotations were kept as", remedy, AnnotationsInvalid)


def annotations(
    outcomes: Mapping[str, Labelling],
    entries: list[dict[str, Any]],
    *,
    keep_texts: bool,
    vocabulary: str = "",
) -> dict[str, Any]:
    """Returns what is written of a corpus.

    Args:
        outcomes: what is known of each entry, by its stem; entries of one file share theirs.
        entries: of the corpus.
        keep_texts: whether the texts are written too; a person may be named in them.
        vocabulary: digest of what the texts were understood by.
    """
    durations = {entry["stem"]: float(entry["duration_s"]) for entry in entries}
    recordings = {stem: _entry(one, stem, durations[stem]) for stem, one in outcomes.items()}
    content = {
        "schema": SCHEMA,
        "identity": "kept" if keep_texts else "stripped",
        "vocabulary": vocabulary,
        "recordings": recordings,
        "tell_seizures": sorted(stem for stem, one in outcomes.items() if one.tells_seizures),
        "counts": _counts(recordings, list(outcomes.values())),
    }
    if keep_texts:
        content["texts"] = _texts(list(outcomes.values()))
    return content


def _entry(outcome: Labelling, stem: str, duration_s: float) -> dict[str, Any]:
    entry: dict[str, Any] = {"state": outcome.state, "sources": outcome.sources, "duration_s": duration_s}
    if outcome.state == "annotated":
        entry["events"] = [list(event) for event in outcome.events[stem]]
        entry["n_dropped"] = outcome.dropped
    if outcome.state == "refused":
        entry |= {"problem": outcome.problem, "remedy": outcome.remedy}
    if outcome.claims:
        entry["claims"] = outcome.claims
    return entry


def _counts(recordings: Mapping[str, dict[str, Any]], outcomes: list[Labelling]) -> dict[str, Any]:
    states = Counter(entry["state"] for entry in recordings.values())
    annotated = [entry for entry in recordings.values() if entry["state"] == "annotated"]
    events = [event for entry in annotated for event in entry["events"]]
    distinct = list({id(one): one for one in outcomes}.values())
    return {
        **{f"n_{state}": states[state] for state in ("annotated", "unannotated", "refused")},
        "n_events": len(events),
        "n_dropped": sum(one.dropped for one in distinct),
        "n_unknown_texts": len({text for one in distinct for _, label, text in one.texts if not label}),
        "classes": dict(sorted(Counter(event[0] for event in events).items())),
        "sources": dict(sorted(Counter(name for one in annotated for name in one["sources"]).items())),
        "events_by_source": dict(sorted(Counter(event[3] for event in events).items())),
        "hours": round(sum(entry["duration_s"] for entry in annotated) / 3600, 6),
    }


def _texts(outcomes: list[Labelling]) -> list[dict[str, Any]]:
    found: Counter[tuple[str, str, str]] = Counter()
    for one in {id(one): one for one in outcomes}.values():
        found.update(one.texts)
    names = ("source", "class", "text")
    return [{**dict(zip(names, key, strict=True)), "n": n} for key, n in found.most_common(MOST_TEXTS)]

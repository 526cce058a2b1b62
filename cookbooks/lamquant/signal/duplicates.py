"""Finds content that appears twice: whole recordings, shared trials, channels that copy one another.

Equality is of integers up to a constant offset, polarity and an integer gain of a whole channel, over at
least a second at any position. Landmarks propose, the samples decide: every reported run was compared
sample by sample.

Cost: one pass over the corpus, O(samples), then O(L log L) for L landmarks (about one in a hundred samples
at 256 Hz) and a second read of only those stretches that share content. Memory: a few blocks and a part
of the landmarks, whatever the number and length of the recordings; the landmarks lie in temporary files.
"""

import hashlib
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.signal.findings import CopiedChannel, SharedContent, between, copied_channels, within
from cookbooks.lamquant.signal.landmarks import LANDMARK, Sketcher, guaranteed_run
from cookbooks.lamquant.signal.matching import EqualStretch, Side, candidates, verified
from cookbooks.lamquant.signal.reading import Samples, Signal, Window, blocks
from cookbooks.lamquant.signal.spool import Spool
from cookbooks.lamquant.signal.winnow import WINDOW

_PAIR = np.dtype(
    [
        *(("key", "<u8"), ("first", "<u4"), ("second", "<u4"), ("channel", "<u2"), ("position", "<i8")),
        *(("other", "<u2"), ("other_position", "<i8")),
    ]
)
_LINE = 64
"""Candidates kept of one lag of two channels in each part of the landmarks: a long copy has far more."""

Open = Callable[[str], Signal]


@dataclass(frozen=True)
class Duplicates:
    """Holds what ``find_duplicates`` found.

    ``copies`` are groups of stems with the same samples in every channel, whatever the channels' order.
    ``kept_channels`` lists, for recordings with lag-copied channels only, the channel indices to keep.
    """

    findings: tuple[SharedContent, ...]
    copies: tuple[tuple[str, ...], ...]
    kept_channels: dict[str, list[int]]


def find_duplicates(stems: Iterable[str], load: Open, scratch: Path | None = None) -> Duplicates:
    """Find duplicated content among and within recordings.

    Args:
        stems: names of the recordings; the result does not depend on their order.
        load: opens one; called once for each, and again for those that share content with another.
        scratch: directory for temporary files, the system's by default; nothing is left in it.
    """
    with tempfile.TemporaryDirectory(dir=scratch) as directory:
        sketches = _Sketches(Path(directory))
        for stem in sorted(stems):
            sketches.add(stem, load(stem))
        findings, copied = _matched(sketches, load, Path(directory))
    findings += [SharedContent("recording", group, {"exact": True}) for group in sketches.copies]
    findings.sort(key=lambda finding: (finding.kind, finding.members, str(finding.detail)))
    kept = {
        stem: [index for index in range(len(sketches.steps[stem])) if index not in copies]
        for stem, copies in copied.items()
    }
    return Duplicates(tuple(findings), sketches.copies, kept)


class _Sketches:
    """Collects the landmarks of all recordings, and which of them have equal content."""

    def __init__(self, directory: Path) -> None:
        self._spool = Spool(directory, "landmarks", LANDMARK, "hash")
        self._by_content: dict[str, list[str]] = defaultdict(list)
        self.owners: list[str | None] = []
        """The recording of each ``owner`` of a landmark; none where its landmarks are not wanted."""
        self.steps: dict[str, list[int]] = {}

    @property
    def copies(self) -> tuple[tuple[str, ...], ...]:
        """Returns groups of recordings with the same samples."""
        return tuple(tuple(group) for key, group in self._by_content.items() if key and len(group) > 1)

    def add(self, stem: str, signal: Signal) -> None:
        """Sketch a recording in one pass, in two where a late sample shows that the step is smaller."""
        content = _Content(len(signal.channels))
        sketcher = self._pass(stem, signal, Sketcher(len(signal.channels), signal.rate_hz), content)
        if sketcher.stale:
            self.owners[-1] = None
            again = Sketcher(len(signal.channels), signal.rate_hz, sketcher.steps)
            sketcher = self._pass(stem, signal, again, None)
        self.steps[stem] = sketcher.steps
        group = self._by_content[content.digest()]
        group.append(stem)
        if len(group) > 1:
            self.owners[-1] = None

    def families(self) -> Iterator[NDArray]:
        """Yield the wanted landmarks, those of one hash together and in one order."""
        wanted = np.array([owner is not None for owner in self.owners], np.bool_)
        for part in self._spool.families():
            yield part[wanted[part["owner"]]]

    def _pass(self, stem: str, signal: Signal, sketcher: Sketcher, content: "_Content | None") -> Sketcher:
        self.owners.append(stem)
        for fresh in blocks(signal):
            if content is not None:
                content.update(fresh)
            self._keep(sketcher.feed(fresh))
        self._keep(sketcher.finish())
        return sketcher

    def _keep(self, landmarks: NDArray) -> None:
        landmarks["owner"] = len(self.owners) - 1
        self._spool.add(landmarks)


class _Content:
    """Digests the samples of a recording, whatever the order of its channels."""

    def __init__(self, n_channels: int) -> None:
        self._rows = [hashlib.sha256() for _ in range(n_channels)]
        self._first: Samples | None = None
        self._moves = False

    def update(self, fresh: Samples) -> None:
        """Take the next samples [C, n]."""
        if self._first is None:
            self._first = fresh[:, :1].copy()
        self._moves = self._moves or bool((fresh != self._first).any())
        for row, samples in zip(self._rows, fresh, strict=True):
            row.update(np.ascontiguousarray(samples, "<i8").data)

    def digest(self) -> str:
        """Returns the digest; empty when nothing in the recording moves."""
        rows = sorted(row.digest() for row in self._rows)
        return hashlib.sha256(b"".join(rows)).hexdigest() if self._moves else ""


def _matched(
    sketches: _Sketches, load: Open, directory: Path
) -> tuple[list[SharedContent], dict[str, dict[int, CopiedChannel]]]:
    """Returns the findings within and between recordings, and the channels that copy another one."""
    inner, outer = (Spool(directory, name, _PAIR, "key") for name in ("inner", "outer"))
    for family in sketches.families():
        pairs = _pairs(family)
        same = pairs["first"] == pairs["second"]
        inner.add(pairs[same])
        outer.add(pairs[~same])
    findings: list[SharedContent] = []
    copied: dict[str, dict[int, CopiedChannel]] = {}
    for (stem, _), pairs in _by_recordings(inner, sketches.owners):
        side = Side(Window(load(stem)), sketches.steps[stem])
        # trials laid end to end break a copied channel into runs of less than a second: count those too
        runs = _runs(pairs, side, side, WINDOW)
        signal = side.window.signal
        if found := copied_channels(runs, signal):
            copied[stem] = found
        findings += within(stem, signal, runs, found, guaranteed_run(signal.rate_hz))
    for names, pairs in _by_recordings(outer, sketches.owners):
        for name, field in zip(names, ("channel", "other"), strict=True):
            pairs = pairs[~np.isin(pairs[field], list(copied.get(name, ())))]
        if len(pairs):
            findings += _between(names, pairs, sketches.steps, load, copied)
    return findings, copied


def _between(
    names: tuple[str, str],
    pairs: NDArray,
    steps: Mapping[str, list[int]],
    load: Open,
    copied: Mapping[str, dict[int, CopiedChannel]],
) -> list[SharedContent]:
    first, second = (Side(Window(load(name)), steps[name]) for name in names)
    signals = first.window.signal, second.window.signal
    runs = _runs(pairs, first, second, min(guaranteed_run(signal.rate_hz) for signal in signals))
    return [between(names, runs, signals, copied)] if runs else []


def _pairs(family: NDArray) -> NDArray:
    """Returns candidate pairs of landmarks; at most ``_LINE`` of one lag of two channels."""
    family = family[np.lexsort((family["position"], family["channel"], family["owner"]))]
    one, two = candidates(family["hash"])
    a, b = family[one], family[two]
    found = np.empty(len(a), _PAIR)
    found["first"], found["channel"], found["position"] = a["owner"], a["channel"], a["position"]
    found["second"], found["other"], found["other_position"] = b["owner"], b["channel"], b["position"]
    # SplitMix64's first constant, folded: Spool wants evenly spread low bits
    key = (found["first"].astype(np.uint64) << np.uint64(32) | found["second"]) * np.uint64(
        0x9E3779B97F4A7C15
    )
    found["key"] = key ^ (key >> np.uint64(32))
    lag = found["other_position"] - found["position"]
    order = np.lexsort((found["position"], lag, found["other"], found["channel"], found["key"]))
    found, lag = found[order], lag[order]
    new = np.ones(len(found), np.bool_)
    for column in (lag, found["other"], found["channel"], found["key"]):
        new[1:] &= column[1:] == column[:-1]
    start = np.flatnonzero(~new | (np.arange(len(found)) == 0))
    size = np.diff(start, append=len(found))
    place = np.arange(len(found)) - np.repeat(start, size)
    return found[place % np.repeat(-(-size // _LINE), size) == 0]


def _by_recordings(pairs: Spool, owners: list[str | None]) -> Iterator[tuple[tuple[str, str], NDArray]]:
    """Yield the candidates of two recordings at a time."""
    for part in pairs.families():
        part = part[np.lexsort((part["second"], part["first"]))]
        changed = (part["first"][1:] != part["first"][:-1]) | (part["second"][1:] != part["second"][:-1])
        for group in np.split(part, np.flatnonzero(changed) + 1) if len(part) else []:
            first, second = (owners[int(group[side][0])] for side in ("first", "second"))
            assert first is not None and second is not None
            yield (first, second), group


def _runs(pairs: NDArray, first: Side, second: Side, shortest: int) -> list[EqualStretch]:
    columns = [pairs[name].astype(np.int64) for name in ("channel", "position", "other", "other_position")]
    return verified(np.column_stack(columns), first, second, shortest)

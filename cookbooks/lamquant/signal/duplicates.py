"""Finds content that appears twice: whole recordings, shared trials, channels that copy one another.

Equality is of integers up to a constant offset, polarity and an integer gain of a whole channel, over at
least a second at any position. Landmarks propose, the samples decide: every reported run was compared
sample by sample. Copies that were filtered, resampled or referenced to something else are found by
landmarks that survive it, and decided by correlation (``near``).

Cost: one pass over the corpus, O(samples), then O(L log L) for L landmarks (about one in a hundred samples
at 256 Hz) and a second read of only those stretches that share content. Memory: a few blocks and a part
of the landmarks, whatever the number and length of the recordings; the landmarks lie in temporary files.
"""

import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.signal.findings import CopiedChannel, SharedContent, between, copied_channels, within
from cookbooks.lamquant.signal.landmarks import guaranteed_run
from cookbooks.lamquant.signal.matching import EqualStretch, Side, verified
from cookbooks.lamquant.signal.near import near_duplicates
from cookbooks.lamquant.signal.pairing import PAIR, by_recordings, paired, thinned
from cookbooks.lamquant.signal.reading import Signal, Window
from cookbooks.lamquant.signal.sketches import Sketches
from cookbooks.lamquant.signal.spool import Spool
from cookbooks.lamquant.signal.winnow import WINDOW

_LINE, _NEAR_LINE = 64, 8
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
    with tempfile.TemporaryDirectory(dir=scratch) as name:
        directory, sketches = Path(name), Sketches(Path(name))
        for stem in sorted(stems):
            sketches.add(stem, load(stem))
        findings, copied = _equal(sketches, load, directory)
        findings += _near(sketches, load, directory, {f.members: f.kind for f in findings})
    findings += [SharedContent("recording", group, {"exact": True}) for group in sketches.copies]
    findings.sort(key=lambda finding: (finding.kind, finding.members, str(finding.detail)))
    kept = {
        stem: [index for index in range(len(sketches.steps[stem])) if index not in copies]
        for stem, copies in copied.items()
    }
    return Duplicates(tuple(findings), sketches.copies, kept)


def _near(
    sketches: Sketches, load: Open, directory: Path, known: Mapping[tuple[str, ...], str]
) -> Iterable[SharedContent]:
    candidates = Spool(directory, "near-pairs", PAIR, "key")
    for family in sketches.near.families():
        pairs = paired(family)
        candidates.add(thinned(pairs[pairs["first"] != pairs["second"]], _NEAR_LINE))
    return near_duplicates(candidates, sketches.near.owners, load, known)


def _equal(
    sketches: Sketches, load: Open, directory: Path
) -> tuple[list[SharedContent], dict[str, dict[int, CopiedChannel]]]:
    """Returns the findings within and between recordings, and the channels that copy another one."""
    inner, outer = (Spool(directory, name, PAIR, "key") for name in ("inner", "outer"))
    for family in sketches.exact.families():
        pairs = thinned(paired(family), _LINE)
        same = pairs["first"] == pairs["second"]
        inner.add(pairs[same])
        outer.add(pairs[~same])
    findings: list[SharedContent] = []
    copied: dict[str, dict[int, CopiedChannel]] = {}
    for (stem, _), pairs in by_recordings(inner, sketches.exact.owners):
        side = Side(Window(load(stem)), sketches.steps[stem])
        # trials laid end to end break a copied channel into runs of less than a second: count those too
        runs = _runs(pairs, side, side, WINDOW)
        signal = side.window.signal
        if found := copied_channels(runs, signal):
            copied[stem] = found
        findings += within(stem, signal, runs, found, guaranteed_run(signal.rate_hz))
    for names, pairs in by_recordings(outer, sketches.exact.owners):
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


def _runs(pairs: NDArray, first: Side, second: Side, shortest: int) -> list[EqualStretch]:
    columns = [pairs[name].astype(np.int64) for name in ("channel", "position", "other", "other_position")]
    return verified(np.column_stack(columns), first, second, shortest)

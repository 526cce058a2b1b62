"""Finds content that appears twice: whole recordings, shared trials, channels that copy one another.

Equality is of integers up to a constant offset, polarity and an integer gain of a whole channel, over at
least a second at any position; a copy that was filtered, resampled or re-referenced is not recognised.
Landmarks propose, the samples decide: every reported run was compared sample by sample.

Cost: one pass over the corpus, O(samples), then O(L log L) for L landmarks (about one in a hundred
samples at 256 Hz) and O(shared samples) with a second read of only those recordings that share content.
Memory: the landmarks (about 0.5 byte a sample with the sort) and two recordings at a time.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.signal.landmarks import WINDOW, Landmarks, guaranteed_run, landmarks
from cookbooks.lamquant.signal.matching import Run, candidates, verified

COPIED_CHANNEL = 0.5
"""Share of a channel's moving samples found in another at one lag from which it counts as its copy."""
SAME_RECORDING = 0.9
"""Share of a recording's samples found in another from which the two count as one recording."""
MAX_RUNS = 100
"""Runs listed in full for one finding; the count is always complete."""

Samples = NDArray[np.integer]


class Signal(Protocol):
    """Says what is needed of a recording: integers [channels, samples], their names and rate."""

    @property
    def channels(self) -> list[str]:
        """Returns the names of the channels."""
        ...

    @property
    def rate_hz(self) -> float:
        """Returns the rate in samples per second."""
        ...

    @property
    def digital(self) -> Samples:
        """Returns the integers [channels, samples]."""
        ...


@dataclass(frozen=True)
class Finding:
    """Describes duplicated content: ``kind`` is recording, trial or lagged_channel; members are stems."""

    kind: str
    members: tuple[str, ...]
    detail: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Returns the entry in ``split.json``."""
        return {"kind": self.kind, "members": list(self.members), **self.detail}


@dataclass(frozen=True)
class Duplicates:
    """Holds what ``find_duplicates`` found.

    ``copies`` are groups of stems with the same samples in every channel, whatever the channels' order.
    ``kept_channels`` lists, for recordings with lag-copied channels only, the channel indices to keep.
    """

    findings: tuple[Finding, ...]
    copies: tuple[tuple[str, ...], ...]
    kept_channels: dict[str, list[int]]


def find_duplicates(stems: Iterable[str], load: Callable[[str], Signal]) -> Duplicates:
    """Find duplicated content among and within recordings.

    Args:
        stems: names of the recordings; the result does not depend on their order.
        load: reads one; called once for each, and again for those that share content with another.
    """
    by_content: dict[str, list[str]] = defaultdict(list)
    sketches: dict[str, Landmarks] = {}
    findings: list[Finding] = []
    kept_channels: dict[str, list[int]] = {}
    for stem in sorted(stems):
        signal = load(stem)
        content = _content(signal.digital)
        by_content[content].append(stem)
        sketch = landmarks(signal.digital, signal.rate_hz)
        inner, kept = _within(stem, signal, sketch)
        findings += inner
        if len(kept) < len(signal.digital):
            kept_channels[stem] = kept
        if len(by_content[content]) == 1:
            sketches[stem] = sketch.of_channels(kept)
    copies = tuple(tuple(group) for key, group in by_content.items() if key and len(group) > 1)
    findings += [Finding("recording", group, {"exact": True}) for group in copies]
    findings += _across(sketches, kept_channels, load)
    findings.sort(key=lambda finding: (finding.kind, finding.members, str(finding.detail)))
    return Duplicates(tuple(findings), copies, kept_channels)


def _content(digital: Samples) -> str:
    """Returns the digest of the samples, whatever the order of the channels;
    empty when nothing in it moves.
    """
    if not digital.size or not (digital != digital[:, :1]).any():
        return ""
    rows = sorted(hashlib.sha256(row.astype("<i8").tobytes()).digest() for row in digital)
    return hashlib.sha256(b"".join(rows)).hexdigest()


def _within(stem: str, signal: Signal, sketch: Landmarks) -> tuple[list[Finding], list[int]]:
    """Returns channels that copy another one of the same recording, and stretches that a channel repeats."""
    shortest = guaranteed_run(signal.rate_hz)
    zeros = np.zeros(len(sketch.hash), np.int64)
    pairs = candidates(
        sketch.hash, np.column_stack([zeros, sketch.channel.astype(np.int64), sketch.position])
    )
    # trials laid end to end break a copied channel into runs of less than a second: count those too
    runs = verified(pairs[:, [1, 2, 4, 5]], signal.digital, signal.digital, WINDOW)
    copied = _copied_channels(runs, signal.digital)
    kept = [index for index in range(len(signal.digital)) if index not in copied]
    findings = [
        Finding(
            "lagged_channel",
            (stem,),
            {
                "source": signal.channels[source],
                "copy": signal.channels[copy],
                "lag_samples": lag,
                "coverage": round(coverage, 4),
            },
        )
        for copy, (source, lag, coverage) in sorted(copied.items())
    ]
    repeats = [
        run
        for run in runs
        if run.channels[0] == run.channels[1] and run.channels[0] in kept and run.length > shortest
    ]
    if repeats:
        findings.append(Finding("trial", (stem,), _describe(repeats, signal, signal)))
    return findings, kept


def _copied_channels(runs: Sequence[Run], digital: Samples) -> dict[int, tuple[int, int, float]]:
    """Returns copies as ``{channel: (source, lag, coverage)}``;
    the first channel of a family is its source.
    """
    shared: dict[tuple[int, int, int], int] = defaultdict(int)
    for run in runs:
        if run.channels[0] != run.channels[1]:
            shared[*run.channels, run.starts[1] - run.starts[0]] += run.length
    copied: dict[int, tuple[int, int, float]] = {}
    moving = {index: _moving(digital[index]) for _, index, _ in shared}
    for (source, copy, lag), length in sorted(shared.items(), key=lambda item: (item[0][:2], -item[1])):
        coverage = min(1.0, length / max(1, moving[copy]))
        if coverage >= COPIED_CHANNEL and source not in copied and copy not in copied:
            copied[copy] = (source, lag, coverage)
    return copied


def _moving(samples: Samples) -> int:
    """Returns the samples of a channel outside flat stretches of a second or so:
    what there is to be copied.
    """
    change = np.flatnonzero(np.diff(samples)) if len(samples) > 1 else np.empty(0, np.int64)
    gaps = np.diff(change, prepend=-1, append=len(samples) - 1)
    return len(samples) - int(gaps[gaps > 128].sum())


def _across(
    sketches: dict[str, Landmarks], kept: dict[str, list[int]], load: Callable[[str], Signal]
) -> Iterator[Finding]:
    """Yields findings between two different recordings."""
    stems = sorted(sketches)
    hashes = np.concatenate([sketches[stem].hash for stem in stems] or [np.empty(0, np.uint64)])
    places = np.empty((len(hashes), 3), np.int64)
    places[:, 0] = np.repeat(np.arange(len(stems)), [len(sketches[stem].hash) for stem in stems])
    for column, name in ((1, "channel"), (2, "position")):
        parts = [getattr(sketches[stem], name) for stem in stems]
        places[:, column] = np.concatenate(parts or [np.empty(0, np.int64)])
    pairs = candidates(hashes, places)
    pairs = pairs[pairs[:, 0] != pairs[:, 3]]
    pairs = pairs[np.lexsort((pairs[:, 3], pairs[:, 0]))]
    cached = lru_cache(maxsize=2)(load)
    starts = np.flatnonzero(np.diff(pairs[:, [0, 3]], axis=0, prepend=-1).any(axis=1))
    for chunk in np.split(pairs, starts[1:]) if len(pairs) else []:
        names = stems[chunk[0, 0]], stems[chunk[0, 3]]
        first, second = cached(names[0]), cached(names[1])
        shortest = min(guaranteed_run(first.rate_hz), guaranteed_run(second.rate_hz))
        runs = verified(chunk[:, [1, 2, 4, 5]], first.digital, second.digital, shortest)
        if runs:
            yield _classify(names, runs, first, second, kept)


def _classify(
    names: tuple[str, str], runs: list[Run], first: Signal, second: Signal, kept: dict[str, list[int]]
) -> Finding:
    """Returns a whole recording, a copied channel or shared trials, by how much of either is shared."""
    shares, channel_share = [], 0.0
    for side, signal in enumerate((first, second)):
        shared = _covered(runs, side)
        channels = kept.get(names[side]) or range(len(signal.digital))
        moving = {index: _moving(signal.digital[index]) for index in channels}
        shares.append(sum(shared.values()) / max(1, sum(moving.values())))
        channel_share = max(channel_share, *(n / max(1, moving[i]) for i, n in shared.items()))
    share = min(1.0, max(shares))
    detail = _describe(runs, first, second) | {"coverage": round(share, 4)}
    if share >= SAME_RECORDING:
        return Finding("recording", names, {"exact": False, **detail})
    return Finding("lagged_channel" if channel_share >= SAME_RECORDING else "trial", names, detail)


def _covered(runs: Iterable[Run], side: int) -> dict[int, int]:
    """Returns the samples of each channel that lie in a run, each counted once."""
    spans: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for run in runs:
        spans[run.channels[side]].append((run.starts[side], run.starts[side] + run.length))
    covered: dict[int, int] = {}
    for channel, intervals in spans.items():
        end = total = 0
        for low, high in sorted(intervals):
            total += max(0, high - max(low, end))
            end = max(end, high)
        covered[channel] = total
    return covered


def _describe(runs: Sequence[Run], first: Signal, second: Signal) -> dict[str, Any]:
    """Runs with the channels that share them at the same place, longest list cut at ``MAX_RUNS``."""
    together: dict[tuple[int, int, int], list[list[str]]] = defaultdict(list)
    for run in runs:
        names = [first.channels[run.channels[0]], second.channels[run.channels[1]]]
        together[*run.starts, run.length].append(names)
    listed = [
        {"start": [first_start, second_start], "samples": length, "channels": channels}
        for (first_start, second_start, length), channels in sorted(together.items())
    ]
    spans = [Run((0, 0), (start, 0), length) for start, _, length in together]
    seconds = _covered(spans, 0).get(0, 0) / first.rate_hz
    return {"n_runs": len(listed), "runs": listed[:MAX_RUNS], "seconds": round(seconds, 3)}

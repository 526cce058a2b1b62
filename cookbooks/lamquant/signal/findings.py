"""Describes duplicated content, as it stands in ``split.json``."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cookbooks.lamquant.signal.matching import EqualStretch
from cookbooks.lamquant.signal.reading import Signal, blocks

COPIED_CHANNEL = 0.5
"""Share of a channel's moving samples found in another at one lag from which it counts as its copy."""
SAME_RECORDING = 0.9
"""Share of a recording's samples found in another from which the two count as one recording."""
MAX_RUNS = 100
"""Runs listed in full for one finding; the count is always complete."""
_FLAT = 128
"""Samples without a change from which a stretch counts as flat."""


@dataclass(frozen=True)
class SharedContent:
    """Describes duplicated content; members are stems.

    ``kind`` is recording, trial or lagged_channel for equal samples, near_recording or near_trial for copies
    that were filtered, resampled or referenced to something else.
    """

    kind: str
    members: tuple[str, ...]
    detail: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Returns the entry in ``split.json``."""
        return {"kind": self.kind, "members": list(self.members), **self.detail}

    def in_words(self) -> str:
        """Says what is shared, to follow "shares content with X:"."""
        if self.detail.get("exact"):
            return "the same samples"
        seconds = self.detail["seconds"]
        if self.kind.startswith("near_"):
            return f"a changed copy of {seconds} s, which correlates by {self.detail['correlation']}"
        return f"{self.detail['n_runs']} equal runs, {seconds} s in all"


@dataclass(frozen=True)
class CopiedChannel:
    """Says which channel another one copies, at which lag, and how much of it."""

    source: int
    lag: int
    coverage: float


def copied_channels(runs: Sequence[EqualStretch], signal: Signal) -> dict[int, CopiedChannel]:
    """Returns the channels that copy another one of the recording, by index;
    the first channel of a family is its source.
    """
    shared: dict[tuple[int, int, int], int] = defaultdict(int)
    for run in runs:
        if run.channels[0] != run.channels[1]:
            shared[*run.channels, run.starts[1] - run.starts[0]] += run.length
    copied: dict[int, CopiedChannel] = {}
    moving = _moving(signal) if shared else []
    for (source, copy, lag), length in sorted(shared.items(), key=lambda item: (item[0][:2], -item[1])):
        coverage = min(1.0, length / max(1, moving[copy]))
        if coverage >= COPIED_CHANNEL and source not in copied and copy not in copied:
            copied[copy] = CopiedChannel(source, lag, coverage)
    return copied


def within(
    stem: str,
    signal: Signal,
    runs: Sequence[EqualStretch],
    copied: Mapping[int, CopiedChannel],
    shortest: int,
) -> list[SharedContent]:
    """Returns what a recording repeats of itself: copied channels, and stretches of ``shortest`` or more."""
    findings = [
        SharedContent(
            "lagged_channel",
            (stem,),
            {
                "source": signal.channels[found.source],
                "copy": signal.channels[copy],
                "lag_samples": found.lag,
                "coverage": round(found.coverage, 4),
            },
        )
        for copy, found in sorted(copied.items())
    ]
    repeats = [
        run
        for run in runs
        if run.channels[0] == run.channels[1] and run.channels[0] not in copied and run.length > shortest
    ]
    if repeats:
        findings.append(SharedContent("trial", (stem,), _describe(repeats, signal, signal)))
    return findings


def between(
    names: tuple[str, str],
    runs: Sequence[EqualStretch],
    signals: tuple[Signal, Signal],
    copied: Mapping[str, Mapping[int, CopiedChannel]],
) -> SharedContent:
    """Returns a whole recording, a copied channel or shared trials, by how much of either is shared."""
    shares, channel_share = [], 0.0
    for side, signal in enumerate(signals):
        shared, moving = _covered(runs, side), _moving(signal)
        channels = set(range(len(moving))) - set(copied.get(names[side], ()))
        shares.append(sum(shared.values()) / max(1, sum(moving[index] for index in channels)))
        channel_share = max(channel_share, *(n / max(1, moving[i]) for i, n in shared.items()))
    share = min(1.0, max(shares))
    detail = _describe(runs, *signals) | {"coverage": round(share, 4)}
    if share >= SAME_RECORDING:
        return SharedContent("recording", names, {"exact": False, **detail})
    return SharedContent("lagged_channel" if channel_share >= SAME_RECORDING else "trial", names, detail)


def _moving(signal: Signal) -> list[int]:
    """Returns the samples of each channel outside flat stretches of a second or so:
    what there is to be copied.
    """
    flat = np.zeros(len(signal.channels), np.int64)
    changed = np.full(len(signal.channels), -1)
    last, at = signal.read(0, min(1, signal.n_samples)), 0
    for fresh in blocks(signal):
        moved = np.diff(np.concatenate([last, fresh], axis=1), axis=1) != 0
        for index, row in enumerate(moved):
            places = np.flatnonzero(row) + at - 1
            gaps = np.diff(places, prepend=changed[index])
            flat[index] += gaps[gaps > _FLAT].sum()
            changed[index] = places[-1] if len(places) else changed[index]
        last, at = fresh[:, -1:], at + fresh.shape[1]
    gaps = signal.n_samples - 1 - changed
    return (signal.n_samples - flat - np.where(gaps > _FLAT, gaps, 0)).tolist()


def _covered(runs: Iterable[EqualStretch], side: int) -> dict[int, int]:
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


def _describe(runs: Sequence[EqualStretch], first: Signal, second: Signal) -> dict[str, Any]:
    """Runs with the channels that share them at the same place, longest list cut at ``MAX_RUNS``."""
    together: dict[tuple[int, int, int], list[list[str]]] = defaultdict(list)
    for run in runs:
        names = [first.channels[run.channels[0]], second.channels[run.channels[1]]]
        together[*run.starts, run.length].append(names)
    listed = [
        {"start": [first_start, second_start], "samples": length, "channels": channels}
        for (first_start, second_start, length), channels in sorted(together.items())
    ]
    spans = [EqualStretch((0, 0), (start, 0), length) for start, _, length in together]
    seconds = _covered(spans, 0).get(0, 0) / first.rate_hz
    return {"n_runs": len(listed), "runs": listed[:MAX_RUNS], "seconds": round(seconds, 3)}

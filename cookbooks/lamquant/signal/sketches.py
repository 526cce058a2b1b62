"""Sketches every recording of a corpus in one pass: exact landmarks, robust landmarks, and a digest."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.signal.landmarks import LANDMARK, Sketcher
from cookbooks.lamquant.signal.peaks import PeakSketcher
from cookbooks.lamquant.signal.reading import Samples, Signal, blocks
from cookbooks.lamquant.signal.spool import Spool


class Pool:
    """Collects the landmarks of many recordings."""

    def __init__(self, directory: Path, name: str) -> None:
        self._spool = Spool(directory, name, LANDMARK, "hash")
        self.owners: list[str | None] = []
        """The recording of each ``owner`` of a landmark; none where its landmarks are not wanted."""

    def begin(self, stem: str) -> None:
        """Give what is added from now on to a recording."""
        self.owners.append(stem)

    def add(self, landmarks: NDArray) -> None:
        """Take landmarks (``LANDMARK``) of the recording begun last."""
        landmarks["owner"] = len(self.owners) - 1
        self._spool.add(landmarks)

    def drop(self) -> None:
        """Forget the landmarks since the last beginning."""
        self.owners[-1] = None

    def families(self) -> Iterator[NDArray]:
        """Yield the wanted landmarks, those of one hash together."""
        wanted = np.array([owner is not None for owner in self.owners], np.bool_)
        for part in self._spool.families():
            yield part[wanted[part["owner"]]]


class Sketches:
    """Collects what is known of recordings after one pass over each.

    Attributes:
        exact, near: landmarks of equal samples, and such as survive filters.
        steps: greatest common divisor of the differences of each channel, by recording.
    """

    def __init__(self, directory: Path) -> None:
        self.exact, self.near = Pool(directory, "exact"), Pool(directory, "near")
        self.steps: dict[str, list[int]] = {}
        self._by_content: dict[str, list[str]] = defaultdict(list)

    @property
    def copies(self) -> tuple[tuple[str, ...], ...]:
        """Returns groups of recordings with the same samples."""
        return tuple(tuple(group) for key, group in self._by_content.items() if key and len(group) > 1)

    def add(self, stem: str, signal: Signal) -> None:
        """Sketch a recording; twice, where a late sample shows that the step of its values is smaller."""
        content, peaks = _Content(len(signal.channels)), PeakSketcher(signal)
        sketcher = Sketcher(len(signal.channels), signal.rate_hz)
        self.exact.begin(stem)
        self.near.begin(stem)
        for fresh in blocks(signal):
            content.update(fresh)
            self.near.add(peaks.feed(fresh))
            self.exact.add(sketcher.feed(fresh))
        self.near.add(peaks.finish())
        self.exact.add(sketcher.finish())
        self.steps[stem] = sketcher.steps
        group = self._by_content[content.digest()]
        group.append(stem)
        if len(group) > 1:
            self.near.drop()
            self.exact.drop()
        elif sketcher.stale:
            self.exact.drop()
            self._again(stem, signal)

    def _again(self, stem: str, signal: Signal) -> None:
        sketcher = Sketcher(len(signal.channels), signal.rate_hz, self.steps[stem])
        self.exact.begin(stem)
        for fresh in blocks(signal):
            self.exact.add(sketcher.feed(fresh))
        self.exact.add(sketcher.finish())


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
            row.update(np.ascontiguousarray(samples, "<i4").data)

    def digest(self) -> str:
        """Returns the digest; empty when nothing in the recording moves."""
        rows = sorted(row.digest() for row in self._rows)
        return hashlib.sha256(b"".join(rows)).hexdigest() if self._moves else ""

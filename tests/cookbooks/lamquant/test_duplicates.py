"""The search for duplicates: bounded memory, and the same findings however a corpus is cut up."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from cookbooks.lamquant.signal import reading, spool
from cookbooks.lamquant.signal.duplicates import Duplicates, find_duplicates
from tests.cookbooks.lamquant.split_corpora import InMemory

RATE = 256.0


class Generated:
    """A long recording that is never held: each block of it is made when it is read."""

    channels, rate_hz, scale = [f"c{n}" for n in range(4)], RATE, np.full(4, 0.1)

    def __init__(self, seed: int, n_samples: int) -> None:
        self._seed, self.n_samples = seed, n_samples

    def read(self, start: int, stop: int) -> np.ndarray:
        first = start // 4096
        parts = [self._block(index) for index in range(first, stop // 4096 + 1)]
        return np.concatenate(parts, axis=1)[:, start - first * 4096 : stop - first * 4096]

    def _block(self, index: int) -> np.ndarray:
        rng = np.random.default_rng([self._seed, index])
        return rng.integers(-3000, 3000, (4, 4096)).astype(np.int32)


def walks(seed: int, n_samples: int = 12_000, channels: int = 3) -> np.ndarray:
    steps = np.random.default_rng(seed).standard_normal((channels, n_samples)) * 12
    return np.rint(np.cumsum(steps, axis=1)).astype(np.int32)


def search(recordings: dict[str, np.ndarray], scratch: Path | None = None) -> Duplicates:
    return find_duplicates(recordings, lambda stem: InMemory(recordings[stem], RATE), scratch)


def peak_mb(hours: float, scratch: Path) -> float:
    n_samples = round(hours * 3600 * RATE)
    tracemalloc.start()
    try:
        recordings = {"a": Generated(1, n_samples), "b": Generated(2, n_samples)}
        find_duplicates(recordings, recordings.__getitem__, scratch)
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_length_of_a_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "HELD_BYTES", 1 << 18)
    monkeypatch.setattr(spool, "MOST", 1 << 12)
    monkeypatch.setattr(reading, "BLOCK_VALUES", 1 << 16)
    peak_mb(0.1, tmp_path)
    short, long = peak_mb(0.5, tmp_path), peak_mb(2.0, tmp_path)
    assert long < 1.3 * short, (short, long)
    assert list(tmp_path.iterdir()) == []


def test_what_is_found_does_not_depend_on_how_it_is_cut_or_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, c = walks(1), walks(2), walks(3)
    b[1, 3000:7000] = -a[2, 5000:9000] + 50
    b[0, 200:1200] = b[0, 9000:10_000]
    c[2, 11:] = c[0, :-11]
    recordings = {"a": a, "b": b, "c": c, "copy of a": a[[2, 0, 1]], "cut": 3 * a[::-1, 4000:] + 1}
    whole = search(recordings)
    assert {finding.kind for finding in whole.findings} == {"recording", "trial", "lagged_channel"}
    monkeypatch.setattr(reading, "BLOCK_VALUES", 1 << 13)
    monkeypatch.setattr(spool, "HELD_BYTES", 1 << 12)
    monkeypatch.setattr(spool, "MOST", 1 << 4)
    assert search(recordings, tmp_path) == whole


def test_a_gain_that_only_the_last_samples_contradict_hides_nothing() -> None:
    a, b = 4 * walks(1, 90_000, 1), walks(2, 90_000, 1)
    b[:, 1000:50_000] = a[:, 11_000:60_000]
    a[0, -1] += 1
    (finding,) = search({"a": a, "b": b}).findings
    (run,) = finding.detail["runs"]
    assert run["start"] == [11_000, 1000] and run["samples"] == 49_000

"""The hop suits the signal, and choosing it takes a small part of what coding takes."""

import numpy as np
import pytest

from cookbooks.lamquant.lqc.hops import HOPS, choose_hop
from tests.cookbooks.lamquant.lqc.test_chunk import model

RATE = 256.0


def chosen(x: np.ndarray, rate_hz: float = RATE) -> tuple[int, int]:
    """The hop for a signal [C, n], and how many values of it were read."""
    read = 0

    def part(start: int, stop: int) -> np.ndarray:
        nonlocal read
        assert 0 <= start < stop <= x.shape[1]
        read += (stop - start) * len(x)
        return x[:, start:stop]

    return choose_hop(part, x.shape[1], rate_hz, np.zeros(len(x), int), model()), read


def test_tones_want_long_frames_and_clicks_short_ones():
    rng = np.random.default_rng(0)
    time = np.arange(120_000) / RATE
    tone = 12 * np.sin(2 * np.pi * 10.3 * time)[None] + rng.normal(size=(1, len(time))) / 4
    clicks = np.where(rng.random(len(time)) < 0.004, 60.0, 0.0)[None] + rng.normal(size=(1, len(time))) / 4
    assert chosen(tone)[0] >= 256
    assert chosen(clicks)[0] == 32


def test_little_of_a_long_signal_is_read():
    x = np.random.default_rng(0).normal(size=(8, 1_000_000))
    assert chosen(x)[1] < 0.1 * x.size


@pytest.mark.parametrize("n_samples", [1, 7, 300, 5000])
@pytest.mark.parametrize("rate_hz", [0.5, 64.0, 20_000.0])
@pytest.mark.parametrize("channels", [1, 9])
def test_any_length_and_rate_has_a_hop(n_samples, rate_hz, channels):
    x = np.random.default_rng(0).normal(size=(channels, n_samples)) * 9
    assert chosen(x, rate_hz)[0] in HOPS

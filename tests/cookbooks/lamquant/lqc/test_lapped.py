"""The lapped transform is the textbook's, loses nothing, and does not depend on how a signal is cut."""

import numpy as np
import pytest

from cookbooks.lamquant.lqc import lapped
from cookbooks.lamquant.lqc.errors import LqcError


def filters(hop: int) -> np.ndarray:
    """Sine-windowed MDCT filters [hop, 2 * hop], written out."""
    n = np.arange(2 * hop) + 0.5
    k = np.arange(hop)[:, None] + 0.5
    return np.sqrt(2 / hop) * np.cos(np.pi / hop * (n + hop / 2) * k) * np.sin(np.pi * n / (2 * hop))


@pytest.mark.parametrize("hop", [8, 16, 64, 1024])
def test_coefficients_are_those_of_the_filters_and_give_the_samples_back(hop: int) -> None:
    signal = np.random.default_rng(hop).normal(size=(3, 7 * hop)) * 1000
    frames = np.stack([signal[:, f * hop : (f + 2) * hop] for f in range(6)], 1)
    coefficients = lapped.analyse(signal, hop)
    np.testing.assert_allclose(coefficients, frames @ filters(hop).T, atol=1e-8)
    np.testing.assert_allclose(lapped.synthesise(coefficients), signal[:, hop:-hop], atol=1e-9)


def test_the_error_of_the_signal_is_that_of_the_coefficients() -> None:
    rng = np.random.default_rng(0)
    error = np.zeros((20, 64))
    error[1:-1] = rng.normal(size=(18, 64))
    np.testing.assert_allclose((lapped.synthesise(error) ** 2).sum(), (error**2).sum())


@pytest.mark.parametrize("n_samples", [1, 2, 31, 32, 33, 300])
@pytest.mark.parametrize("hop", [8, 32, 128])
def test_any_frames_are_cut_from_the_samples_asked_for(n_samples: int, hop: int) -> None:
    signal = np.random.default_rng(n_samples).normal(size=(2, n_samples))
    frames = lapped.n_frames(n_samples, hop)
    whole = np.pad(signal, ((0, 0), (hop, frames * hop - n_samples)), mode="symmetric")
    for first in range(frames):
        for stop in range(first + 1, frames + 1):
            low, high = lapped.samples_of_frames(first, stop, n_samples, hop)
            part = lapped.mirrored(signal[:, low:high], low, first, stop, n_samples, hop)
            np.testing.assert_array_equal(part, whole[:, first * hop : (stop + 1) * hop])


def test_frames_do_not_depend_on_the_block_they_are_computed_in() -> None:
    signal = np.random.default_rng(1).normal(size=(2, 8 * 40_000)).astype(np.float32)
    whole = lapped.analyse(signal, 8)
    for first, stop in ((0, 7), (7, 8192), (8192, len(whole[0]))):
        part = lapped.analyse(signal[:, first * 8 : (stop + 1) * 8], 8)
        np.testing.assert_array_equal(part, whole[:, first:stop])
    np.testing.assert_array_equal(
        lapped.synthesise(whole[:, 500:509]), lapped.synthesise(whole)[:, 4000:4064]
    )


@pytest.mark.parametrize("hop", [0, 4, 24, 8192, -8])
def test_a_hop_that_cannot_be_is_refused(hop: int) -> None:
    with pytest.raises(LqcError, match=f"hop={hop}: must be a power of two"):
        lapped.analyse(np.zeros(48), hop)


def test_samples_that_fill_no_frames_are_refused() -> None:
    with pytest.raises(LqcError, match="40 samples do not fill frames of 32"):
        lapped.analyse(np.zeros(40), 32)

"""Turning channels loses nothing, takes out what they have in common, and leaves alone what they have not."""

import numpy as np
import pytest

from cookbooks.lamquant.lqc.rotations import MOST_ANGLE, find_rotations, in_rounds, turn
from cookbooks.lamquant.lqc.spatial import apart, bits_of, pack_plan, plan_for, together, unpack_plan
from tests.cookbooks.lamquant.lqc.test_chunk import ALONE, coded, mixed

RATE = 128.0


def found(channels: int, sources: int, strength: float, n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """The rotations for channels that hear some sources, and what they make of the covariance."""
    rng = np.random.default_rng(channels)
    x = rng.normal(size=(channels, sources)) @ rng.normal(size=(sources, n)) * strength
    covariance = np.cov(x + rng.normal(size=x.shape) / 10, bias=True)
    after = covariance.copy()
    return find_rotations(after, n, 0.1, 14.0, 64 * channels), after


@pytest.mark.parametrize("channels", [4, 40, 300])
def test_channels_come_back_and_no_energy_is_lost(channels):
    y = mixed(channels, 2, frames=20).astype(np.float32)
    plan = plan_for(y, RATE)
    assert plan.n_rotations >= channels - 1
    kept = y.copy()
    planes = together(y, plan, RATE)
    np.testing.assert_array_equal(y, kept)
    np.testing.assert_allclose((planes**2).sum(), (y**2).sum(), rtol=1e-4)
    np.testing.assert_allclose(apart(planes, plan, RATE), y, atol=1e-3 * np.abs(y).max())
    assert bits_of(planes) < 0.8 * bits_of(y)
    told = unpack_plan(pack_plan(plan, channels), channels, y.shape[2], RATE)
    np.testing.assert_array_equal(together(y, told, RATE), planes)


@pytest.mark.parametrize("strength", [1.0, 30.0, 1000.0])
def test_few_sources_end_in_few_planes_however_strong_they_are(strength):
    rotations, after = found(16, 2, strength)
    loud = np.sort(np.diag(after))[::-1]
    assert loud[2:].max() < 0.1 + 1e-4 * loud[1]
    assert len(rotations) < 150
    assert np.abs(rotations[:, 2]).max() <= MOST_ANGLE


def test_the_order_in_which_rotations_are_told_changes_nothing():
    rotations, _ = found(24, 6, 10.0)
    told = in_rounds(rotations, 24)
    assert sorted(map(tuple, told.tolist())) == sorted(map(tuple, rotations.tolist()))
    one, other = np.eye(24), np.eye(24)
    turn(one, rotations)
    turn(other, told)
    np.testing.assert_array_equal(one, other)
    assert (np.diff(told[:, 0]) < 0).sum() < 0.7 * (np.diff(rotations[:, 0]) < 0).sum()


def test_what_is_common_for_a_moment_only_does_not_cost_the_rest():
    rng = np.random.default_rng(0)
    x = rng.laplace(size=(4, 160, 32)) * np.exp(-np.arange(32) / 6) * np.array([8, 1, 4, 2])[:, None, None]
    blink = rng.normal(size=(1, 4, 32)) * 60 * np.exp(-np.arange(32) / 3)
    x[:, 70:74] += blink * np.array([1.0, 0.5, 0.8, 0.3])[:, None, None]
    assert len(coded(x).data) <= 1.01 * len(coded(x, mixing=ALONE).data)

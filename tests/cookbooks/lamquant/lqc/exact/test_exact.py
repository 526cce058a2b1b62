"""Samples coded exactly come back as they were, and with an error allowed no further away than that."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from cookbooks.lamquant.lqc.errors import LqcError
from cookbooks.lamquant.lqc.exact import decode_exact, encode_exact

LOWEST, HIGHEST = -(1 << 31), (1 << 31) - 1
PARTS = [
    st.integers(LOWEST, HIGHEST),
    st.integers(-40, 40),
    st.integers(-(1 << 23), (1 << 23) - 1),
    st.sampled_from([LOWEST, -1, 0, 1, HIGHEST]),
    st.sampled_from([0, 5]),
]


def few_samples() -> st.SearchStrategy[Any]:
    """int32 [1..64, 0..300] of all kinds."""
    shapes = st.tuples(st.integers(1, 64), st.integers(0, 300)).filter(
        lambda shape: shape[0] * shape[1] <= 1500
    )
    return st.tuples(st.sampled_from(PARTS), shapes).flatmap(
        lambda one: arrays.arrays(np.int32, one[1], elements=one[0])
    )


def brain(n_channels: int, n_samples: int, seed: int = 0) -> Any:
    """Slow noise that channels share, each with more of its own."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(n_channels + 1, n_samples))
    for t in range(2, n_samples):
        noise[:, t] += 1.7 * noise[:, t - 1] - 0.75 * noise[:, t - 2]
    return np.round(20 * noise[:1] + 4 * noise[1:]).astype(np.int32)


def furthest(decoded: Any, samples: Any) -> Any:
    """The largest error of each channel."""
    return np.abs(decoded.astype(np.int64) - samples).max(1, initial=0)


@settings(deadline=None, max_examples=150)
@given(few_samples())
def test_samples_come_back_as_they_were(samples: Any) -> None:
    decoded = decode_exact(encode_exact(samples), *samples.shape)
    assert decoded.dtype == np.int32
    np.testing.assert_array_equal(decoded, samples)


@settings(deadline=None, max_examples=100)
@given(few_samples(), st.one_of(st.integers(0, 60), st.integers(0, HIGHEST)))
def test_no_sample_is_further_away_than_allowed(samples: Any, max_error: int) -> None:
    decoded = decode_exact(encode_exact(samples, max_error), *samples.shape)
    assert (furthest(decoded, samples) <= max_error).all()


@pytest.mark.parametrize("max_error", [1 << 30, 1_518_500_250, HIGHEST])
def test_a_bound_as_large_as_the_range_is_kept(max_error: int) -> None:
    for samples in (np.zeros((1, 50)), np.random.default_rng(4).integers(LOWEST, HIGHEST, (2, 500))):
        samples = samples.astype(np.int32)
        decoded = decode_exact(encode_exact(samples, max_error), *samples.shape)
        assert (furthest(decoded, samples) <= max_error).all()


def test_each_channel_has_its_own_error() -> None:
    samples = brain(3, 1000)
    allowed = np.array([0, 7, 300])
    coded = encode_exact(samples, allowed)
    wrong = furthest(decode_exact(coded, 3, 1000), samples)
    assert (wrong <= allowed).all()
    assert wrong[0] == 0 < wrong[1] < wrong[2]
    assert len(coded) < len(encode_exact(samples))


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros((3, 20_000)),
        np.full((1, 20_000), HIGHEST),
        np.stack([np.zeros(20_000), np.full(20_000, LOWEST)]),
        np.full((1, 1), LOWEST),
    ],
)
def test_what_does_not_change_costs_next_to_nothing(samples: Any) -> None:
    samples = samples.astype(np.int32)
    coded = encode_exact(samples)
    assert len(coded) < 30
    np.testing.assert_array_equal(decode_exact(coded, *samples.shape), samples)


def test_a_status_word_costs_what_its_triggers_do() -> None:
    rng = np.random.default_rng(1)
    status = np.zeros((1, 30_000), np.int32)
    for at in rng.integers(0, 29_000, 40):
        status[0, at : at + 50] = rng.integers(1, 255)
    coded = encode_exact(status + (1 << 20))
    np.testing.assert_array_equal(decode_exact(coded, *status.shape), status + (1 << 20))
    assert len(coded) < 2000


def test_the_unused_low_bits_of_24_in_32_cost_nothing() -> None:
    samples = brain(2, 4000)
    assert abs(len(encode_exact(samples * 256)) - len(encode_exact(samples))) < 8


@pytest.mark.parametrize("shift", [0, 8, 16])
def test_noise_costs_its_entropy(shift: int) -> None:
    noise = np.random.default_rng(2).integers(-100 << shift, 101 << shift, (1, 30_000)).astype(np.int32)
    ideal = np.log2(200 << shift) * noise.size / 8
    coded = encode_exact(noise)
    assert len(coded) < 1.05 * ideal
    np.testing.assert_array_equal(decode_exact(coded, *noise.shape), noise)


def test_a_prediction_is_found_where_there_is_one() -> None:
    samples = brain(1, 15_000)
    innovation = 20.4 * np.sqrt(2 * np.pi * np.e)
    assert len(encode_exact(samples)) < 1.01 * np.log2(innovation) * samples.size / 8


def test_channels_that_say_the_same_cost_less_together() -> None:
    samples = brain(6, 6000)
    alone = sum(len(encode_exact(samples[one : one + 1])) for one in range(6))
    assert len(encode_exact(samples)) < 0.83 * alone


def test_full_scale_steps_do_not_spoil_what_follows() -> None:
    samples = brain(1, 12_000)
    stepped = samples.astype(np.int64)
    stepped[0, 3000:6000] = HIGHEST
    stepped[0, 6000:6010] = LOWEST
    stepped = stepped.astype(np.int32)
    coded = encode_exact(stepped)
    np.testing.assert_array_equal(decode_exact(coded, *stepped.shape), stepped)
    assert len(coded) < len(encode_exact(samples))


def test_a_step_of_the_level_costs_a_few_bytes() -> None:
    samples = brain(1, 12_000)
    steps = np.random.default_rng(3).integers(-20_000, 20_000, 24)
    stepped = samples + np.repeat(steps, 500).astype(np.int32)
    assert len(encode_exact(stepped)) - len(encode_exact(samples)) < 10 * len(steps)


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (3, 0)])
def test_nothing_is_coded_as_nothing(shape: tuple[int, int]) -> None:
    assert encode_exact(np.zeros(shape, np.int32)) == b""
    assert decode_exact(b"", *shape).shape == shape


@pytest.mark.parametrize(
    ("samples", "max_error", "said"),
    [
        (np.zeros(5, np.int32), 0, "shape"),
        (np.zeros((1, 5)), 0, "float64"),
        (np.zeros((1, 5), np.int64), 0, "int64"),
        (np.zeros((2, 5), np.int32), -1, "-1"),
        (np.zeros((2, 5), np.int32), [1, 2, 3], "or 2"),
        (np.zeros((2, 5), np.int32), 0.5, "0.5"),
    ],
)
def test_what_cannot_be_coded_is_refused(samples: Any, max_error: Any, said: str) -> None:
    with pytest.raises(LqcError, match=said):
        encode_exact(samples, max_error)


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_damage_gives_other_samples_or_is_named(data: st.DataObject) -> None:
    samples = brain(3, 200)
    coded = bytearray(encode_exact(samples, data.draw(st.sampled_from([0, 2]))))
    kind = data.draw(st.sampled_from(["flip", "cut", "noise"]))
    if kind == "flip":
        for at in data.draw(st.lists(st.integers(0, len(coded) - 1), min_size=1, max_size=5)):
            coded[at] ^= data.draw(st.integers(1, 255))
    elif kind == "cut":
        del coded[data.draw(st.integers(0, len(coded) - 1)) :]
    else:
        coded = bytearray(data.draw(st.binary(max_size=400)))
    try:
        decoded = decode_exact(bytes(coded), 3, 200)
    except LqcError:
        return
    assert decoded.shape == (3, 200)
    assert decoded.dtype == np.int32


def test_missing_bytes_are_named() -> None:
    coded = encode_exact(brain(1, 2000))
    with pytest.raises(LqcError, match="missing"):
        decode_exact(coded[: len(coded) // 2], 1, 2000)

"""A chunk of one to hundreds of channels becomes bytes and back; channels that say the same are said once."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cookbooks.lamquant.lqc.chunk import CodedChunk, decode_chunk, encode_chunk, frames_per_chunk
from cookbooks.lamquant.lqc.errors import LqcError
from cookbooks.lamquant.lqc.levels import MAX_STEP_INDEX
from cookbooks.lamquant.lqc.model import Model
from cookbooks.lamquant.lqc.spatial import Mixing, RotationPlan, pack_plan, plan_for, unpack_plan
from tests.cookbooks.lamquant.lqc.plane_case import model_of, planes_of

PROFILES = ("device", "full")
RATE = 128.0
ALONE = Mixing(False, RotationPlan())


@cache
def model() -> Model:
    return Model(b"12345678", model_of(), 0.13, (8, 20), {})


def mixed(channels: int, sources: int, frames: int = 40, hop: int = 32, seed: int = 0) -> np.ndarray:
    """Coefficients [C, F, K] of channels that hear the same few sources, and noise below a step."""
    rng = np.random.default_rng(seed)
    heard = planes_of(sources, frames, hop, seed, size=6.0)[0]
    noise = 0.2 * rng.normal(size=(channels, frames, hop))
    return np.tensordot(rng.normal(size=(channels, sources)), heard, 1) + noise


def coded(x: np.ndarray, profile: str = "full", step: int = 0, **more) -> CodedChunk:
    """A chunk; decoding it is tried on the way."""
    result = encode_chunk(x, np.full(len(x), step), RATE, model(), profile, **more)
    back = decode_chunk(result.data, x.shape, RATE, model(), profile)
    np.testing.assert_array_equal(back, result.coefficients)
    return result


@pytest.mark.parametrize("profile", PROFILES)
@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([1, 2, 3, 7]),
    st.integers(1, 9),
    st.sampled_from([8, 32, 64]),
    st.integers(0, 1000),
    st.booleans(),
)
def test_what_is_decoded_is_what_the_encoder_said(profile, channels, frames, hop, seed, moving):
    rng = np.random.default_rng(seed)
    x = mixed(channels, 2, frames, hop, seed) * 40
    steps = rng.integers(200, 400, channels)
    offsets = rng.integers(-2, 3, frames).astype(np.int8) if moving else None
    result = encode_chunk(x, steps, RATE, model(), profile, offsets)
    back = decode_chunk(result.data, x.shape, RATE, model(), profile)
    np.testing.assert_array_equal(back, result.coefficients)
    errors = np.sqrt(((back - x) ** 2).mean((1, 2)))
    assert (errors < 2.0 ** (steps.max() / 64 + 0.5)).all()


def test_channels_that_hear_the_same_are_coded_together():
    x = mixed(12, 3)
    alone, device, together = coded(x, mixing=ALONE), coded(x, "device"), coded(x)
    assert device.mixing == alone.mixing and len(alone.data) <= len(device.data)
    assert len(together.data) < 0.6 * len(alone.data)
    assert np.mean((together.coefficients - x) ** 2) < 1.3 * np.mean((alone.coefficients - x) ** 2)


def test_channels_that_have_nothing_in_common_cost_nothing_more():
    x = planes_of(6, 40, 32, size=4.0)[0]
    assert len(coded(x).data) <= len(coded(x, mixing=ALONE).data) + 2


def test_a_dead_channel_and_one_that_joins_late_cost_little_and_stay_what_they_are():
    x = mixed(8, 3)
    joined = x.copy()
    joined[2] = 0
    joined[5, :30] = 0
    joined[6] = 0
    without = coded(np.delete(joined, [2, 6], 0))
    result = coded(joined)
    assert len(result.data) <= len(without.data) * 1.03 + 12
    assert not result.coefficients[[2, 6]].any()


def test_hundreds_of_channels_and_all_zeros():
    x = mixed(300, 5, frames=12, hop=16)
    assert len(coded(x).data) < 0.6 * len(coded(x, mixing=ALONE).data)
    assert len(coded(np.zeros((64, 20, 32))).data) < 90


def test_steps_are_each_channels_own():
    x = mixed(4, 2)
    loud = x * np.array([1, 10, 100, 1000])[:, None, None]
    steps = np.rint(64 * np.log2([1, 10, 100, 1000])).astype(int)
    result = encode_chunk(loud, steps, RATE, model(), "full")
    errors = ((result.coefficients - loud) ** 2).mean((1, 2)) / 4.0 ** (steps / 64)
    assert errors.max() < 5 * errors.min()
    assert len(result.data) < 1.05 * len(coded(x).data) + 16


def test_a_frame_that_is_finer_has_less_error_and_one_byte_says_that_none_is():
    x = mixed(3, 2)
    offsets = np.zeros(40, np.int8)
    offsets[10:20] = 8
    plain, finer = coded(x), coded(x, offsets=offsets)
    error, less = (((one.coefficients - x) ** 2).mean((0, 2)) for one in (plain, finer))
    assert less[10:20].mean() < 0.15 * error[10:20].mean()
    assert len(finer.data) > len(plain.data)
    assert len(coded(x, offsets=np.zeros(40, np.int8)).data) == len(plain.data)


@pytest.mark.parametrize("profile", PROFILES)
def test_damaged_bytes_are_told_or_give_values_of_the_right_shape(profile):
    x = mixed(5, 2, frames=12)
    data = coded(x, profile).data
    rng = np.random.default_rng(0)
    refused = 0
    for trial in range(400):
        broken = bytearray(data[: rng.integers(0, len(data))] if trial % 4 == 0 else data)
        for at in rng.integers(0, 40 if trial % 2 else len(data), rng.integers(1, 4)):
            if at < len(broken):
                broken[at] = rng.integers(0, 256)
        try:
            back = decode_chunk(bytes(broken), x.shape, RATE, model(), profile)
        except LqcError:
            refused += 1
        else:
            assert back.shape == x.shape and np.isfinite(back).all()
    assert 40 < refused < 400


def test_steps_that_cannot_be_are_refused():
    x = mixed(2, 1)
    for steps in ([0], [0, MAX_STEP_INDEX + 1]):
        with pytest.raises(LqcError, match="steps_index: must be 2 numbers"):
            encode_chunk(x, np.array(steps), RATE, model(), "full")


def test_a_chunk_has_about_as_many_values_as_decode_quickly():
    assert frames_per_chunk(1, 128, 256.0) == 240
    for channels in (8, 28, 64):
        assert 80_000 < channels * 64 * frames_per_chunk(channels, 64, 256.0) < 120_000
    for channels, hop in ((300, 128), (1024, 256), (4096, 1024), (1, 4096)):
        frames = frames_per_chunk(channels, hop, 500.0)
        assert frames >= 1 and channels * hop * frames <= 1 << 22


def test_chunks_that_share_a_plan_say_it_once():
    x = mixed(12, 3, frames=160)
    parts = np.split(x, 8, 1)
    shared = unpack_plan(pack_plan(plan_for(x.astype(np.float32), RATE), 12), 12, 32, RATE)
    for part in parts:
        steps = np.zeros(12, int)
        one = encode_chunk(part, steps, RATE, model(), "full", shared=shared)
        back = decode_chunk(one.data, part.shape, RATE, model(), "full", shared)
        np.testing.assert_array_equal(back, one.coefficients)
        assert len(one.data) < 0.98 * len(coded(part).data)


def test_a_chunk_where_the_shared_plan_does_not_fit_has_one_of_its_own():
    x, other = mixed(8, 2, seed=1), mixed(8, 2, seed=2)
    shared = plan_for(x.astype(np.float32), RATE)
    one = encode_chunk(other, np.zeros(8, int), RATE, model(), "full", shared=shared)
    np.testing.assert_array_equal(
        decode_chunk(one.data, other.shape, RATE, model(), "full", shared), one.coefficients
    )
    assert len(one.data) < len(coded(other).data) + 8


def test_a_shared_plan_of_other_channels_is_refused():
    data = pack_plan(plan_for(mixed(12, 3).astype(np.float32), RATE), 12)
    with pytest.raises(LqcError, match="channels together"):
        unpack_plan(data, 3, 32, RATE)
    assert unpack_plan(pack_plan(RotationPlan(), 3), 3, 32, RATE) == RotationPlan()

"""Jumps are found where the signal jumps, cost what they save, and come back as they were."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cookbooks.lamquant.lqc import lapped_pass
from cookbooks.lamquant.lqc.decode import Decoder
from cookbooks.lamquant.lqc.encode import encode
from cookbooks.lamquant.lqc.errors import LqcError
from cookbooks.lamquant.lqc.jump_search import find_jumps
from cookbooks.lamquant.lqc.jumps import NONE, Jumps, pack_jumps, render, render_all, unpack_jumps
from cookbooks.lamquant.lqc.lapped import analyse, mirrored, n_frames
from cookbooks.lamquant.lqc.rms import fast_rms
from cookbooks.lamquant.lqc.targets import NoiseRatio
from cookbooks.lamquant.lqc.varint import Cursor
from tests.cookbooks.lamquant.codec_support import eeg_like
from tests.cookbooks.lamquant.lqc.recording_case import small_model

RATE, HOP = 256.0, 256


def smooth(seconds: float = 40.0, channels: int = 1, seed: int = 3) -> np.ndarray:
    x = eeg_like(channels, seconds, RATE, seed).astype(np.float64)
    return x - np.rint(x.mean(1, keepdims=True))


def with_steps(x: np.ndarray, places: list[int], size: float) -> np.ndarray:
    out = x.copy()
    for number, at in enumerate(places):
        out[:, at:] += size * (1 if number % 2 else -1)
    return out - out.mean(1, keepdims=True)


def bits(x: np.ndarray, step: float) -> float:
    frames = n_frames(x.shape[-1], HOP)
    y = analyse(mirrored(x, 0, 0, frames, x.shape[-1], HOP), HOP) / step
    return float(np.log2(1 + y**2).sum() / 2)


def test_jumps_of_a_recording_are_found_where_they_are_and_save_more_than_they_cost() -> None:
    places = [1111, 3456, 7000, 9001]
    x = with_steps(smooth(), places, 2500.0)
    (found,) = find_jumps(x, np.array([40.0]), RATE, HOP)
    assert found.at.tolist() == places
    left = x - render_all([found], x.shape[1])
    assert bits(x, 40.0) - bits(left, 40.0) > 8 * len(pack_jumps([found]))
    for at in places:
        assert abs(left[0, at] - left[0, at - 1]) < 400


def test_a_signal_without_jumps_is_left_alone() -> None:
    x = smooth(channels=3)
    assert all(one is NONE for one in find_jumps(x, np.array([5.0, 50.0, 500.0]), RATE, HOP))
    assert pack_jumps([NONE] * 3) == b"\x00"


def test_a_loose_electrode_is_found_among_others_and_what_all_do_is_left_to_rotations() -> None:
    x = smooth(channels=4)
    x[2, 5000:] += 9000
    x[:, 8000:] += 3000
    x -= x.mean(1, keepdims=True)
    found = find_jumps(x, np.full(4, 40.0), RATE, HOP)
    assert [one.at.tolist() for one in found] == [[], [], [5000], []]


def test_a_file_with_jumps_is_smaller_for_knowing_them_and_decodes_from_anywhere(monkeypatch) -> None:
    """Some lie beside the border of a chunk, 120 s, and in the two ends of the recording."""
    border = 120 * 256
    places = [20, 5000, border - 3, border + 200, border + 9000, 2 * border + 700]
    x = np.rint(with_steps(smooth(250.0), places, 2500.0)).astype(np.int32)
    data = encode(x, RATE, small_model(), NoiseRatio(0.15))
    decoder = Decoder(data, small_model())
    whole = decoder.read_all()
    assert np.sqrt(np.mean((whole - x) ** 2.0)) <= 0.15 * fast_rms(x[0] - x.mean(), RATE)
    for start, stop in ((border - 300, border + 300), (0, 40), (4990, 5010), (2 * border, x.shape[1])):
        assert np.array_equal(Decoder(data, small_model()).read(start, stop), whole[:, start:stop])
    monkeypatch.setattr(lapped_pass, "find_jumps", lambda x, *_: [NONE] * len(x))
    assert len(data) < 0.97 * len(encode(x, RATE, small_model(), NoiseRatio(0.15)))


@pytest.mark.parametrize("x", [np.zeros((1, 500)), np.full((2, 9), 7.0), np.zeros((1, 0)), np.ones((1, 1))])
def test_short_and_constant_signals_have_no_jumps(x: np.ndarray) -> None:
    assert find_jumps(x, np.ones(len(x)), RATE, HOP) == [NONE] * len(x)


def test_a_coarse_step_pays_for_fewer_jumps() -> None:
    x = with_steps(smooth(), [1111, 3456, 7000, 9001], 150.0)
    fine, coarse = (find_jumps(x, np.array([step]), RATE, HOP)[0] for step in (5.0, 2000.0))
    assert len(coarse.at) <= len(fine.at)
    assert not len(coarse.at)


def test_the_baseline_is_straight_between_jumps_and_nothing_at_the_ends() -> None:
    jumps = Jumps(np.array([4]), 1, np.array([8]), np.array([-8]))
    assert render(jumps, 8).tolist() == [2.0, 6.0, 10.0, 14.0, -14.0, -10.0, -6.0, -2.0]
    assert not render(NONE, 5).any()


@st.composite
def _jumps(draw: st.DrawFn) -> tuple[list[Jumps], int]:
    n = draw(st.integers(2, 3000))
    channels = []
    for _ in range(draw(st.integers(1, 5))):
        at = sorted(draw(st.sets(st.integers(1, n - 1), max_size=12)))
        values = st.lists(st.integers(-(2**24), 2**24), min_size=len(at), max_size=len(at))
        before, after = (np.array(draw(values), np.int64) for _ in range(2))
        grid = draw(st.integers(0, 31))
        channels.append(Jumps(np.array(at, np.int64), grid, before, after) if at else NONE)
    return channels, n


@settings(max_examples=150, deadline=None)
@given(_jumps())
def test_what_is_written_is_what_is_read(case: tuple[list[Jumps], int]) -> None:
    jumps, n = case
    data = pack_jumps(jumps)
    cursor = Cursor(data + b"rest")
    back = unpack_jumps(cursor, len(jumps), n)
    assert cursor.at == len(data)
    for one, other in zip(jumps, back, strict=True):
        assert one.at.tolist() == other.at.tolist()
        assert one.before.tolist() == other.before.tolist()
        assert one.after.tolist() == other.after.tolist()
        assert np.array_equal(render(one, n), render(other, n))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=40), st.integers(1, 4), st.integers(1, 500))
def test_damaged_bytes_are_refused_or_give_jumps_inside_of_the_chunk(
    data: bytes, channels: int, n: int
) -> None:
    try:
        found = unpack_jumps(Cursor(data), channels, n)
    except LqcError:
        return
    assert len(found) == channels
    assert np.isfinite(render_all(found, n)).all()
    assert all((one.at > 0).all() and (one.at < n).all() for one in found)

"""A controller decides from what it has seen, whatever the chunks, the montage and the names of channels."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cookbooks.lamquant.controller.controller import Controller, ControllerError
from cookbooks.lamquant.controller.states import CRITICAL, Point, StateStream
from cookbooks.lamquant.labels.frames import n_frames
from tests.cookbooks.lamquant.controller.made_up import RATE, recording, write_controller

KINDS = ("logistic", "ssm", "lif")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_controller(tmp_path_factory.mktemp("controller"))


@pytest.fixture(scope="module")
def signal() -> NDArray[np.int32]:
    return recording()


def streamed(controller: Controller, signal: NDArray[np.int32], sizes: list[int]) -> tuple[NDArray, NDArray]:
    """Log odds and states, with chunks of so many samples over and over."""
    scores, states = controller.stream(RATE, len(signal)), controller.states()
    odds, found, at, number = [], [], 0, 0
    while at < signal.shape[1]:
        size = sizes[number % len(sizes)]
        one = scores.push(signal[:, at : at + size])
        odds.append(one.log_odds)
        found.append(states.push(one))
        at, number = at + size, number + 1
    return np.concatenate(odds), np.concatenate([*found, states.finish()])


@pytest.mark.parametrize("kind", KINDS)
def test_how_samples_are_cut_into_chunks_changes_nothing(
    directory: Path, signal: NDArray[np.int32], kind: str
) -> None:
    controller = Controller.load(directory, kind)
    odds, states = streamed(controller, signal, [signal.shape[1]])
    assert len(odds) == len(states) == n_frames(signal.shape[1], RATE, 250)
    assert len(np.unique(odds[:, 0])) > 10
    for sizes in ([1], [32], [5, 1, 77, 400]):
        again = streamed(controller, signal, sizes)
        assert np.array_equal(again[0], odds) and np.array_equal(again[1], states)


@pytest.mark.parametrize("kind", KINDS)
def test_what_comes_later_changes_no_decision(directory: Path, signal: NDArray[np.int32], kind: str) -> None:
    """Scores of the first half are the same without the second, states but for the pre-roll that is said."""
    controller = Controller.load(directory, kind)
    half = signal.shape[1] // 2
    whole, states = streamed(controller, signal, [signal.shape[1]])
    odds, before = streamed(controller, signal[:, :half], [half])
    other, _ = streamed(controller, np.concatenate([signal[:, :half], 3 * signal[:, :half]], 1), [half])
    assert np.array_equal(odds, whole[: len(odds)]) and np.array_equal(odds, other[: len(odds)])
    late = round(controller.points["rate"].preroll_s * 4)
    assert np.array_equal(before[:-late], states[: len(before) - late])


def test_order_of_channels_and_unit_change_nothing(directory: Path, signal: NDArray[np.int32]) -> None:
    controller = Controller.load(directory)
    odds, states = streamed(controller, signal, [999])
    mixed = signal[np.random.default_rng(0).permutation(len(signal))]
    again, same = streamed(controller, mixed, [999])
    assert np.array_equal(again, odds) and np.array_equal(same, states)
    louder, loud_states = streamed(controller, 16 * signal, [999])
    assert np.abs(louder - odds).max() < 64 and (loud_states == states).mean() > 0.97


def test_a_dead_channel_counts_for_nothing(directory: Path, signal: NDArray[np.int32]) -> None:
    controller = Controller.load(directory)
    odds, states = streamed(controller, signal, [999])
    dead = np.concatenate([signal, np.full((2, signal.shape[1]), -2000, np.int32)])
    again, same = streamed(controller, dead, [999])
    assert np.array_equal(again, odds) and np.array_equal(same, states)


def test_a_channel_that_dies_on_the_way_does_not_blind_it(directory: Path, signal: NDArray[np.int32]) -> None:
    controller = Controller.load(directory, "logistic")
    without, _ = streamed(controller, signal[:-1], [999])
    dying = signal.copy()
    dying[-1, 12 * RATE :] = 0
    again, _ = streamed(controller, dying, [999])
    assert np.abs(again[14 * 4 :] - without[14 * 4 :]).max() < 64


@pytest.mark.parametrize("channels", [1, 2, 64])
def test_one_channel_or_many_are_decided_on(directory: Path, channels: int) -> None:
    signal = recording(channels)
    odds = streamed(Controller.load(directory, "logistic"), signal, [500])[0][:, 0]
    seizure, rest = odds[28 * 4 : 39 * 4], np.concatenate([odds[40:92], odds[48 * 4 :]])
    assert np.median(seizure) > np.quantile(rest, 0.95)


def test_a_silent_recording_is_quiet(directory: Path) -> None:
    controller = Controller.load(directory, "logistic")
    states = controller.decide(np.zeros((3, 30 * RATE), np.int32), RATE)
    assert len(states) == 120 and CRITICAL not in states


@pytest.mark.parametrize("rate_hz", [100.0, 256.0, 249.7, 1000.0])
def test_any_usual_rate_is_decided_on_in_the_same_way(directory: Path, rate_hz: float) -> None:
    odds = Controller.load(directory, "logistic").stream(rate_hz, 4).push(recording(4, rate_hz=rate_hz))
    seizure = odds.log_odds[28 * 4 : 39 * 4, 0]
    assert len(odds) in (239, 240)
    assert np.median(seizure) > np.quantile(odds.log_odds[40:92, 0], 0.95)


def test_what_cannot_be_decided_on_is_refused_by_its_field(directory: Path) -> None:
    controller = Controller.load(directory)
    with pytest.raises(ValueError, match=r"rate_hz=30: must be at least 40"):
        controller.stream(30, 4)
    with pytest.raises(ValueError, match=r"channels=0"):
        controller.stream(RATE, 0)
    with pytest.raises(ValueError, match=r"digital: shape \(3, 5\): must be \[4, samples\]"):
        controller.stream(RATE, 4).push(np.zeros((3, 5), np.int32))


def test_a_damaged_or_foreign_directory_is_no_controller(directory: Path, tmp_path: Path) -> None:
    with pytest.raises(ControllerError, match="not a controller"):
        Controller.load(tmp_path)
    with pytest.raises(ControllerError, match="not a controller"):
        Controller.load(directory, "other")
    write_controller(tmp_path)
    weights = tmp_path / "controller.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(ControllerError, match="is damaged; train it again"):
        Controller.load(tmp_path)


def burst(signal: NDArray[np.int32], begin_s: float, times: float) -> NDArray[np.int32]:
    louder = signal.copy()
    louder[:, round(begin_s * RATE) : round((begin_s + 2) * RATE)] *= round(times)
    return louder


def test_a_burst_is_critical_whatever_the_score(tmp_path: Path, signal: NDArray[np.int32]) -> None:
    """The fail-safe may raise a state and lowers none; one bad electrode does not trigger it."""
    never = Controller.load(write_controller(tmp_path, critical=1 << 29))
    calm = signal[:, : 22 * RATE]
    assert CRITICAL not in never.decide(calm, RATE)
    loud = never.decide(burst(calm, 15, 12), RATE)
    assert (loud[60:68] == CRITICAL).all() and (loud[:50] != CRITICAL).all()
    assert CRITICAL not in never.decide(burst(calm, 15, 12), RATE, failsafe_rms=50)
    assert CRITICAL in never.decide(burst(calm, 15, 3), RATE, failsafe_rms=2)
    one = calm.copy()
    one[4] = burst(calm, 15, 12)[4]
    assert CRITICAL not in never.decide(one, RATE)


def test_hold_and_preroll_last_as_long_as_they_say(directory: Path, signal: NDArray[np.int32]) -> None:
    scores = Controller.load(directory, "logistic").stream(RATE, 21).push(signal)
    threshold = int(np.quantile(scores.log_odds[:, 0], 0.97))

    def critical(**times: float) -> NDArray[np.bool_]:
        stream = StateStream(Point(threshold, **times), 250)
        return np.concatenate([stream.push(scores), stream.finish()]) == CRITICAL

    bare = critical(hold_s=0, preroll_s=0)
    assert np.array_equal(bare, scores.log_odds[:, 0] >= threshold) and 0 < bare.sum() < len(bare)
    wide = critical(hold_s=3, preroll_s=1)
    at = np.flatnonzero(bare)
    expected = np.zeros(len(bare), bool)
    for t in at:
        expected[max(0, t - 4) : t + 13] = True
    assert np.array_equal(wide, expected)

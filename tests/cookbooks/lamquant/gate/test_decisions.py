"""Figures of decisions, on recordings of a few frames."""

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from cookbooks.lamquant.controller.states import CRITICAL, Point
from cookbooks.lamquant.gate.decided import DecidedRecording
from cookbooks.lamquant.gate.decisions import Judged, counted, decision_figures, event_rows, wilson
from cookbooks.lamquant.gate.energy import loudness
from cookbooks.lamquant.labels.kinds import SEEN_CRITICAL, UNLABELLED

MS, SECOND = 250, 4
POINT = Point(0)


def judged(
    seconds: int, said: list[tuple[float, float]], true: list[tuple[float, float]], stem: str = "a"
) -> Judged:
    frames = seconds * SECOND

    def spans(where: list[tuple[float, float]], value: int) -> NDArray[np.uint8]:
        found = np.zeros(frames, np.uint8)
        for begin, end in where:
            found[int(begin * SECOND) : int(end * SECOND)] = value
        return found

    states, labels = spans(said, CRITICAL), spans(true, SEEN_CRITICAL)
    scores = np.column_stack([100 * (states == CRITICAL)] * 3).astype(np.int32)
    return Judged(stem, stem, DecidedRecording(states, scores), labels, (np.zeros(frames, np.int32),) * 2)


def test_a_seizure_is_found_by_any_overlap_and_counts_once() -> None:
    one = judged(3600, [(95, 101), (104.5, 108), (1000, 1004)], [(100, 110), (500, 520)])
    found = decision_figures([one], POINT, MS)
    # two alarms within the same seizure find it once, and are not false; the third is
    assert (found["event_sensitivity"], found["fa_per_h"]) == (0.5, 1.0)
    assert found["critical_frame_recall"] == pytest.approx(4.5 / 30)
    assert found["critical_share"] == pytest.approx(13.5 / 3600)
    rows = {(row["what"], row["from_s"]): row["latency_s"] for row in event_rows([one], POINT, MS)}
    assert rows == {("found", 100): 0.0, ("missed", 500): None, ("false alarm", 1000): None}


def test_the_latency_is_until_an_alarm_has_lasted() -> None:
    one = judged(60, [(13, 20)], [(10, 30)])
    assert decision_figures([one], POINT, MS)["median_latency_s"] == 5.0


def test_alarms_too_short_are_none_and_close_ones_are_one() -> None:
    one = judged(3600, [(10, 11), (20, 22), (24, 26), (40, 45), (60, 65)], [(100, 110)])
    assert decision_figures([one], POINT, MS)["fa_per_h"] == 3
    whole = judged(3600, [(0.0 + t, 2.5 + t) for t in range(0, 3600, 60)], [(100, 110), (3000, 3010)])
    assert (decision_figures([whole], Point(0, merge_s=600.0), MS)["fa_per_h"] or 0) > 50


def test_what_is_not_there_is_not_measured() -> None:
    found = decision_figures([judged(60, [(10, 20)], [])], POINT, MS)
    assert found["event_sensitivity"] is found["auc"] is found["median_latency_s"] is None
    assert found["sensitivity_low"] is None
    assert counted([judged(60, [], [])], MS)["critical_events"] == 0


def test_only_what_has_a_label_is_counted() -> None:
    one = judged(3600, [(10, 20), (2000, 2010)], [(100, 110)])
    one.labels[1500 * SECOND :] = UNLABELLED
    found = decision_figures([one], POINT, MS)
    assert found["fa_per_h"] == pytest.approx(1 / (1500 / 3600))
    assert counted([one], MS) == {"hours": 1500 / 3600, "critical_events": 1, "patients_with_critical": 1}


def test_events_with_tolerance_are_reported_beside() -> None:
    """An alarm 20 s before an onset finds the event; one 100 s after its end is false."""
    one = judged(3600, [(80, 84), (300, 304)], [(100, 110)])
    found = decision_figures([one], POINT, MS)
    assert (found["event_sensitivity"], found["fa_per_h"]) == (0.0, 2.0)
    assert (found["szcore_sensitivity"], found["szcore_fa_per_day"]) == (1.0, 24.0)


@pytest.mark.parametrize(
    ("found", "of", "low", "high"), [(8, 9, 0.565, 0.980), (0, 5, 0.0, 0.434), (5, 5, 0.566, 1.0)]
)
def test_the_interval_of_a_share(found: int, of: int, low: float, high: float) -> None:
    assert wilson(found, of) == pytest.approx((low, high), abs=1e-3)


def test_loudness_is_causal_and_sees_the_loudest_channel() -> None:
    class Made:
        rate_hz, scale = 128.0, np.ones(2)

        def __init__(self, samples: NDArray[np.int64]) -> None:
            self.samples, self.n_samples = samples, samples.shape[1]

        def read(self, start: int, stop: int) -> NDArray[np.int64]:
            return self.samples[:, start:stop]

    rng = np.random.default_rng(0)
    signal = np.rint(100 * rng.standard_normal((2, 128 * 120))).astype(np.int64)
    signal[1, 128 * 80 : 128 * 90] *= 4
    power, line = loudness(Made(signal), MS)
    assert power[80 * 4 + 8 : 90 * 4].min() > power[40 * 4 : 80 * 4].max()
    assert line[80 * 4 + 8 : 90 * 4].min() > line[40 * 4 : 80 * 4].max()
    begin, _ = loudness(Made(signal[:, : 128 * 70]), MS)
    assert np.array_equal(begin, power[: len(begin)])


def test_a_recording_shorter_than_a_frame_is_measured_and_counts_nothing() -> None:
    short = SimpleNamespace(
        rate_hz=250.0, n_samples=40, scale=np.ones(2), read=lambda a, b: np.ones((2, b - a), np.int32)
    )
    assert [one.shape for one in loudness(short, MS)] == [(0,), (0,)]
    every = [judged(60, [(10, 20)], [(11, 19)]), judged(0, [], [], "b")]
    assert decision_figures(every, POINT, MS)["event_sensitivity"] == 1

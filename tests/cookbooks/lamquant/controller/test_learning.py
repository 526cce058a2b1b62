"""Trainings learn what a wave looks like, and not when it comes; points are chosen for what they are for."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from cookbooks.lamquant.controller.calibration import PointRequest, calibrate, states_of
from cookbooks.lamquant.controller.deciders import decider
from cookbooks.lamquant.controller.economy import rate_advantage, relative_power
from cookbooks.lamquant.controller.features import FeatureStream
from cookbooks.lamquant.controller.figures import alarms, auc, event_figures
from cookbooks.lamquant.controller.pooling import N_POOLED
from cookbooks.lamquant.controller.presets import ControllerPreset
from cookbooks.lamquant.controller.scores import FrameScores
from cookbooks.lamquant.controller.states import CRITICAL, QUIET, Point
from cookbooks.lamquant.controller_training.examples import LabelledExample
from cookbooks.lamquant.controller_training.training import ControllerTrainer
from cookbooks.lamquant.labels.frames import SEEN_CRITICAL, UNLABELLED, runs
from tests.cookbooks.lamquant.controller.made_up import RATE, recording

SMALL = ControllerPreset("test", 8, 1, 3, 16, 8, 1e-2)
FRAMES = 60


def example(
    n: int, split: str, *, seizure: bool, marked: tuple[int, int], rolled: int = 0
) -> LabelledExample:
    """A minute; with the seizure, it is at 24 s, and ``rolled`` frames later."""
    signal = recording(4, seed=n) if seizure else np.random.default_rng(n).integers(-90, 90, (4, 60 * RATE))
    measured = FeatureStream(RATE, 4).push(np.roll(signal, rolled * RATE // 4, axis=1)).astype(np.int16)
    labels = np.zeros(len(measured), np.uint8)
    labels[marked[0] : marked[1]] = SEEN_CRITICAL
    return LabelledExample(f"r{n}", split, measured, labels, runs(labels, SEEN_CRITICAL))


def trained(
    examples: Sequence[LabelledExample], kind: str, preset: ControllerPreset = SMALL
) -> ControllerTrainer:
    trainer = ControllerTrainer(list(examples), preset, kind, FRAMES, 7, 0.01)
    while trainer.epoch < preset.epochs:
        trainer.run_epoch()
    return trainer


def val_auc(trainer: ControllerTrainer, kind: str) -> float:
    scores = [s[:, 0] for s in trainer.scores(kind, trainer.best_arrays())]
    return auc(scores, [one.labels for one in trainer.val])


@pytest.fixture(scope="module")
def seizures() -> list[LabelledExample]:
    rng = np.random.default_rng(0)
    rolls = rng.integers(-80, 70, 8).tolist()
    return [
        example(n, "train" if n < 5 else "val", seizure=True, marked=(96 + r, 160 + r), rolled=r)
        for n, r in enumerate(rolls)
    ]


@pytest.mark.parametrize("kind", ["ssm", "lif"])
def test_each_kind_learns_a_rhythm_wherever_it_is_and_the_logistic_one_beside_it(
    seizures: list[LabelledExample], kind: str
) -> None:
    trainer = trained(seizures, kind)
    assert set(trainer.nets) == {"logistic", kind}
    assert val_auc(trainer, kind) > 0.9 and val_auc(trainer, "logistic") > 0.9
    assert trainer.history[-1]["loss"] < trainer.history[0]["loss"]
    assert ("spike_rate" in trainer.history[0]) == (kind == "lif")


def test_who_knows_only_when_learns_nothing() -> None:
    """Marks at 40 % of recordings in which nothing happens: a controller that finds them looks at a clock."""
    marked = [example(n, "train" if n < 5 else "val", seizure=False, marked=(96, 136)) for n in range(10)]
    trainer = trained(marked, "ssm")
    assert 0.3 < val_auc(trainer, "ssm") < 0.7


def test_the_integers_say_what_the_trained_network_says(seizures: list[LabelledExample]) -> None:
    import torch

    trainer = trained(seizures, "ssm", ControllerPreset("test", 8, 2, 1, 10, 4, 1e-2))
    one = trainer.nets["ssm"]
    decides = decider("ssm", one.average.export())  # type: ignore[operator]
    x = np.clip(np.random.default_rng(0).standard_normal((200, N_POOLED)) * 256, -2047, 2047).astype(np.int64)
    with torch.no_grad():
        wanted = one.average(torch.from_numpy(x[None] / 256).float())[0][0].numpy()
    assert np.abs(decides.run(x, decides.start()) / 256 - wanted).max() < 0.1 * max(1.0, np.abs(wanted).max())


def test_unlabelled_frames_teach_nothing(seizures: list[LabelledExample]) -> None:
    """What is not labelled may be anything: turned around, it leaves every weight as it is."""

    def masked(value: int) -> list[LabelledExample]:
        found = []
        for one in seizures:
            measured = one.measured.copy()
            labels = one.labels.copy()
            if one.split == "train":
                # the end, after which nothing is learned that could have seen it
                labels[200:] = UNLABELLED
                measured[200:, :, :9] = value
            found.append(LabelledExample(one.stem, one.split, measured, labels, runs(labels, SEEN_CRITICAL)))
        return found

    small = ControllerPreset("test", 4, 1, 1, 4, 4, 1e-2)
    one, other = (trained(masked(value), "ssm", small).best_arrays() for value in (0, 500))
    assert all(np.array_equal(one[name], other[name]) for name in one)


def scored(labels: NDArray[np.uint8], seed: int, right: float) -> FrameScores:
    """Scores that know the label in so many of the cases; loudness is that of noise."""
    rng = np.random.default_rng(seed)
    smooth = np.convolve(rng.standard_normal(len(labels) + 8), np.ones(8) / 8, "same")[: len(labels)]
    odds = np.round(256 * (right * (labels == SEEN_CRITICAL) + 3 * smooth - 1)).astype(np.int32)
    loud = np.round(256 * (12 + 0.3 * rng.standard_normal(len(labels)))).astype(np.int32)
    nothing = np.zeros((len(labels), N_POOLED), np.int32)
    return FrameScores(np.column_stack([odds, odds - 9999]), loud, np.zeros_like(loud), nothing)


@pytest.fixture(scope="module")
def judged() -> tuple[list[FrameScores], list[NDArray[np.uint8]]]:
    labels = []
    for n in range(6):
        one = np.zeros(480, np.uint8)
        one[100 + 30 * n : 140 + 30 * n] = SEEN_CRITICAL
        labels.append(one)
    return [scored(one, n, 2.0) for n, one in enumerate(labels)], labels


def test_points_are_for_few_alarms_and_for_few_bytes(judged: tuple[list[FrameScores], list]) -> None:
    scores, labels = judged
    found = calibrate(scores, labels, PointRequest(Point(0), 0.8, (10, 12, 16, 19)), 250)
    assert 0.8 < found.auc < 1
    assert found.events.sensitivity >= 0.8 and found.events.events == 6
    rate, events = found.points["rate"], found.points["events"]
    powers = [relative_power(one.loud) for one in scores]

    def earned(point: Point) -> float:
        return rate_advantage(
            [states_of(one, point, 250) for one in scores], labels, powers, (10, 12, 16, 19)
        )

    assert earned(rate) == found.rate_advantage > max(1.0, earned(events))
    raised = [alarms(one.log_odds[:, 0], events.critical, 2, 3, 250) for one in scores]
    assert event_figures(raised, labels, 250) == found.events


def test_constant_states_earn_nothing_and_right_ones_much(judged: tuple[list[FrameScores], list]) -> None:
    _, labels = judged
    powers = [np.ones(480) for _ in labels]
    levels = (10, 12, 16, 19)

    def earned(states: list[NDArray[np.uint8]]) -> float:
        return rate_advantage(states, labels, powers, levels)

    for state in range(4):
        assert earned([np.full(480, state, np.uint8) for _ in labels]) == pytest.approx(1, abs=1e-3)
    right = [np.where(one == SEEN_CRITICAL, CRITICAL, QUIET).astype(np.uint8) for one in labels]
    wrong = [np.roll(one, 200) for one in right]
    assert earned(right) > 2 and earned(wrong) < 1


def test_alarms_are_merged_and_short_ones_left_out() -> None:
    scores = np.zeros(200, np.int32)
    for begin, end in ((10, 14), (40, 60), (66, 80), (150, 170)):
        scores[begin:end] = 5
    assert alarms(scores, 5, 2, 3, 250) == [(40, 80), (150, 170)]
    assert alarms(scores, 5, 0, 0, 250) == [(10, 14), (40, 60), (66, 80), (150, 170)]
    labels = np.zeros(200, np.uint8)
    labels[55:70] = SEEN_CRITICAL
    labels[140:] = UNLABELLED
    found = event_figures([alarms(scores, 5, 0, 0, 250)], [labels], 250)
    # one event that two alarms touch, one false alarm, and one of which nobody knows
    assert (found.found, found.events, found.false_alarms) == (1, 1, 1)
    assert found.hours == 140 / 4 / 3600


def test_the_area_counts_ties_by_half() -> None:
    labels = np.array([0, 2, 2, 0, 255, 0], np.uint8)
    assert auc([np.array([1, 1, 3, 0, 99, 5])], [labels]) == pytest.approx(3.5 / 6)
    assert np.isnan(auc([np.array([1, 2])], [np.zeros(2, np.uint8)]))

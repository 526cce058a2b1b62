"""Weights of few bits: they are what they say, and a training with them goes on where it was."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from blut_resources.payload_kit.refuse import Refused
from cookbooks.lamquant.codec.data import load_corpus
from cookbooks.lamquant.codec.hardening import (
    MULTIPLIED,
    HardenTrainer,
    few_bit_net,
    load_integers,
    on_grid,
    restrict,
)
from cookbooks.lamquant.codec.presets import PRESETS, judged_at
from cookbooks.lamquant.lqc.context import to_integer
from cookbooks.lamquant.payload.checkpoint_harden import refuse_other_windows
from tests.cookbooks.lamquant.codec_support import write_windows
from tests.cookbooks.lamquant.lqc.recording_case import small_model

SMALL = replace(PRESETS["smoke"], epochs=3, crops_per_shard=4, calibration_crops=3, val_seconds=6.0)


@pytest.fixture(scope="module")
def windows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return write_windows(tmp_path_factory.mktemp("windows"), n_windows=8)


def trainer_of(windows: Path, bits: int = 6) -> HardenTrainer:
    begin = small_model(0).entropy.net
    corpus, tiers, cpu = load_corpus(windows), judged_at(3), torch.device("cpu")
    return HardenTrainer(corpus, SMALL, tiers, 1, cpu, begin=begin, bits=bits)


@pytest.mark.parametrize("bits", [4, 5, 8, 12, 16])
def test_a_layer_has_whole_multiples_of_one_power_of_two_within_its_bits(bits: int) -> None:
    net = small_model(0).entropy.net
    few = restrict(net, bits)
    for name in MULTIPLIED:
        weights, found = getattr(few, name).astype(np.int64), getattr(net, name).astype(np.int64)
        common = int(np.gcd.reduce(weights.ravel())) or 1
        step = common & -common
        assert np.abs(weights // step).max() <= 2 ** (bits - 1) - 1
        assert np.abs(weights).max() <= 8191
        if bits >= 14:
            assert np.array_equal(weights, found)
    for name in ("position", "level", "duration", "b2", "b3"):
        assert np.array_equal(getattr(few, name), getattr(net, name))


def test_more_bits_lie_nearer() -> None:
    weights = small_model(0).entropy.net.w1
    errors = [float(np.square(on_grid(weights, bits) - weights).sum()) for bits in range(4, 15)]
    assert errors == sorted(errors, reverse=True) and errors[0] > 0 == errors[-1]


def test_a_network_in_floats_begins_as_the_integers_that_it_was_made_from() -> None:
    trained = to_integer(few_bit_net(8, 16).weights())  # tables that curves have, as trained ones do
    net = few_bit_net(8, 16)
    load_integers(net, trained)
    again = to_integer(net.weights())
    for name, value in trained._asdict().items():
        assert np.abs(getattr(again, name).astype(np.int64) - value).max() <= (0 if name in MULTIPLIED else 1)


def test_training_goes_on_to_the_same_bytes_and_keeps_the_bits(windows: Path) -> None:
    whole, first, continued = (trainer_of(windows) for _ in range(3))
    whole.judge_start()
    start = whole.best_cost
    for _ in range(3):
        whole.run_epoch()
    first.judge_start()
    first.run_epoch()
    continued.restore(*first.state())
    for _ in range(2):
        continued.run_epoch()
    assert continued.history == whole.history and whole.best_cost <= start
    one, other = whole.best_model(), continued.best_model()
    for name, value in one.as_arrays().items():
        assert np.array_equal(other.as_arrays()[name], value), name
    for name in MULTIPLIED:
        weights = getattr(one.net, name)
        assert np.array_equal(on_grid(weights, 6), weights), name


def test_an_epoch_that_is_worse_than_the_start_is_not_kept(windows: Path) -> None:
    trainer = trainer_of(windows)
    trainer.best_cost = 0.0
    trainer.run_epoch()
    assert trainer.best_epoch == 0


def test_a_codec_is_hardened_on_the_windows_that_it_says_it_saw_and_on_no_others(windows: Path) -> None:
    corpus, source = load_corpus(windows), small_model(0)
    refuse_other_windows(source, corpus)
    source.description["windows_sha256"] = corpus.digest
    refuse_other_windows(source, corpus)
    source.description["windows_sha256"] = "0" * 64
    with pytest.raises(Refused, match=r"windows.*must be those of the checkpoint, 0000"):
        refuse_other_windows(source, corpus)

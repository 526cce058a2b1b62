"""What the codec learns from, that it learns, and that the same settings give the same bytes."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from blut_resources.payload_kit.session import Diverged
from cookbooks.lamquant.codec.augment import coloured
from cookbooks.lamquant.codec.checkpoint import save_checkpoint
from cookbooks.lamquant.codec.data import load_corpus
from cookbooks.lamquant.codec.examples import HOPS, coefficients_of, draw_plane, examples_of, plane_of
from cookbooks.lamquant.codec.losses import laplace_bits
from cookbooks.lamquant.codec.presets import (
    LEVEL_ZERO,
    LEVELS,
    LEVELS_PER_OCTAVE,
    N_LEVELS,
    PRESETS,
    TIERS,
    judged_at,
    operating_point,
)
from cookbooks.lamquant.codec.training import LAMBDA, Trainer
from cookbooks.lamquant.lqc import levels
from cookbooks.lamquant.lqc.lapped import bin_frequency
from tests.cookbooks.lamquant.codec_support import eeg_like, write_windows

SMALL = replace(PRESETS["smoke"], crops_per_shard=6, calibration_crops=4)


@pytest.fixture(scope="module")
def windows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return write_windows(tmp_path_factory.mktemp("windows"), n_windows=12)


def trainer_of(windows: Path, seed: int = 1, tier: int | str = 3) -> Trainer:
    return Trainer(load_corpus(windows), SMALL, judged_at(tier), seed, torch.device("cpu"))


def _trained(root: Path, windows: Path, seed: int) -> Path:
    trainer = trainer_of(windows, seed)
    trainer.run_epoch()
    root.mkdir()
    save_checkpoint(root, trainer.best_model(), LAMBDA, LEVELS, {"tier": 3})
    return root


def test_the_same_seed_gives_the_same_checkpoint_bytes_and_another_seed_does_not(
    windows: Path, tmp_path: Path
) -> None:
    one, again, other = (_trained(tmp_path / str(n), windows, seed) for n, seed in enumerate((1, 1, 2)))
    for name in ("model.safetensors", "model.json"):
        assert (again / name).read_bytes() == (one / name).read_bytes()
        assert (other / name).read_bytes() != (one / name).read_bytes()


def test_what_is_restored_continues_to_the_same_weights(windows: Path) -> None:
    whole, first = trainer_of(windows), trainer_of(windows)
    for _ in range(3):
        whole.run_epoch()
    first.run_epoch()
    continued = trainer_of(windows, seed=1)
    continued.restore(*first.state())
    for _ in range(2):
        continued.run_epoch()
    assert continued.history == whole.history and continued.steps == whole.steps
    tensors, expected = continued.state()[0], whole.state()[0]
    assert tensors.keys() == expected.keys()
    assert all(torch.equal(tensors[name], expected[name]) for name in expected)


def test_epochs_cost_less_and_less_at_every_tier_and_the_best_is_kept(windows: Path) -> None:
    preset = replace(PRESETS["smoke"], epochs=4)
    trainer = Trainer(load_corpus(windows), preset, judged_at("all"), 1, torch.device("cpu"))
    costs = [trainer.run_epoch()["val_loss"] for _ in range(4)]
    assert min(costs[1:]) < costs[0]
    assert trainer.best_cost == min(costs) and trainer.best_epoch == 1 + int(np.argmin(costs))
    planes = trainer.planes(6)
    bits = [sum(t.static().quantise(p, LAMBDA)[1] for p in planes) for t in (trainer, trainer_of(windows))]
    assert bits[0] < 0.9 * bits[1]


def test_a_loss_that_is_not_a_number_stops_training(windows: Path) -> None:
    trainer = trainer_of(windows)
    with torch.no_grad():
        trainer.net.features.weight[0, 0] = float("nan")
    with pytest.raises(Diverged, match="epoch 1"):
        trainer.run_epoch()


def test_crops_have_every_level_rate_and_frame_that_a_file_may_need(windows: Path) -> None:
    corpus, rng = load_corpus(windows), np.random.default_rng(0)
    planes = [draw_plane(corpus, rng, 16.0) for _ in range(400)]
    found = [int(p.spec.levels[0]) for p in planes]
    assert {*range(LEVELS[0], LEVELS[1] + 1)} <= {*found}
    assert min(found) <= 2 and max(found) >= 24
    assert sum(LEVELS[0] <= level <= LEVELS[1] for level in found) > 250
    assert {p.spec.hop for p in planes} == {*HOPS}
    assert {p.spec.rate_hz for p in planes} >= {100.0, 128.0, 250.0, 256.0}
    usual = [0.2 < p.spec.hop / p.spec.rate_hz < 1.2 for p in planes]
    assert sum(usual) > 200
    assert all(np.isfinite(p.y).all() and p.y.shape[2] == p.spec.hop for p in planes)


@pytest.mark.parametrize(("seconds", "rate_hz"), [(2.0, 256.0), (20.0, 1.0), (3.0, 31.25), (1.0, 5000.0)])
def test_short_and_slow_recordings_are_trained_on(tmp_path: Path, seconds: float, rate_hz: float) -> None:
    root = write_windows(tmp_path, n_windows=2)
    meta = json.loads((root / "windows.json").read_text())
    for entry in meta["recordings"]:
        x = eeg_like(1, seconds, rate_hz) * 0.1
        np.save(root / entry["file"], x.reshape(1, 1, -1).astype(np.float32))
        entry |= {"rate_hz": rate_hz, "n_windows": 1}
    (root / "windows.json").write_text(json.dumps(meta))
    trainer = trainer_of(root)
    assert math.isfinite(trainer.run_epoch()["val_loss"])
    assert trainer.best_model().starts.shape


def test_another_spectrum_is_as_strong_as_the_one_before(windows: Path) -> None:
    x = eeg_like(1, 40.0, seed=3)[0].astype(np.float64)
    y, counted = coefficients_of(x - x.mean(), 128), bin_frequency(128, 256.0) > 0.7
    rng, shapes = np.random.default_rng(1), []
    for _ in range(50):
        new = coloured(y, 128, 256.0, rng)
        assert math.isclose(np.square(new[:, counted]).sum(), np.square(y[:, counted]).sum(), rel_tol=1e-9)
        shapes.append(np.log2(np.square(new).mean(0) / np.square(y).mean(0)))
    assert np.std(shapes, axis=0)[counted].min() > 0.5, "each frequency is sometimes louder, sometimes not"
    for y, rate_hz in ((np.zeros((4, 32)), 100.0), (np.ones((4, 32)), 0.5), (np.ones((4, 1024)), 2e4)):
        assert all(np.isfinite(coloured(y, y.shape[1], rate_hz, rng)).all() for _ in range(40))


def test_contexts_without_any_magnitude_are_few_and_count_as_what_they_stand_for() -> None:
    x = eeg_like(1, 60.0, seed=5)[0].astype(np.float64)
    plane = plane_of(coefficients_of(x - x.mean(), 256), 9, float(x.std()), 256, 256.0)
    q = np.zeros(plane.y.shape, np.int32)
    q[0, ::9, ::41] = 3
    examples = examples_of(plane, q, np.random.default_rng(0))
    bins = 1 + int(np.flatnonzero(q[0].any(0))[-1])
    assert len(examples) < 0.8 * q.shape[1] * bins
    assert examples.weight.sum() == pytest.approx(q.shape[1] * bins, rel=0.1)
    assert {*examples.weight.tolist()} == {1.0, 8.0}
    quiet = ~examples.features.any(1)
    assert (examples.weight[~quiet] == 1).all() and (examples.weight[quiet] == 8).all()


def test_the_code_length_of_all_magnitudes_adds_up_to_certainty() -> None:
    magnitude = torch.arange(0, 4000, dtype=torch.float64)
    for log_scale in (-4.0, -1.0, 0.0, 2.0, 6.0):
        bits = laplace_bits(magnitude, torch.full_like(magnitude, log_scale))
        signs = torch.where(magnitude > 0, 2.0, 1.0)  # a sign is one of the bits
        assert float((signs * torch.exp2(-bits)).sum()) == pytest.approx(1, abs=1e-4)


def test_tiers_lie_within_what_is_trained_and_one_is_meant_by_all() -> None:
    assert (LEVEL_ZERO, LEVELS_PER_OCTAVE, N_LEVELS) == (
        levels.LEVEL_ZERO, levels.LEVELS_PER_OCTAVE, levels.N_LEVELS,
    )  # fmt: skip
    assert all(LEVELS[0] <= tier.level <= LEVELS[1] for tier in TIERS.values())
    assert judged_at("all") == tuple(TIERS.values()) and judged_at(2) == (TIERS[2],)
    assert operating_point("all") == TIERS[3] and operating_point(1) == TIERS[1]

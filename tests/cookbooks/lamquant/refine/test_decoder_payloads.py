"""Decoders as people get them: trained beside a teacher, continued after a kill, used by the command."""

import json
import os
import signal
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from blut_assets.cli.app import app
from cookbooks.lamquant.codec.data import load_corpus
from cookbooks.lamquant.codec.presets import DECODER_PRESETS, PRESETS, DecoderPreset, judged_at
from cookbooks.lamquant.codec.training import Trainer
from cookbooks.lamquant.gate.metrics import prdn
from cookbooks.lamquant.lqc.decode import decode
from cookbooks.lamquant.lqc.encode import encode
from cookbooks.lamquant.lqc.model import load_model
from cookbooks.lamquant.lqc.planes import PROFILES
from cookbooks.lamquant.lqc.targets import NoiseRatio
from cookbooks.lamquant.refine.files import load_refiner
from cookbooks.lamquant.refine.refiner import LoadedRefiner
from cookbooks.lamquant.refine.training.fit import DecoderFit
from cookbooks.lamquant.refine.training.judge import Errors, strength_for
from tests.cookbooks.lamquant.codec_support import finish, frozen, start, write_windows
from tests.cookbooks.lamquant.lqc.recording_case import related
from tests.cookbooks.lamquant.refine.decoder_case import write_checkpoint, write_decoder

CONFIG = {"preset": "smoke", "seed": 3, "decoder_epochs": 2, "teacher_hidden": 8, "device": "cpu"}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Nets this small are slower with two."""
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A frozen codec, and windows of two channels."""
    place = tmp_path_factory.mktemp("inputs")
    return {
        "windows": write_windows(place / "windows", 12, channels=2),
        "checkpoint": write_checkpoint(place / "model"),
    }


@pytest.fixture(scope="module")
def killed_and_continued(
    inputs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[dict], str]:
    """A training that was killed after its first epoch, and run again: its output, events and stderr."""
    place = tmp_path_factory.mktemp("trained")
    config = frozen(place, CONFIG, **inputs)
    process = start("decoder_train", config)
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["event"] == "checkpoint":
            os.kill(process.pid, signal.SIGKILL)
            break
    process.communicate()
    status, events, err = finish("decoder_train", config)
    assert status == 0, err
    return place / "out", events, err


@pytest.mark.heavy
def test_one_pass_trains_decoder_and_teacher_and_says_what_that_saves(
    inputs: dict[str, Path], killed_and_continued: tuple[Path, list[dict], str]
) -> None:
    out, events, err = killed_and_continued
    epochs = [event for event in events if event["event"] == "epoch"]
    assert [event["epoch"] for event in epochs] == [2]  # the first was not done again
    assert {"loss", "val_error", "val_error_device", "val_error_full", "teacher_loss"} <= set(
        epochs[0]["metrics"]
    )
    facts, model = events[-1]["facts"], load_model(inputs["checkpoint"])
    assert facts["for_encoder"] == model.description["weights_sha256"]
    assert facts["val_prdn"] <= facts["val_prdn_shipped"]
    assert "one pass for both: coding" in err and 0 < facts["shared_pass_saved_pct"] < 50
    assert f"{facts['shared_pass_saved_pct']:.1f} % saved" in err
    assert sorted(path.name for path in out.iterdir()) == [
        *("gain.png", "metrics.json", "refine.json", "refine.safetensors", "teacher"),
    ]
    assert len(load_model(out / "teacher").entropy.net.b2) == 8


def made_fit(inputs: dict[str, Path], sizes: DecoderPreset) -> DecoderFit:
    corpus, model = load_corpus(inputs["windows"]), load_model(inputs["checkpoint"])
    preset = replace(PRESETS["smoke"], hidden=8, shards=1, epochs=2, calibration_crops=4)
    teacher = Trainer(corpus, preset, judged_at(3), 1, torch.device("cpu"))
    return DecoderFit(model, corpus, sizes, 1, torch.device("cpu"), teacher)


def test_a_training_that_is_continued_ends_as_one_that_was_not_stopped(inputs: dict[str, Path]) -> None:
    sizes = replace(DECODER_PRESETS["smoke"], epochs=2, crop_s=6.0, val_seconds=10.0)
    whole, stopped, continued = (made_fit(inputs, sizes) for _ in range(3))
    metrics = [whole.run_epoch(), whole.run_epoch()]
    assert stopped.run_epoch() == metrics[0]
    continued.restore(*stopped.state())
    assert continued.run_epoch() == metrics[1]
    (ends, _), (others, _) = whole.state(), continued.state()
    assert ends.keys() == others.keys() and all(torch.equal(ends[name], others[name]) for name in ends)


def test_channels_that_are_related_decode_better_in_profile_device(inputs: dict[str, Path]) -> None:
    sizes = replace(DECODER_PRESETS["smoke"], shards=12, crop_s=8.0, val_seconds=20.0)
    fit = DecoderFit(
        load_model(inputs["checkpoint"]), load_corpus(inputs["windows"]), sizes, 1, torch.device("cpu")
    )
    fit.run_epoch()
    model, net, x = fit.model, fit.best_net(), related(8, 30.0, seed=9)
    assert net.strength[PROFILES.index("device")] > 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = encode(x, 256.0, model, NoiseRatio(0.3), profile="device")
    refiner = LoadedRefiner(model.digest, net)
    before, after = (prdn(x, decode(data, model, refiner=one)) for one in (None, refiner))
    assert before is not None and after is not None and after < 0.995 * before


def test_a_decoder_is_as_strong_as_no_validation_recording_minds() -> None:
    good, harmed = Errors(1.0, 0.2, 0.2), Errors(1.0, 0.02, 0.06)
    assert strength_for([good]) == 1.0
    assert strength_for([good, harmed]) == 0.5
    assert strength_for([good, Errors(1.0, -0.01, 0.01)]) == 0.0


def test_the_command_decodes_the_same_bytes_otherwise_and_refuses_another_codecs_decoder(
    inputs: dict[str, Path], tmp_path: Path
) -> None:
    model = load_model(inputs["checkpoint"])
    path = tmp_path / "night.lqc"
    path.write_bytes(encode(related(3, 20.0), 256.0, model, NoiseRatio(0.3), threads=1))
    mine = write_decoder(tmp_path / "mine", model.description["weights_sha256"])
    strange = write_decoder(tmp_path / "strange", "cd" * 32)
    runner, before = CliRunner(), path.read_bytes()
    words = ["codec", "decode", str(path), "-m", str(inputs["checkpoint"]), "-o", str(tmp_path / "out.npy")]
    done = runner.invoke(app, [*words, "--decoder", str(mine)])
    assert done.exit_code == 0, done.output
    expected = decode(before, model, refiner=load_refiner(mine))
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), expected)
    assert not np.array_equal(expected, decode(before, model)) and path.read_bytes() == before
    refused = runner.invoke(app, [*words, "--force", "--decoder", str(strange)])
    assert refused.exit_code == 1 and "give the decoder of that model, or none" in refused.output
    none = runner.invoke(app, [*words, "--force", "--decoder", str(inputs["checkpoint"])])
    assert none.exit_code == 2 and "is not a refining decoder" in none.output

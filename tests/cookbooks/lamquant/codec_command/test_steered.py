"""A pipeline that was promoted encodes people's own recordings: bits follow what its controller sees."""

from pathlib import Path

import edfio
import numpy as np
import pytest

from cookbooks.lamquant.adaptive.checks import states_differ
from cookbooks.lamquant.adaptive.codec import FollowingCodec, load_adaptive, save_adaptive
from cookbooks.lamquant.adaptive.levels import StateLevels
from cookbooks.lamquant.controller.controller import Controller
from cookbooks.lamquant.controller.states import CRITICAL, Point
from cookbooks.lamquant.lqc.model import load_model
from tests.cookbooks.lamquant.codec_command.conftest import Codec, rows
from tests.cookbooks.lamquant.controller.made_up import RATE, recording, write_controller

SITES = ("Fp1", "Fp2", "C3", "C4")
LEVELS = (10, 12, 16, 19)


@pytest.fixture
def pipeline(checkpoint: Path, tmp_path: Path) -> Path:
    """A codec and a controller that sees rhythmic waves rise, as one artifact."""
    controller, place = tmp_path / "controller", tmp_path / "pipeline"
    place.mkdir()
    write_controller(controller)
    made = FollowingCodec(
        load_model(checkpoint),
        Controller.load(controller, "logistic"),
        StateLevels(LEVELS),
        Point(200),
        "full",
    )
    save_adaptive(place, checkpoint, controller, made)
    return place


@pytest.fixture
def seizure(tmp_path: Path) -> Path:
    """A minute of EEG with a rhythm in the middle, and an ECG that nobody codes with loss."""
    x = recording(len(SITES) + 1).astype(np.int16)
    limits = {"physical_range": (-3276.8, 3276.7), "digital_range": (-32768, 32767)}
    labels = [*(f"EEG {site}" for site in SITES), "ECG"]
    signals = [
        edfio.EdfSignal.from_digital(row, RATE, label=label, physical_dimension="uV", **limits)
        for row, label in zip(x, labels, strict=True)
    ]
    path = tmp_path / "seizure.edf"
    edfio.Edf(signals).write(path)
    return path


class Seen:
    """The EEG of the recording, as a controller reads it."""

    rate_hz, channels = float(RATE), list(SITES)

    def __init__(self) -> None:
        self._x = recording(len(SITES) + 1)[: len(SITES)]
        self.n_samples = self._x.shape[1]

    def read(self, start: int, stop: int) -> np.ndarray:
        return self._x[:, start:stop]


def test_the_model_of_a_pipeline_lets_bits_follow_its_controller(
    codec: Codec, pipeline: Path, seizure: Path, tmp_path: Path
) -> None:
    out, following = tmp_path / "a.lqc", load_adaptive(pipeline)
    codec("encode", seizure, "-m", pipeline, "-o", out)
    states = following.decide(Seen())
    assert 0 < (states == CRITICAL).mean() < 0.8
    assert states_differ(following, "seizure", states, states, out) == []
    assert "CRITICAL" in codec("info", out).stdout
    codec("verify", out, "-m", pipeline, "--against", seizure)
    back = tmp_path / "back.edf"
    codec("decode", out, "-m", pipeline, "-o", back)
    kept = [signal for signal in edfio.read_edf(back).signals if signal.label == "ECG"]
    assert np.array_equal(kept[0].digital, recording(len(SITES) + 1)[-1])


def test_its_profile_is_the_pipelines_unless_another_is_asked_for(
    codec: Codec, pipeline: Path, seizure: Path, tmp_path: Path
) -> None:
    manifest = pipeline / "adaptive.json"
    manifest.write_text(manifest.read_text().replace('"profile": "full"', '"profile": "device"'))
    for words, profile in ((), "device"), (("--profile", "full"), "full"):
        codec("encode", seizure, "-m", pipeline, "-o", tmp_path / "b.lqc", "--force", *words)
        assert f", {profile}" in codec("info", tmp_path / "b.lqc").stdout


def test_a_target_is_kept_and_nothing_is_decided(
    codec: Codec, pipeline: Path, seizure: Path, tmp_path: Path
) -> None:
    done = codec("encode", seizure, "-m", pipeline, "--prdn", 60, "-o", tmp_path / "c.lqc", "--json")
    assert rows(done)[0]["prdn"] <= 60
    assert "CRITICAL" not in codec("info", tmp_path / "c.lqc").stdout


def test_a_recording_that_the_controller_cannot_measure_says_why(
    codec: Codec, pipeline: Path, tmp_path: Path
) -> None:
    slow = edfio.EdfSignal(
        np.random.default_rng(0).standard_normal(640), 32, label="EEG C3", physical_dimension="uV"
    )
    edfio.Edf([slow]).write(tmp_path / "slow.edf")
    done = codec("encode", tmp_path / "slow.edf", "-m", pipeline, "-o", tmp_path / "d.lqc", status=1)
    assert "the controller of the pipeline cannot look at it" in done.output and "32" in done.output

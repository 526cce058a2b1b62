"""The training without labels as a process: better than a guess or refused, and where a controller begins."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blut_resources.payload_kit.refuse import Refused
from cookbooks.lamquant.controller.presets import CONTROLLER_PRESETS
from cookbooks.lamquant.controller_training.masked import held, hidden_spans
from cookbooks.lamquant.controller_training.trunk import read_trunk
from cookbooks.lamquant.labels.store import read_labels
from tests.cookbooks.lamquant.controller.test_snn_train import CONFIG
from tests.cookbooks.lamquant.labels.seizures import SeizureSet
from tests.cookbooks.lamquant.verdict_case import payload

SETTINGS: dict[str, Any] = {"preset": "smoke", "seed": 2, "context_s": 30.0}


@pytest.fixture(scope="module")
def trunk(seizure_set: SeizureSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("trunk")
    inputs = {"corpus": seizure_set.corpus, "labels": seizure_set.labels / "fit"}
    done = payload(work, "mae_train", {**SETTINGS, "epochs": 12}, **inputs)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout.splitlines()[-1])["facts"]
    assert facts["val_masked_loss"] < facts["val_baseline_loss"] and facts["epochs"] == 12
    return work / "mae_train"


@pytest.mark.heavy
def test_a_controller_begins_with_the_trunk(trunk: Path, seizure_set: SeizureSet, tmp_path: Path) -> None:
    inputs = {"corpus": seizure_set.corpus, "labels": seizure_set.labels / "fit"}
    one = {**CONFIG, "epochs": 1}
    for name, more in (("snn_train-with", {"mae": trunk}), ("snn_train-without", {})):
        done = payload(tmp_path, name, one, **inputs, **more)
        assert done.returncode == 0, done.stderr
    first = [
        json.loads((tmp_path / name / "metrics.json").read_text())["epochs"][0]["loss"]
        for name in ("snn_train-with", "snn_train-without")
    ]
    assert first[0] != first[1]
    for wrong, said in (({"model": "lif"}, "model='lif': must be ssm"), ({"preset": "fast"}, "has width 8")):
        done = payload(tmp_path, "snn_train-wrong", {**one, **wrong}, **inputs, mae=trunk)
        assert done.returncode != 0 and said in done.stderr


@pytest.mark.heavy
def test_a_trunk_that_saw_what_the_controller_may_not_see_is_refused(
    trunk: Path, seizure_set: SeizureSet
) -> None:
    stems, preset = set(read_labels(seizure_set.labels / "fit").recordings), CONTROLLER_PRESETS["smoke"]
    assert read_trunk(trunk, preset, stems).tensors
    sealed_since = min(stems)
    with pytest.raises(Refused, match=f"the trunk has seen {sealed_since} and 0 more"):
        read_trunk(trunk, preset, stems - {sealed_since})


def test_a_trunk_that_knows_no_more_than_a_guess_is_refused(seizure_set: SeizureSet, tmp_path: Path) -> None:
    inputs = {"corpus": seizure_set.corpus, "labels": seizure_set.labels / "fit"}
    done = payload(tmp_path, "mae_train", {**SETTINGS, "epochs": 1, "lr": 1e-7}, **inputs)
    assert done.returncode != 0 and "it has learned nothing to start from" in done.stderr
    assert not (tmp_path / "mae_train" / "trunk.json").exists()


def test_the_guess_is_the_last_frame_that_was_seen() -> None:
    x = np.arange(10, dtype=np.float32).reshape(1, 10, 1) + 1
    hidden = np.array([[1, 0, 1, 1, 0, 0, 1, 0, 1, 1]], bool)
    assert held(x, hidden)[0, :, 0].tolist() == [0, 2, 2, 2, 5, 6, 6, 8, 8, 8]
    spans = hidden_spans(np.random.default_rng(0), 200, 100, 8)
    assert spans.shape == (200, 100) and 0.45 < spans.mean() < 0.55
    assert (np.diff(spans.astype(int), axis=1) != 0).mean() < 1 / 8

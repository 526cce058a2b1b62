"""The training of a controller as a process: what it leaves, killed and resumed, and what it refuses."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cookbooks.lamquant.controller.controller import Controller
from cookbooks.lamquant.controller.figures import auc
from cookbooks.lamquant.formats.corpus import Corpus
from cookbooks.lamquant.labels.store import INDEX, read_labels
from tests.conftest import REPOSITORY
from tests.cookbooks.lamquant.codec_support import frozen, tree_digest
from tests.cookbooks.lamquant.labels.seizures import SeizureSet
from tests.forked import CODEC, server

CONFIG: dict[str, Any] = {"preset": "smoke", "model": "ssm", "seed": 5, "epochs": 3, "context_s": 30.0}


def order(directory: Path, found: SeizureSet, labels: Path | None = None, **changed: Any) -> list[str]:
    """What starts the training; it leaves ``directory / "out"``."""
    inputs = {"corpus": found.corpus, "labels": labels or found.labels / "fit"}
    path = frozen(directory, {**CONFIG, **changed}, **inputs)
    return ["-m", "cookbooks.lamquant.payload.snn_train", "--config", str(path)]


def run(*given: Any, **changed: Any) -> subprocess.CompletedProcess[str]:
    return server(*CODEC).run(order(*given, **changed), os.environ, REPOSITORY)


def events_of(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def trained(seizure_set: SeizureSet, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict]]:
    directory = tmp_path_factory.mktemp("trained")
    return directory / "out", events_of(run(directory, seizure_set))


def test_what_is_reported_is_what_the_written_integers_decide(
    trained: tuple[Path, list[dict]], seizure_set: SeizureSet
) -> None:
    out, events = trained
    epochs = [e for e in events if e["event"] == "epoch"]
    assert [e["epoch"] for e in epochs] == [1, 2, 3]
    assert {"loss", "val_auc", "val_auc_logistic"} <= set(epochs[0]["metrics"])
    facts, corpus = events[-1]["facts"], Corpus(seizure_set.corpus)
    labels = read_labels(seizure_set.labels / "fit")
    for kind, name in (("", "val_auc"), ("logistic", "val_auc_logistic")):
        controller = Controller.load(out, kind)
        scores = []
        for stem in labels.stems("val"):
            recording = corpus.open(stem)
            stream = controller.stream(recording.rate_hz, len(recording.channels))
            scores.append(stream.push(recording.digital).log_odds[:, 0])
        assert auc(scores, [labels.of(stem) for stem in labels.stems("val")]) == facts[name]
    names = ["controller.json", "controller.safetensors", "metrics.json", "states.png"]
    assert sorted(path.name for path in out.iterdir()) == names
    assert (out / "states.png").read_bytes().startswith(b"\x89PNG")
    assert len(json.loads((out / "metrics.json").read_text())["epochs"]) == 3


def test_a_killed_run_continues_to_the_same_bytes_as_an_uninterrupted_one(
    seizure_set: SeizureSet, trained: tuple[Path, list[dict]], tmp_path: Path
) -> None:
    said = tmp_path / "said"
    said.touch()
    process = server(*CODEC).start(order(tmp_path, seizure_set), os.environ, REPOSITORY, said)
    while '"checkpoint"' not in said.read_text():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() != 0 and not (tmp_path / "out" / "controller.json").exists()
    events = events_of(run(tmp_path, seizure_set))
    assert next(e["epoch"] for e in events if e["event"] == "epoch") > 1
    assert tree_digest(tmp_path / "out") == tree_digest(trained[0])


def test_labels_by_which_nothing_can_be_chosen_are_refused(seizure_set: SeizureSet, tmp_path: Path) -> None:
    labels = tmp_path / "labels"
    shutil.copytree(seizure_set.labels / "fit", labels)
    for stem in read_labels(labels).stems("val"):
        np.save(labels / f"{stem}.npy", np.zeros_like(np.load(labels / f"{stem}.npy")))
    done = run(tmp_path, seizure_set, labels)
    assert done.returncode != 0 and "no val recording has a critical event" in done.stderr
    index = json.loads((labels / INDEX).read_text())
    index["frame_ms"] = 500
    (labels / INDEX).write_text(json.dumps(index))
    done = run(tmp_path, seizure_set, labels)
    assert done.returncode != 0 and "make the labels again" in done.stderr


def test_levels_that_are_not_four_are_refused(seizure_set: SeizureSet, tmp_path: Path) -> None:
    done = run(tmp_path, seizure_set, levels=[10, 19])
    assert done.returncode != 0 and "levels=[10, 19]: must be four, ascending" in done.stderr

"""Real EEG whose labels say nothing of it: the gate must not find a controller good there."""

import shutil

import numpy as np
import pytest

from cookbooks.lamquant.controller.states import Point
from cookbooks.lamquant.formats.edf.recording import read_edf
from cookbooks.lamquant.gate.split import read_split
from cookbooks.lamquant.labels.frames import n_frames, runs
from cookbooks.lamquant.labels.kinds import SEEN_CRITICAL
from cookbooks.lamquant.labels.store import write_index, write_labels
from cookbooks.lamquant.samples.aeon import ensure_aeon_sample
from tests.cookbooks.lamquant.gate.decision_case import REGISTRY, DecisionCase
from tests.cookbooks.lamquant.split_corpora import Source, write_corpus
from tests.cookbooks.lamquant.verdict_case import made

SECONDS, RATE = 400, 256
PIECES = {"train": "ab", "test": "cd"}
"""Two pieces of each recording stand for people of their own."""


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> DecisionCase:
    """Slow potentials of a patient, in four pieces; seizures are marked at random."""
    root = tmp_path_factory.mktemp("real")
    edf = ensure_aeon_sample(root / "edf", cache=request.config.cache.mkdir("aeon"), sets=("scp2",))
    sources = {}
    for part, names in PIECES.items():
        digital = read_edf(edf / "scp2" / f"scp2_bci2-{part}.edf").digital
        for number, name in enumerate(names):
            piece = digital[:, number * SECONDS * RATE :][:, : SECONDS * RATE]
            sources[f"{name}_1"] = Source(name, piece, RATE, ["Cz"], 1 / 32)
    case = DecisionCase(root / "case")
    shutil.move(write_corpus(root / "corpus", sources), case.corpus)
    sides = {"train_subjects": ["a"], "val_subjects": ["b"], "test_subjects": ["c", "d"]}
    shutil.move(made(root, "split_build", sides, corpus=case.corpus), case.split)
    homes = read_split(case.split).recordings
    rng = np.random.default_rng(7)
    for place in ("fit", "sealed"):
        index = {}
        for stem in (one for one, home in homes.items() if (home == "test") == (place == "sealed")):
            labels = np.zeros(n_frames(SECONDS * RATE, RATE, 250), np.uint8)
            for begin in rng.integers(0, len(labels) - 80, 9):
                labels[begin : begin + int(rng.integers(20, 50))] = SEEN_CRITICAL
            write_labels(case.labels / place / f"{stem}.npy", labels)
            index[stem] = {"patient": stem[0], "split": homes[stem], "frames": len(labels)}
            assert len(runs(labels, SEEN_CRITICAL)) >= 3
        write_index(case.labels / place, 250, index)
    case.registry.mkdir()
    (case.registry / "registry.yaml").write_text(REGISTRY)
    return case


@pytest.mark.parametrize("threshold", [0, 400])
def test_labels_that_were_shuffled_are_not_found_in_real_recordings(
    real: DecisionCase, threshold: int
) -> None:
    """Whatever the threshold: whoever finds enough of them calls most of the time critical, or cries wolf."""
    real.make(point=Point(threshold))
    verdict = real.fails("decision auc is", "decision margin_over_energy_auc is")
    assert verdict.synthetic is False
    assert 0.35 < (verdict.measurements["auc"] or 0) < 0.65
    assert not [one for one in verdict.criteria if one.kind == "minimum" and not one.passed]

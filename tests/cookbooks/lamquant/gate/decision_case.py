"""Everything that a verdict on a controller needs, for a test to spoil; its weights are made up."""

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blut_resources.files.digest import digest_path
from blut_resources.payload_kit.config import read
from blut_resources.registry.verdicts import Verdict, parse_verdict
from cookbooks.lamquant.controller.controller import DESCRIPTION, save_controller
from cookbooks.lamquant.controller.deciders import named
from cookbooks.lamquant.controller.integer import quantised
from cookbooks.lamquant.controller.pooling import N_POOLED, NAMES
from cookbooks.lamquant.controller.states import Point
from cookbooks.lamquant.formats.corpus import Corpus
from cookbooks.lamquant.gate.split import read_split
from cookbooks.lamquant.payload.snn_decide import decide_recordings
from cookbooks.lamquant.payload.snn_score import SnnScoreSettings, score
from tests.cookbooks.lamquant.controller.made_up import arrays
from tests.cookbooks.lamquant.labels.seizures import SeizureSet
from tests.cookbooks.lamquant.verdict_case import CHANGE

INPUTS = ("candidate", "corpus", "split", "labels", "decided", "registry")
REGISTRY = """\
schema: blut.floor_registry.v2
version: 0.1.0
model: lamquant-snn
change_classes: [A.1]
split: test
decisions:
  min_event_sensitivity: 0.6
  max_fa_per_h: 60
  max_critical_share: 0.25
  min_auc: 0.7
  min_margin_over_energy_auc: 0.01
  min_margin_over_logistic_auc: -0.02
minima:
  {recordings: 2, patients: 2, samples: 10000, critical_events: 3, patients_with_critical: 2, hours: 0.05}
"""
SEEN = {"mean theta": 0.5, "mean rhythmic rise": 2.0, "mean rhythm": 1.0}
"""What tells a synthetic seizure quite well without any training."""
THRESHOLD = 400


@dataclass(frozen=True)
class DecisionCase:
    """Directories of a case."""

    root: Path

    def __getattr__(self, name: str) -> Path:
        if name not in INPUTS:
            raise AttributeError(name)
        return self.root / name

    @property
    def stems(self) -> list[str]:
        return read_split(self.split).of("test")

    def inputs(self, **more: Path) -> dict[str, Path]:
        return {name: self.root / name for name in INPUTS} | more

    def judge(self, more: dict[str, Path] | None = None, **changes: Any) -> Verdict:
        """The verdict on what is there now, whose digests the graph is taken to have recorded."""
        names = ("candidate", "corpus", "split", "labels", "registry")
        digests = {name: digest_path(self.root / name) for name in names}
        config = {"digests": digests, "split": "test", "change": CHANGE, **changes}
        verdict = score(read(config, SnnScoreSettings), self.inputs(**(more or {})))
        return parse_verdict(verdict.to_json())

    def fails(self, *reasons: str, **changes: Any) -> Verdict:
        verdict = self.judge(**changes)
        assert not verdict.passed
        for reason in reasons:
            assert any(reason in told for told in verdict.reasons), verdict.reasons
        return verdict

    def decide(self) -> None:
        """Decide again, by the candidate that is there now."""
        shutil.rmtree(self.decided, ignore_errors=True)
        list(decide_recordings(self.candidate, Corpus(self.corpus), self.stems, self.decided))

    def make(self, model: str = "logistic", point: Point | None = None, **changed: Any) -> None:
        """Write a candidate and let it decide.

        Args:
            model: which of the three is in charge.
            point: its operating point.
            changed: arrays that are otherwise.
        """
        index = (self.labels / "fit" / "labels.json").read_bytes()
        points = {name: asdict(point or Point(THRESHOLD)) for name in ("events", "rate")}
        description = {
            "model": model,
            "frame_ms": 250,
            "labels_sha256": hashlib.sha256(index).hexdigest(),
            "models": {kind: {"points": points} for kind in ("logistic", "ssm", "lif")},
        }
        shutil.rmtree(self.candidate, ignore_errors=True)
        self.candidate.mkdir()
        save_controller(self.candidate, weights() | changed, description)
        self.decide()

    def describe(self, **changed: Any) -> None:
        """Change what the candidate says of itself."""
        path = self.candidate / DESCRIPTION
        path.write_text(json.dumps(json.loads(path.read_text()) | changed))


def weights() -> dict[str, Any]:
    """Arrays of all three kinds, of which the logistic one tells seizures quite well."""
    row = np.zeros((2, N_POOLED))
    for name, weight in SEEN.items():
        row[0, NAMES.index(name)] = weight
    mean, gain = np.zeros(N_POOLED, np.int32), np.full(N_POOLED, 4096, np.int32)
    return arrays() | {
        "input.mean": mean,
        "input.gain": gain,
        **named("logistic.out", quantised(row, np.array([0.0, -3.0]))),
        "logistic.pace": np.array([4000, 4000], np.int32),
    }


@pytest.fixture(scope="session")
def good_decisions(seizure_set: SeizureSet, tmp_path_factory: pytest.TempPathFactory) -> DecisionCase:
    """A candidate that meets every floor."""
    found = DecisionCase(tmp_path_factory.mktemp("decisions") / "case")
    for name, source in (
        ("corpus", seizure_set.corpus),
        ("split", seizure_set.split),
        ("labels", seizure_set.labels),
    ):
        shutil.copytree(source, found.root / name)
    found.registry.mkdir()
    (found.registry / "registry.yaml").write_text(REGISTRY)
    found.make()
    return found


@pytest.fixture
def decisions(good_decisions: DecisionCase, tmp_path: Path) -> DecisionCase:
    """A copy of it for a test to spoil."""
    shutil.copytree(good_decisions.root, tmp_path / "case")
    return DecisionCase(tmp_path / "case")

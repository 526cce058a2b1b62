"""A codec that follows states, with its files for a verdict to judge, made by the real payloads."""

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blut_resources.files.digest import digest_path
from blut_resources.payload_kit.config import read
from blut_resources.registry.verdicts import Verdict, parse_verdict
from cookbooks.lamquant.adaptive.codec import MANIFEST, FollowingCodec, load_adaptive
from cookbooks.lamquant.controller.controller import save_controller
from cookbooks.lamquant.formats.corpus import Corpus, StoredRecording, open_corpus
from cookbooks.lamquant.gate.split import read_split
from cookbooks.lamquant.labels.store import FIT, INDEX, SEALED, read_labels
from cookbooks.lamquant.payload.pipeline_score import PipelineSettings, score
from tests.cookbooks.lamquant.controller.made_up import arrays
from tests.cookbooks.lamquant.labels.seizures import SeizureSet
from tests.cookbooks.lamquant.verdict_case import CHANGE, made

KEPT = ("corpus", "split", "labels", "windows", "candidate", "bitstreams", "states", "decoded", "registry")
LEVELS = [10, 12, 16, 19]
REGISTRY = """\
schema: blut.floor_registry.v2
version: 0.1.0
model: lamquant-pipeline
change_classes: [A.1]
split: test
each_recording: {min_r: 0.5, max_prdn: 90, min_cr: 2}
bands:
  delta: {max_prd: 95, min_r: 0.3}
each_channel: {min_r: 0.3, max_prdn: 95}
each_stretch: {seconds: 10, min_r: 0.01, max_prdn: 99, max_flat_uv: 50}
comparisons: {min_rate_advantage: 1.02, max_detection_loss: 0.5, max_elsewhere_prdn: 60}
decisions: {max_critical_share: 0.7, min_auc: 0.6}
minima: {recordings: 2, patients: 1, samples: 1000, critical_events: 1}
"""


@dataclass(frozen=True)
class FollowingCase:
    """Everything a verdict needs, as directories that a test may spoil."""

    root: Path

    def __getattr__(self, name: str) -> Path:
        if name not in KEPT:
            raise AttributeError(name)
        return self.root / name

    @property
    def stems(self) -> list[str]:
        return read_split(self.split).of("test")

    @property
    def codec(self) -> FollowingCodec:
        return load_adaptive(self.candidate)

    def opened(self) -> Corpus:
        return open_corpus({"corpus": self.corpus})

    def recording(self, stem: str) -> StoredRecording:
        return self.opened().open(stem)

    def marks(self, stem: str) -> np.ndarray:
        return read_labels(self.labels / SEALED).of(stem)

    def judge(self, **changes: Any) -> Verdict:
        inputs = {name: self.root / name for name in KEPT}
        digests = {
            name: digest_path(inputs[name]) for name in ("candidate", "corpus", "split", "labels", "registry")
        }
        config = {"digests": digests, "split": "test", "change": CHANGE, **changes}
        return parse_verdict(score(read(config, PipelineSettings), inputs).to_json())

    def fails(self, *reasons: str) -> Verdict:
        verdict = self.judge()
        assert not verdict.passed
        for reason in reasons:
            assert any(reason in told for told in verdict.reasons), verdict.reasons
        return verdict

    def point(self, **changed: Any) -> None:
        """Change the operating point of the candidate."""
        path = self.candidate / MANIFEST
        said = json.loads(path.read_text())
        said["point"] |= changed
        path.write_text(json.dumps(said))

    def code(self, codec: FollowingCodec | None = None, states: Any = None) -> None:
        """Encode and decode again, with other states if they are given: a function of a stem and its own."""
        from cookbooks.lamquant.lqc.decode import Decoder

        codec = codec or self.codec
        for stem in self.stems:
            recording = self.recording(stem)
            own = codec.decide(recording)
            chosen = own if states is None else states(stem, own)
            data = codec.encode(recording, chosen)
            (self.bitstreams / f"{stem}.lqc").write_bytes(data)
            (self.states / f"{stem}.states").write_bytes(chosen.tobytes())
            np.save(self.decoded / f"{stem}.npy", Decoder(data, codec.model, threads=1).read_all())


@pytest.fixture(scope="session")
def good(seizure_set: SeizureSet, tmp_path_factory: pytest.TempPathFactory) -> FollowingCase:
    """Synthetic seizures, a codec trained for a moment, and a controller that sees rhythmic waves rise."""
    root, labels = tmp_path_factory.mktemp("following"), seizure_set.labels
    corpus, split = seizure_set.corpus, seizure_set.split
    windows = made(root, "windows_build", {"window_s": 4.0}, corpus=corpus, split=split)
    config = {"preset": "smoke", "epochs": 1, "threads": 1, "tier": "all"}
    codec = made(root, "joint_train", config, windows=windows)
    controller = root / "controller"
    controller.mkdir()
    points = {name: {"critical": 200} for name in ("events", "rate")}
    told = {
        "model": "logistic",
        "frame_ms": 250,
        "labels_sha256": hashlib.sha256((labels / FIT / INDEX).read_bytes()).hexdigest(),
        "models": {"logistic": {"points": points}},
    }
    save_controller(controller, arrays(), told)
    chosen = {"levels": LEVELS, "profile": "device", "hold_s": 3.0}
    fitted = made(
        root,
        "pipeline_choose",
        chosen,
        codec=codec,
        controller=controller,
        corpus=corpus,
        labels=labels / FIT,
    )
    encoded = made(root, "pipeline_encode", {}, candidate=fitted, corpus=corpus, split=split)
    decoded = made(root, "codec_decode", {}, checkpoint=fitted, bitstreams=encoded / "coded")
    case = FollowingCase(root / "case")
    sources = (corpus, split, labels, windows, fitted, encoded / "coded", encoded / "states", decoded)
    for name, source in zip(KEPT, sources, strict=False):
        shutil.copytree(source, case.root / name)
    case.registry.mkdir()
    (case.registry / "registry.yaml").write_text(REGISTRY)
    return case


@pytest.fixture
def case(good: FollowingCase, tmp_path: Path) -> FollowingCase:
    """A copy of the good case for a test to spoil."""
    shutil.copytree(good.root, tmp_path / "case")
    return FollowingCase(tmp_path / "case")

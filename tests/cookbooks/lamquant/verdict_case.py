"""A codec's files for a verdict to judge, made by the real payloads from synthetic recordings."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from blut_resources.files.digest import digest_path
from blut_resources.payload_kit.config import read
from blut_resources.registry.verdicts import Verdict, parse_verdict
from cookbooks.lamquant.formats.corpus import read_corpus
from cookbooks.lamquant.payload.verdict_score import ScoreSettings, score
from cookbooks.lamquant.samples.synthetic import write_synthetic
from tests.conftest import REPOSITORY
from tests.forked import CODEC, server

INPUTS = ("candidate", "windows", "corpus", "split", "bitstreams", "decoded", "registry")
REGISTRY = """\
schema: blut.floor_registry.v1
version: 0.1.0
model: lamquant-joint
change_classes: [A.1]
split: test
each_recording: {min_r: 0.9, max_prdn: 40, min_cr: 4}
bands:
  delta: {max_prd: 60, min_r: 0.5}
  alpha: {max_prd: 90, min_r: 0.3}
minima: {recordings: 1, patients: 1, samples: 10000}
"""
CHANGE = {"change_id": "CHG-7", "description": "a test", "author": "tester", "change_class": "A.1"}


def payload(
    work: Path, name: str, config: dict[str, Any], **inputs: Path
) -> subprocess.CompletedProcess[str]:
    """Run a payload in its own process; the result is in ``work / name``."""
    frozen = work / f"{name}.json"
    module = name.split("-")[0]
    frozen.write_text(
        json.dumps(
            {
                "schema": 1,
                "fingerprint": "test",
                "config": config,
                "inputs": {key: str(path) for key, path in inputs.items()},
                "out": str(work / name),
                "work": str(work / f"{name}.work"),
            }
        )
    )
    words = ["-m", f"cookbooks.lamquant.payload.{module}", "--config", str(frozen)]
    return server(*CODEC).run(words, os.environ, REPOSITORY)


def made(work: Path, name: str, config: dict[str, Any], **inputs: Path) -> Path:
    done = payload(work, name, config, **inputs)
    assert done.returncode == 0, done.stderr
    return work / name


@dataclass(frozen=True)
class Case:
    """Everything a verdict needs, as directories that a test may spoil."""

    root: Path

    def __getattr__(self, name: str) -> Path:
        if name not in INPUTS:
            raise AttributeError(name)
        return self.root / name

    @property
    def stem(self) -> str:
        """The one test recording."""
        return next(path.stem for path in sorted(self.bitstreams.iterdir()))

    @property
    def bitstream(self) -> Path:
        return self.bitstreams / f"{self.stem}.lqc"

    @property
    def decoding(self) -> Path:
        return self.decoded / f"{self.stem}.npy"

    def inputs(self) -> dict[str, Path]:
        return {name: self.root / name for name in INPUTS}

    def named(self, **changes: Any) -> dict[str, Any]:
        """The configuration with the digests of what is there now, unless changed."""
        names = ("candidate", "corpus", "split", "registry")
        digests = {f"{name}_digest": digest_path(self.root / name) for name in names}
        return {**digests, "split": "test", "change": CHANGE, **changes}

    def judge(self, **changes: Any) -> Verdict:
        verdict = score(read(self.named(**changes), ScoreSettings), self.inputs())
        return parse_verdict(verdict.to_json())

    def fails(self, *reasons: str, **changes: Any) -> Verdict:
        verdict = self.judge(**changes)
        assert not verdict.passed
        for reason in reasons:
            assert any(reason in told for told in verdict.reasons), verdict.reasons
        return verdict

    def edit_json(self, path: Path, edit: Any) -> None:
        document = json.loads(path.read_text())
        edit(document)
        path.write_text(json.dumps(document, sort_keys=True, indent=1) + "\n")

    def code(self, work: Path, split: str = "test") -> None:
        """Encode and decode again, in two processes."""
        for name in ("bitstreams", "decoded"):
            shutil.rmtree(self.root / name)
        encoded = made(
            work,
            "codec_encode",
            {"split": split},
            checkpoint=self.candidate,
            corpus=self.corpus,
            split=self.split,
        )
        shutil.move(encoded, self.bitstreams)
        decoded = made(work, "codec_decode", {}, checkpoint=self.candidate, bitstreams=self.bitstreams)
        shutil.move(decoded, self.decoded)


@pytest.fixture(scope="session")
def good(tmp_path_factory) -> Case:
    """Three subjects, a codec trained for a moment on the first, its files for the third."""
    root = tmp_path_factory.mktemp("gate")
    # 128 Hz, so that gamma reaches above Nyquist
    write_synthetic(root / "edf", 3, 40, 5, rate_hz=128, channels=("C3", "C4", "O1"))
    corpus = made(root, "lma_encode", {}, recordings=root / "edf")
    subjects = [entry["subject"] for entry in read_corpus(corpus)["recordings"]]
    named = {f"{name}_subjects": [s] for name, s in zip(("train", "val", "test"), subjects, strict=True)}
    split = made(root, "split_build", named, corpus=corpus)
    windows = made(root, "windows_build", {"window_s": 4.0}, corpus=corpus, split=split)
    candidate = made(root, "joint_train", {"preset": "smoke", "epochs": 1, "threads": 1}, windows=windows)
    case = Case(root / "case")
    for name, source in (
        ("corpus", corpus),
        ("split", split),
        ("windows", windows),
        ("candidate", candidate),
    ):
        shutil.copytree(source, case.root / name)
    for name in ("registry", "bitstreams", "decoded"):
        (case.root / name).mkdir()
    (case.registry / "registry.yaml").write_text(REGISTRY)
    case.code(root)
    return case


@pytest.fixture
def case(good, tmp_path) -> Case:
    """A copy of the good case for a test to spoil."""
    shutil.copytree(good.root, tmp_path / "case")
    return Case(tmp_path / "case")

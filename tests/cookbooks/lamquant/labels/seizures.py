"""A small set with synthetic seizures: its corpus, annotations, split and labels, by the real payloads."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from cookbooks.lamquant.annotations.critical import Understood, critical_recordings
from cookbooks.lamquant.annotations.vocabulary import SHIPPED_VOCABULARY, parse_vocabulary
from cookbooks.lamquant.samples.synthetic import Hard, write_synthetic
from cookbooks.lamquant.signal.request import REQUEST, Requested
from tests.cookbooks.lamquant.verdict_case import made

CHANNELS = ("Fz", "C3", "C4", "O1")
UNDERSTOOD = Understood("auto", "refuse", parse_vocabulary(SHIPPED_VOCABULARY.read_bytes(), "shipped"))


@dataclass(frozen=True)
class SeizureSet:
    """Directories of artifacts."""

    root: Path

    @property
    def edf(self) -> Path:
        return self.root / "edf"

    @property
    def corpus(self) -> Path:
        return self.root / "lma_encode"

    @property
    def annotations(self) -> Path:
        return self.root / "annotations_build"

    @property
    def split(self) -> Path:
        return self.root / "split_build"

    @property
    def labels(self) -> Path:
        return self.root / "labels_build"


def requested(edf: Path) -> Requested:
    """A request that each side is to have seizures."""
    return Requested(critical=tuple(critical_recordings(edf, UNDERSTOOD, keep_identity=False)))


@pytest.fixture(scope="session")
def seizure_set(tmp_path_factory: pytest.TempPathFactory) -> SeizureSet:
    """Nine subjects of two minutes each, at 128 Hz."""
    found = SeizureSet(tmp_path_factory.mktemp("seizures"))
    hard = Hard(2, confusers=True)
    write_synthetic(found.edf, 9, 60, 3, rate_hz=128, channels=CHANNELS, recordings=2, hard=hard)
    made(found.root, "lma_encode", {}, recordings=found.edf)
    config = {"vocabulary": SHIPPED_VOCABULARY.read_text()}
    inputs = {"corpus": found.corpus, "recordings": found.edf, "lists": found.edf}
    made(found.root, "annotations_build", config, **inputs)
    asked = found.root / "asked"
    asked.mkdir()
    (asked / REQUEST).write_bytes(requested(found.edf).to_json())
    fractions = {"val_fraction": 0.3, "test_fraction": 0.3}
    made(found.root, "split_build", fractions, corpus=found.corpus, request=asked)
    inputs = {"corpus": found.corpus, "annotations": found.annotations, "split": found.split}
    made(found.root, "labels_build", {}, **inputs)
    return found

"""Real corpora for the tests of split and windows, written with the project's own encoder."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cookbooks.lamquant.formats.corpus import INDEX, SCHEMA, Corpus, Recording, read_corpus
from cookbooks.lamquant.formats.lma.writer import LmaEntry, write_lma
from cookbooks.lamquant.formats.lml.container import encode_lml, signal_sha256
from cookbooks.lamquant.samples.aeon import ensure_aeon_sample

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Source:
    """One recording to write; ``digital`` is [channels, samples]."""

    subject: str
    digital: np.ndarray
    rate_hz: float = 256.0
    channels: list[str] | None = None
    scale: float = 0.1
    offset: float = 0.0


class InMemory:
    """A recording of the given integers [channels, samples], read as one from a corpus is."""

    def __init__(
        self,
        digital: np.ndarray,
        rate_hz: float = 256.0,
        channels: list[str] | None = None,
        scale: float = 0.1,
    ) -> None:
        self._digital = digital
        self.rate_hz, self.n_samples = rate_hz, digital.shape[1]
        self.channels = channels or [f"c{n}" for n in range(len(digital))]
        self.scale = np.full(len(digital), scale)

    def read(self, start: int, stop: int) -> np.ndarray:
        assert 0 <= start <= stop <= self.n_samples
        return self._digital[:, start:stop]


def write_corpus(directory: Path, sources: dict[str, Source]) -> Path:
    """A corpus directory of the given recordings, through the real encoder."""
    (directory / "archives").mkdir(parents=True)
    entries = []
    for stem, source in sources.items():
        digital = np.ascontiguousarray(source.digital, np.int32)
        n_channels, n_samples = digital.shape
        data = encode_lml(digital, source.rate_hz, bit_depth=16, metadata={})
        write_lma(directory / "archives" / f"{stem}.lma", [LmaEntry(f"{stem}.lml", data)])
        entries.append(
            {
                "stem": stem,
                "archive": f"archives/{stem}.lma",
                "subject": source.subject,
                "channels": source.channels or [f"ch{n + 1}" for n in range(n_channels)],
                "n_channels": n_channels,
                "rate_hz": source.rate_hz,
                "n_samples": n_samples,
                "duration_s": n_samples / source.rate_hz,
                "bit_depth": 16,
                "unit_scale": [source.scale] * n_channels,
                "unit_offset": [source.offset] * n_channels,
                "signal_sha256": signal_sha256(digital),
                "synthetic": False,
            }
        )
    corpus = {"schema": SCHEMA, "identity": "stripped", "recordings": entries, "refused": []}
    (directory / INDEX).write_text(json.dumps(corpus, sort_keys=True, indent=1))
    return directory


def run_payload(
    name: str, out: Path, config: dict[str, Any], **inputs: Path
) -> tuple[int, dict[str, Any], str]:
    """Run a payload as its own process: exit status, facts of ``done``, standard error."""
    frozen = {"schema": 1, "fingerprint": "f", "config": config, "out": str(out), "work": f"{out}.work"}
    config_path = Path(f"{out}.json")
    config_path.write_text(json.dumps({**frozen, "inputs": {k: str(v) for k, v in inputs.items()}}))
    module = f"cookbooks.lamquant.payload.{name}"
    done = subprocess.run(
        [sys.executable, "-m", module, "--config", str(config_path)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    events = [json.loads(line) for line in done.stdout.splitlines()]
    facts = next((event["facts"] for event in events if event["event"] == "done"), {})
    return done.returncode, facts, done.stderr


def files_of(directory: Path) -> dict[str, bytes]:
    """Every file below a directory."""
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def build_sample_corpus(factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """The real sample with its traps (duplicates, copied channels), encoded once for all tests."""
    scratch = factory.getbasetemp() / "aeon-sample"
    if not (scratch / "corpus" / INDEX).exists():
        scratch.mkdir()
        wheels = request.config.cache.mkdir("aeon")
        edf = ensure_aeon_sample(scratch / "edf", cache=wheels, include_traps=True)
        status, _, errors = run_payload("lma_encode", scratch / "corpus", {}, recordings=edf)
        assert status == 0, errors
    return scratch / "corpus"


def read_recording(corpus: Path, stem: str) -> Recording:
    """One recording with all its samples."""
    return Corpus(corpus).open(stem).whole()


def real_signals(corpus: Path) -> dict[str, np.ndarray]:
    """Integers [channels, samples] of every recording, by stem."""
    stems = [entry["stem"] for entry in read_corpus(corpus)["recordings"]]
    return {stem: read_recording(corpus, stem).digital for stem in stems}

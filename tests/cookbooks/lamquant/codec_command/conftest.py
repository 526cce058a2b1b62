"""Commands in this process, recordings, a checkpoint, and a home of its own."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from blut_assets.cli.app import app
from blut_resources.store.artifacts import ArtifactStore
from cookbooks.lamquant.codec.checkpoint import save_checkpoint
from tests.cookbooks.lamquant.codec_command.recordings import night, written
from tests.cookbooks.lamquant.lqc.plane_case import model_of

Codec = Callable[..., Result]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An instance of the test alone, with an empty store."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("BLUT_STORE", raising=False)
    return tmp_path / "home"


@pytest.fixture
def codec() -> Codec:
    """Give a `blut codec` command."""

    def give(*words: str | Path, status: int = 0) -> Result:
        done = CliRunner().invoke(app, ["codec", *map(str, words)], prog_name="blut")
        assert done.exit_code == status, (done.stdout, done.stderr, done.exception)
        return done

    return give


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that codes, if not well."""
    directory = tmp_path_factory.mktemp("checkpoint") / "model"
    directory.mkdir()
    save_checkpoint(directory, model_of(), 0.13, (8, 20), {"tier": "all"})
    return directory


@pytest.fixture
def stored(checkpoint: Path, home: Path, tmp_path: Path) -> str:
    """The checkpoint's digest in the store."""
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in checkpoint.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    return ArtifactStore(home / "store").put(copy)


@pytest.fixture(params=["EDF+C", "EDF+D", "BDF+C", "BDF+D"])
def original(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A night with and without a gap, of 16 and of 24 bits."""
    kind = request.param
    width = 2 if kind.startswith("EDF") else 3
    return written(tmp_path, f"night.{kind[:3].lower()}", night(width, kind.endswith("D")))


def rows(done: Result) -> Any:
    """What a command printed as JSON."""
    return json.loads(done.stdout)

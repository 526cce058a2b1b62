"""The user's cache: what lies there, and that nobody loses what is built or used at this moment."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from blut_assets.cli.app import app
from blut_resources.files.durable import file_lock
from blut_resources.leases.lease import Needs, lease
from blut_resources.payload_kit.cached import cached, remove


@pytest.fixture
def root(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("samples/talks-1", "models/small-1", "llama-cpp-1", "downloads"):
        (tmp_path / "blut" / name).mkdir(parents=True)
        (tmp_path / "blut" / name / "data").write_bytes(b"x" * 9000)
    return tmp_path / "blut"


def prune(*words: str) -> str:
    done = CliRunner().invoke(app, ["cache", "prune", *words])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_samples_and_builds_are_listed_apart_and_removed_apart(root: Path) -> None:
    assert {one.name: one.sample for one in cached()} == {
        **{"samples/talks-1": True, "models/small-1": True},
        **{"llama-cpp-1": False, "downloads": False},
    }
    shown = CliRunner().invoke(app, ["cache", "show"]).stdout
    assert f"your cache, {root}: 4" in shown and "blut cache prune --samples" in shown
    assert (
        prune("--samples", "--dry-run").startswith("would remove 2 of") and (root / "models/small-1").exists()
    )
    assert "removed samples/talks-1" in prune("--samples")
    assert [one.name for one in cached() if one.sample] == [] and (root / "llama-cpp-1" / "data").exists()
    with lease(Needs(memory=1 << 20), holder={"run": "elsewhere", "asset": "x/y"}, on_wait=print):
        assert "llama-cpp-1 stays: x/y (pid " in prune("--cache")
    assert "removed 2 of" in prune("--cache") and cached() == []


def test_what_is_being_built_or_is_open_stays(root: Path) -> None:
    entry = {one.name: one for one in cached()}
    with file_lock(root / ".llama-cpp-1.lock"):
        assert remove(entry["llama-cpp-1"]) == "it is being built at this moment"
    with file_lock(root / "downloads" / ".x.whl.lock"):
        assert remove(entry["downloads"]) == "it is being built at this moment"
    code = "import sys; file = open(sys.argv[-1][::-1]); print(flush=True); sys.stdin.read()"
    path = str(root / "models/small-1/data")[::-1]  # it is not to be found by its command line
    with subprocess.Popen([sys.executable, "-c", code, path], stdin=-1, stdout=-1) as process:
        assert process.stdin and process.stdout and process.stdout.readline()
        assert remove(entry["models/small-1"]) == f"process {process.pid} uses it"
        process.stdin.close()
        process.wait()
    assert remove(entry["models/small-1"]) == "" and not (root / "models/small-1").exists()

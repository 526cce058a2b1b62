"""One instance with a few runs in it, and two ways to give commands to it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from blut_assets.cli.app import app
from tests.e2e.scene import Scene


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Two runs that succeeded, and one that did not."""
    scene = Scene(tmp_path_factory.mktemp("day") / "scene")
    (scene.root / "talk.jsonl").write_text('{"text": "one"}\n{"text": "two"}\n')
    added = scene.blut("data", "add", "talk", str(scene.root / "talk.jsonl"))
    assert added.returncode == 0, added.stderr
    first = scene.blut("recipe", "run", "contained", "--args", '{"epochs": 3}')
    assert first.returncode == 0, first.stderr
    (scene.root / "first.out").write_text(first.stdout)
    (scene.root / "first.err").write_text(first.stderr)
    second = scene.blut("recipe", "run", "contained", "--set", "epochs=4", "--set", "word=data://talk")
    assert second.returncode == 0, second.stderr
    scene.behave(exit=3)
    third = scene.blut("recipe", "run", "contained", "--set", "epochs=5")
    assert third.returncode == 1, third.stderr
    scene.behave()
    yield scene
    scene.close()


@pytest.fixture
def blut(day: Scene, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Give a command in this process, which has loaded Dagster already."""
    for name, value in day.env.items():
        monkeypatch.setenv(name, value)

    def give(*words: str | Path) -> Result:
        return CliRunner().invoke(app, [str(word) for word in words], prog_name="blut")

    return give

"""A history that SQLite keeps, from a second box: it is read, and refused to whoever would write."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from blut_resources.boxes.owner import HOST
from tests import elsewhere
from tests.boxes.box import Box
from tests.conftest import REPOSITORY
from tests.e2e.box import BLUT
from tests.e2e.scene import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.sqlite]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    elsewhere.demand()
    made = Scene(tmp_path / "scene")
    yield made
    made.close()


def state(home: Path) -> dict[str, str]:
    """What every file of a home holds; SQLite's shared memory notes who reads."""
    files = [path for path in home.rglob("*") if path.is_file() and not path.name.endswith("-shm")]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_second_box_reads_and_is_refused_to_write(scene: Scene, tmp_path: Path) -> None:
    assert scene.run(scene.recipe(epochs=1)) == 0, scene.said()
    box, env = Box(tmp_path / "b", "boxb"), scene.environment()
    before = state(scene.home)
    done = box.run([*BLUT, "recipe", "run", "contained"], env, REPOSITORY)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "written by one machine only" in done.stderr and str(scene.home / HOST) in done.stderr
    assert "$BLUT_DATABASE" in done.stderr and "Traceback" not in done.stderr
    assert state(scene.home) == before
    done = box.run([*BLUT, "jobs"], env, REPOSITORY)
    assert done.returncode == 0 and "success" in done.stdout and "is written by" in done.stderr
    assert state(scene.home) == before

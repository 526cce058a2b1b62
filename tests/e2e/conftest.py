"""The box that the end-to-end tests share: its first run costs half a minute."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.box import KEPT, Box
from tests.e2e.scene import Scene


@pytest.fixture(scope="session")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """Recordings of three subjects, and one finished run of the main job."""
    from cookbooks.lamquant.samples.synthetic import write_synthetic

    with pytest.MonkeyPatch.context() as patch:
        box = Box(tmp_path_factory.mktemp("box"))
        patch.setenv("DAGSTER_HOME", str(box.home))
        write_synthetic(box.edf, 3, 30, 7, channels=("Fp1", "O2"))
        done = box.blut()
        assert done.returncode == 0, done.stdout + done.stderr[-4000:]
        assert box.results(done) == dict.fromkeys(KEPT, "computed") | {
            "recordings": "observed",
            "floor_registry": "observed",
            "split_request": "observed",
            "promoted_codec": "executed",
        }
        yield box


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """An instance of its own, the commands of which end with the test."""
    scene = Scene(tmp_path / "scene")
    yield scene
    scene.close()

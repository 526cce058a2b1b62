"""Fixtures: one Slurm a session, whole again for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.scene import Scene
from tests.lacking import lacking
from tests.slurm.cluster import Cluster, missing
from tests.slurm.scene import EPOCHS, SlurmScene

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever is here needs a Slurm."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.slurm)


@pytest.fixture(scope="session")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A Slurm of three nodes; the same for all tests of a process."""
    if reason := missing():
        lacking(reason)
    made = Cluster(tmp_path_factory.mktemp("slurm"))
    try:
        made.boot()
        yield made
    finally:
        made.close()


@pytest.fixture
def cluster(booted: Cluster) -> Iterator[Cluster]:
    """It, with nothing broken and no job in it."""
    yield booted
    booted.heal()


@pytest.fixture
def scene(cluster: Cluster, tmp_path: Path) -> Iterator[SlurmScene]:
    """An instance of its own, the payloads of which are jobs there."""
    made = SlurmScene(tmp_path / "scene", cluster)
    yield made
    made.close()


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The data versions that the chain has where nothing happens, computed on this machine."""
    made = Scene(tmp_path_factory.mktemp("undisturbed") / "scene")
    assert made.run(made.recipe(epochs=EPOCHS)) == 0, made.said()
    return made.versions()

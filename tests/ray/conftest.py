"""Fixtures: one Ray a session, and an instance whose payloads are its jobs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.scene import Scene
from tests.lacking import lacking
from tests.ray.cluster import RayCluster, missing

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever is here needs a Ray."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.ray)


class RayScene(Scene):
    """A scene with a profile ``cluster`` in its file of launchers."""

    def __init__(self, root: Path, cluster: RayCluster) -> None:
        super().__init__(root)
        self.cluster, self.launchers = cluster, root / "launchers.toml"
        self.profile()
        self.env["BLUT_LAUNCHERS"] = str(self.launchers)

    def profile(self, more: str = "") -> None:
        """Write the profile, with these lines besides."""
        self.launchers.write_text(f'[cluster]\nkind = "ray"\naddress = "{self.cluster.address}"\n{more}')
        self.launchers.chmod(0o600)

    def job(self, **args: Any) -> list[str]:
        """The command that makes the chain as jobs."""
        return self.recipe(launcher="cluster", **args)

    def jobs(self) -> list[dict[str, Any]]:
        """What the head knows of the jobs of this scene, by their ids."""
        known = json.loads(self.cluster.ask("/api/jobs/"))
        mine = [job for job in known if str(self.home) in (job["metadata"] or {}).get("blut", "")]
        return sorted(mine, key=lambda job: job["submission_id"])

    def close(self) -> None:
        """End what a failed test has left, and its jobs: they hold what the next test needs."""
        super().close()
        for job in self.jobs():
            if job["status"] in ("PENDING", "RUNNING"):
                self.cluster.ask(f"/api/jobs/{job['submission_id']}/stop", b"")


@pytest.fixture(scope="session")
def cluster() -> Iterator[RayCluster]:
    """A Ray of two nodes."""
    if reason := missing():
        lacking(reason)
    made = RayCluster()
    try:
        made.boot()
        yield made
    finally:
        made.close()


@pytest.fixture
def scene(cluster: RayCluster, tmp_path: Path) -> Iterator[RayScene]:
    """An instance of its own."""
    made = RayScene(tmp_path / "scene", cluster)
    yield made
    made.close()

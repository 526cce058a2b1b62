"""How soon a payload works as a job of Slurm or of Ray, against one of this machine.

Both clusters are real, and on this machine: the tests' own, booted for it. From one payload's first line to
that of the next lie the end of the one, the bookkeeping of Blut, and the start of the other.
"""

import itertools
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bench.chain_tools import Blut
from bench.homes import scratch
from bench.table import Quantity, Row, skipped

STAGES = 6


class Launched(Blut):
    """The chain, with payloads that another launcher runs."""

    more: Mapping[str, str] = {}

    def environment(self) -> Mapping[str, str]:
        return {**super().environment(), **self.more}


def rows(quick: bool) -> list[Row]:
    """Seconds from one payload to the next, for each launcher, one after the other in each round."""
    found: dict[str, list[float]] = {}
    with _slurm() as slurm, _ray() as ray:
        there = {"local": {}, "slurm": slurm, "ray": ray}
        for _ in range(1 if quick else 3):
            for name, env in there.items():
                if env is not None:
                    found.setdefault(name, []).extend(_laps(env))
    local = Quantity("s", found.pop("local"))
    measured = [
        Row("jobs", f"a payload by {name}", Quantity("s", laps), "on this machine", local)
        for name, laps in found.items()
    ]
    return measured + [
        skipped("jobs", f"a payload by {name}", "it cannot be booted here")
        for name, env in there.items()
        if env is None
    ]


def _laps(env: Mapping[str, str]) -> list[float]:
    """Seconds from each payload of one run to the next."""
    with scratch() as directory:
        chain = Launched(directory / "chain", STAGES)
        chain.more = env
        chain.run()
        times = chain.started()
        return [after - before for before, after in itertools.pairwise(times)]


@contextmanager
def _slurm() -> Iterator[Mapping[str, str] | None]:
    from tests.slurm.cluster import Cluster, missing
    from tests.slurm.scene import SlurmScene

    if missing():
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="blut-bench-") as directory:
        cluster = Cluster(Path(directory) / "slurm")
        cluster.dir.mkdir()
        try:
            cluster.boot()
            scene = SlurmScene(Path(directory) / "scene", cluster)
            path = f"{scene.bin}{os.pathsep}{os.environ['PATH']}"
            yield {"BLUT_LAUNCHER": "cluster", "BLUT_LAUNCHERS": str(scene.launchers), "PATH": path}
        finally:
            cluster.close()


@contextmanager
def _ray() -> Iterator[Mapping[str, str] | None]:
    from tests.ray.cluster import RayCluster, missing
    from tests.ray.conftest import RayScene

    if missing():
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="blut-bench-") as directory:
        cluster = RayCluster()
        try:
            cluster.boot()
            scene = RayScene(Path(directory) / "scene", cluster)
            yield {"BLUT_LAUNCHER": "cluster", "BLUT_LAUNCHERS": str(scene.launchers)}
        finally:
            cluster.close()

"""Each place that a run writes to is full at each stage of a chain, and has room again.

Whatever happens then: the place is named, nobody is told to give up containment, no database or artifact is
spoiled, no epoch that was reported is missing, and the same command ends well.
"""

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from blut_resources.runs.metrics import read
from blut_resources.store.artifacts import ArtifactStore
from tests.conftest import REPOSITORY
from tests.e2e.box import BLUT, DAGSTER
from tests.e2e.scene import until
from tests.forked import RUN, Forked, server
from tests.full_chain import STAGES
from tests.installed import install
from tests.small import fill, fill_names, free, small

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

PLACES = ("home", "store", "leases", "tmp", "cache", "config", "cwd", "shm")
VARIABLES = {
    "home": "DAGSTER_HOME",
    "store": "BLUT_STORE",
    "leases": "BLUT_LEASES",
    "tmp": "TMPDIR",
    "cache": "XDG_CACHE_HOME",
    "config": "XDG_CONFIG_HOME",
}
START = "start"
GIVEN_UP = ("BLUT_CONTAINED", "best-effort", "without that guarantee")
QUICK = [("store", "trained"), ("home", "trained"), ("tmp", "trained")]
ALL = [(place, stage) for place in PLACES for stage in (START, *STAGES) if (place, stage) not in QUICK]


class Bed:
    """The chain, one directory for each place, and what its payloads are to do."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in (*PLACES, "site"):
            (root / name).mkdir(parents=True)
        self.log, self.reached, self.gate = root / "log", root / "reached", root / "gate"
        self.log.touch()
        self.told = root / "told"
        paths = [install(root / "site", "filling", "tests.full_chain"), str(REPOSITORY)]
        self.env = {
            **os.environ,
            **{variable: str(root / name) for name, variable in VARIABLES.items()},
            **{"FILLS": str(root / "how.json"), "BLUT_PAYLOAD_ENV": "FILLS", "BLUT_GRACE_S": "2"},
            "PYTHONPATH": os.pathsep.join(paths),
        }

    def behave(self, stage: str = "") -> None:
        how = {"log": self.log, "cwd": self.root / "cwd", "shm": self.root / "shm", "stage": stage}
        how |= {"reached": self.reached, "gate": self.gate}
        (self.root / "how.json").write_text(json.dumps(how, default=str))

    def start(self, command: list[str]) -> Forked:
        return server(*RUN).start(command[1:], self.env, REPOSITORY, self.told)

    def blut(self, *words: str) -> tuple[int, str]:
        done = server(*RUN).run([*BLUT[1:], *words], self.env, REPOSITORY)
        return done.returncode, done.stdout + done.stderr

    def reported(self) -> set[int]:
        words = [line.split() for line in self.log.read_text().splitlines()]
        return {int(number) for word, number in words if word == "epoch"}

    def tabled(self) -> set[int]:
        tables = (self.root / "home" / "runs").glob("*/metrics/*.parquet")
        return {row["epoch"] for table in tables for row in read(table)}

    def outcomes(self) -> set[str]:
        manifests = (self.root / "home" / "runs").glob("*/manifest.json")
        return {json.loads(path.read_text())["outcome"] for path in manifests}

    def assert_sound(self) -> None:
        for path in sorted((self.root / "home").rglob("*.db")):
            with contextlib.closing(sqlite3.connect(path)) as database:
                assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)], path
        for store in (self.root / "store", self.root / "home" / "store"):
            for item in ArtifactStore(store).list() if store.is_dir() else ():
                ArtifactStore(store).verify(item.digest, full=True)


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    yield Bed(tmp_path / "bed")


def run_full(bed: Bed, place: Path, stage: str, by: str, command: list[str]) -> int:
    """Run with a place that is full at a stage; its status."""
    filled = fill if by == "bytes" else fill_names
    bed.behave(stage)
    if stage == START:
        filled(place)
    process = bed.start(command)
    if stage != START:
        until(bed.reached.exists, process=process)
        filled(place)
        bed.gate.touch()
    return process.wait(120)


def goes_through(bed: Bed, name: str, stage: str, by: str = "bytes", size: str = "8M") -> None:
    again = [*BLUT, "recipe", "run", "filling"]
    with small(bed.root / name, size, 400 if by == "names" else 0) as place:
        status = run_full(bed, place, stage, by, again)
        said = bed.told.read_text()
        assert status in (0, 1) and not any(word in said for word in GIVEN_UP), said
        if status:
            assert f"file system at {place} has " in said and "make room" in said, said
        listed, words = bed.blut("jobs")
        assert listed == 0, words
        free(place)
        bed.assert_sound()
        bed.behave()
        assert bed.start(again).wait(120) == 0, bed.told.read_text()
        bed.assert_sound()
        assert bed.reported() <= bed.tabled() == {1, 2, 3, 4, 5}
        states = {run["state"] for run in json.loads(bed.blut("jobs", "--json")[1])}
        assert states <= {"success", "failure"}, "nothing is shown as running"
        assert "killed" not in bed.outcomes(), "whoever finds it says what its process knew"
        assert list((bed.root / "tmp").iterdir()) == []


@pytest.mark.parametrize(("place", "stage"), QUICK)
def test_a_full_place_is_named_and_costs_nothing(bed: Bed, place: str, stage: str) -> None:
    goes_through(bed, place, stage)


@pytest.mark.heavy
@pytest.mark.parametrize(("place", "stage"), ALL)
def test_every_place_at_every_stage(bed: Bed, place: str, stage: str) -> None:
    goes_through(bed, place, stage)


@pytest.mark.heavy
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("stage", [START, "trained"])
def test_every_place_without_a_name_for_a_file(bed: Bed, place: str, stage: str) -> None:
    goes_through(bed, place, stage, "names")


@pytest.mark.heavy
@pytest.mark.parametrize("stage", [START, *STAGES])
def test_a_home_without_room_for_an_end(bed: Bed, stage: str) -> None:
    """Nothing can be kept back on a disk that small."""
    goes_through(bed, "home", stage, size="3M")


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["home", "store", "tmp"])
def test_a_run_of_dagsters_own_command(bed: Bed, name: str) -> None:
    """The history is kept by Dagster's own classes."""
    with small(bed.root / name, "8M") as place:
        stock = [*DAGSTER, "asset", "materialize", "-m", "tests.full_chain", "--select", "*"]
        status = run_full(bed, place, "trained", "bytes", stock)
        said = bed.told.read_text()
        assert status in (0, 1) and not any(word in said for word in GIVEN_UP), said
        assert bed.blut("jobs")[0] == 0
        free(place)
        bed.assert_sound()
        bed.behave()
        assert bed.start([*BLUT, "recipe", "run", "filling"]).wait(120) == 0, bed.told.read_text()
        bed.assert_sound()
        assert bed.reported() <= bed.tabled() == {1, 2, 3, 4, 5}


UNWANTED = """
import os, sys
from pathlib import Path
from blut_resources.store.artifacts import ArtifactStore
store = ArtifactStore(Path(sys.argv[1]))
out = store.staging()
(out / "unwanted").write_bytes(b"x" * 2_000_000)
store.put(out)
for path in store.root.rglob("*"):
    os.utime(path, (1, 1), follow_symlinks=False)
"""


@pytest.mark.parametrize("by", ["bytes", pytest.param("names", marks=pytest.mark.heavy)])
def test_pruning_works_on_a_full_disk(bed: Bed, by: str) -> None:
    """It is needed there."""
    del bed.env["BLUT_STORE"]
    bed.behave()
    with small(bed.root / "home", "12M", 400) as place:
        assert bed.start([*BLUT, "recipe", "run", "filling"]).wait(120) == 0, bed.told.read_text()
        done = server(*RUN).run(["-c", UNWANTED, str(place / "store")], bed.env, REPOSITORY)
        assert done.returncode == 0, done.stderr
        (fill if by == "bytes" else fill_names)(place)
        status, said = bed.blut("cache", "prune")
        assert status == 0 and "removed 1 artifact, 2.0 MB" in said, said
        free(place)
        bed.assert_sound()


@pytest.mark.heavy
@pytest.mark.parametrize("size", ["8M", "3M"])
def test_a_cancel_ends_a_run_whose_home_is_full(bed: Bed, size: str) -> None:
    """Also where nothing could be kept back to write that down."""
    with small(bed.root / "home", size) as place:
        bed.behave("trained")
        process = bed.start([*BLUT, "recipe", "run", "filling"])
        until(bed.reached.exists, process=process)
        (run,) = json.loads(bed.blut("jobs", "--json")[1])
        fill(place)
        status, said = bed.blut("cancel", run["id"])
        assert status == 0 and "is cancelled" in said, said
        assert process.wait(120) != 0
        free(place)
        bed.assert_sound()
        (run,) = json.loads(bed.blut("jobs", "--json")[1])
        assert run["state"] in ("cancelled", "failure")
        assert bed.reported() == {1, 2} == bed.tabled()

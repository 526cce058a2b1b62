"""Two boxes at once, where locks of files keep nobody out and nothing tells: the history's server does."""

import sys
from pathlib import Path

import pytest

from blut_resources.registry.models import ModelRegistry
from tests import elsewhere
from tests.boxes.box import Box
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.postgres
LOOSE = """
import fcntl, sys, time
from pathlib import Path
from blut_resources.boxes import probe
fcntl.flock = lambda *_: None
probe.loose = lambda _: ""
root, box = Path(sys.argv[1]), sys.argv[2]

def together():
    (root / f"{box}-is-here").touch()
    while len([*root.glob("*-is-here")]) < 2:
        time.sleep(0.01)
"""
PROMOTE = f"""{LOOSE}
from tests.blut_resources.registry.test_models import ModelRegistry, promote
together()
for number in range(10):
    promote(ModelRegistry(root / "registry"), root / box, f"{{box}}{{number}}")
"""
LEAD = f"""{LOOSE}
from blut_assets.sweeps.record import LedElsewhere, SweepRecord
looks = SweepRecord.leads
def leads(self):
    found = looks(self)
    time.sleep(0.5)  # so that both look before one of them leads, if nothing hinders them
    return found
SweepRecord.leads = leads
together()
try:
    SweepRecord(root, "of-both").lead_here()
    print("leads")
except LedElsewhere as error:
    print(error)
"""


def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> list[str]:
    """What is said on two boxes that do the same at the same time."""
    elsewhere.demand()
    root = tmp_path / "share"
    root.mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(root))
    made = [Box(tmp_path / name, f"box{name}") for name in ("a", "b")]
    words = [sys.executable, "-c", code, str(root)]
    working = [box.start([*words, box.name], cwd=REPOSITORY) for box in made]
    said = [process.communicate(timeout=60)[0] for process in working]
    assert [process.returncode for process in working] == [0, 0], said
    return said


def test_what_both_promote_is_one_history(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both(tmp_path, monkeypatch, PROMOTE)
    history = ModelRegistry(tmp_path / "share" / "registry").history("codec")
    assert {one.candidate for one in history} == {f"box{box}{n}" for box in "ab" for n in range(10)}
    assert [one.previous for one in history] == [None, *(one.candidate for one in history[:-1])]


def test_of_two_that_begin_a_sweep_one_leads(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = sorted(both(tmp_path, monkeypatch, LEAD))
    assert one == "leads\n" and other.startswith("sweep of-both is at work already: process "), (one, other)

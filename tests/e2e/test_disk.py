"""A full or read-only disk is named with its remedy, costs nothing that was there, and passes."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from blut_resources.files import reserve
from tests.e2e.scene import PATIENCE_S, Scene, until
from tests.lacking import lacking

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def mount(*words: str) -> None:
    done = subprocess.run(["mount", *words], capture_output=True, text=True)
    if done.returncode != 0:
        lacking(f"mount {' '.join(words)}: {done.stderr.strip()}; it takes root")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of 8 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    mount("-t", "tmpfs", "-o", "size=8M", "tmpfs", str(place))
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture
def bound(tmp_path: Path) -> Iterator[Path]:
    """A directory that can be made read-only, also for root."""
    place = tmp_path / "bound"
    place.mkdir()
    mount("--bind", str(place), str(place))
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(place: Path) -> Callable[[], None]:
    """Leave no byte free; the result undoes it."""
    filler = place / "filler"
    with filler.open("wb") as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    os.write(file.fileno(), b"x" * size)
            except OSError:
                continue
    return filler.unlink


def assert_nothing_is_left(scene: Scene, fault: str) -> None:
    row = scene.record(fault, "auto", scene.tree())
    assert (row.outcome, row.processes_left, row.artifacts_lost) == ("FAILURE", 0, 0)
    scene.verify()


def test_a_payload_fills_the_disk_of_the_store(scene: Scene, small: Path) -> None:
    scene.env["BLUT_STORE"] = str(small / "store")
    assert scene.run(scene.quick()) == 0
    before = scene.versions()
    scene.behave(big=32 << 20)
    assert scene.run(scene.materialize("raw", "trained", epochs=2)) == 1
    assert "No space left on device" in scene.said()
    assert_nothing_is_left(scene, "disk full, by the payload")
    assert scene.versions() == before and scene.unfinished() == []

    subprocess.run(["mount", "-o", "remount,size=128M", str(small)], check=True)
    assert scene.run(scene.materialize("raw", "trained", epochs=2)) == 0
    assert scene.happened("resumed-at-2 "), "its checkpoint was there still"
    scene.verify()


def test_the_disk_of_the_store_is_full_before_anything_starts(scene: Scene, small: Path) -> None:
    scene.env["BLUT_STORE"] = str(small / "store")
    assert scene.run(scene.quick()) == 0
    free = fill(small)
    assert scene.run(scene.quick(), TRAINS_INPUT="another") == 1
    assert "No space left on device: the file system at" in scene.said()
    scene.verify()
    free()
    assert scene.run(scene.quick(), TRAINS_INPUT="another") == 0
    scene.verify()


@pytest.mark.sqlite  # a server has a disk of its own
def test_the_disk_of_the_event_log_fills_during_a_training(scene: Scene, small: Path) -> None:
    """What it trained until then is not lost."""
    reference = Scene(scene.root / "reference")
    assert reference.run(reference.quick()) == 0
    shutil.move(scene.home, small / "home")
    scene.home.symlink_to(small / "home")
    gate = scene.root / "gate"
    scene.env["BLUT_STORE"] = str(scene.root / "store")
    scene.behave(gate=str(gate), gate_at=0)
    process = scene.start(scene.quick())
    until(lambda: scene.happened("epoch-0 "), process=process)  # a history is not read while it is born
    until(lambda: scene.epochs() == [0], process=process)
    for room in (small / "home").rglob(reserve.NAME):
        room.unlink()  # with that it would go on to its end
    free = fill(small)
    gate.touch()
    assert process.wait(PATIENCE_S) != 0
    assert "disk is full" in scene.said() or "No space left on device" in scene.said()
    until(lambda: not scene.held())
    free()
    assert scene.unfinished() == []
    assert_nothing_is_left(scene, "disk of the event log full")
    scene.behave()
    assert scene.run(scene.quick()) == 0
    assert scene.versions() == reference.versions()
    scene.verify()


def test_a_store_that_may_not_be_written(scene: Scene, bound: Path) -> None:
    scene.env["BLUT_STORE"] = str(bound / "store")
    assert scene.run(scene.quick()) == 0
    before = scene.versions()
    subprocess.run(["mount", "-o", "remount,ro,bind", str(bound)], check=True)
    assert scene.run(scene.materialize("trained", "judged")) == 0, "what is there can be reused"
    assert scene.metadata()["reused"] is True
    assert scene.run(scene.materialize("trained", epochs=2)) == 1
    assert "which can only be read here: choose another one ($BLUT_STORE)" in scene.said()
    assert scene.starts() == 1
    scene.verify()
    assert scene.versions() == before and scene.unfinished() == []
    subprocess.run(["mount", "-o", "remount,rw,bind", str(bound)], check=True)
    assert scene.run(scene.materialize("trained", epochs=2)) == 0

"""Locks that do not hold are found out before the first that matters."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from blut_resources.boxes import probe
from blut_resources.boxes.locks import hold
from blut_resources.boxes.probe import LocksDoNotHold, loose, unlocked_box
from blut_resources.boxes.seen import BOXES, show_box
from blut_resources.machine import mounts
from blut_resources.registry.models import ModelRegistry
from blut_resources.store.artifacts import ArtifactStore
from tests import elsewhere
from tests.boxes.box import Box

ALWAYS = "int flock(int descriptor, int operation) { return 0; }\n"
WRITE = """
import sys
from pathlib import Path
from blut_resources.store.artifacts import ArtifactStore, StoreError
try:
    print(ArtifactStore(Path(sys.argv[1])).put(Path(sys.argv[2])))
except StoreError as error:
    print("refused:", error)
"""


@pytest.fixture
def deaf(tmp_path: Path) -> str:
    """A library under which each machine, and each process, has every lock for itself."""
    if not (compiler := shutil.which("gcc")):
        pytest.skip("no C compiler here")
    (tmp_path / "deaf.c").write_text(ALWAYS)
    made = tmp_path / "deaf.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(made), str(tmp_path / "deaf.c")], check=True)
    return str(made)


def test_a_first_write_is_refused_where_a_second_process_gets_the_lock(tmp_path: Path, deaf: str) -> None:
    (tmp_path / "data").write_text("bytes")
    command = [sys.executable, "-c", WRITE, str(tmp_path / "store"), str(tmp_path / "data")]
    done = subprocess.run(command, env={**os.environ, "LD_PRELOAD": deaf}, capture_output=True, text=True)
    assert "refused:" in done.stdout and "given to a second one" in done.stdout, done.stdout + done.stderr
    assert "BLUT_STORE" in done.stdout and (tmp_path / "data").exists()
    assert not list((tmp_path / "store").glob("objects/*"))
    done = subprocess.run(command, capture_output=True, text=True)
    assert "refused" not in done.stdout and len(done.stdout.strip()) == 64


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("nfs4", "rw,vers=4.2,local_lock=none", ""),
        ("nfs4", "rw,vers=4.2", ""),
        ("nfs", "rw,vers=3,nolock", "nolock"),
        ("nfs", "rw,vers=3,local_lock=all", "local_lock=all"),
        ("nfs4", "rw,local_lock=flock", "local_lock=flock"),
        ("nfs", "rw,local_lock=posix", ""),
        ("cifs", "rw,nobrl", "nobrl"),
        ("fuse.sshfs", "rw", "sshfs"),
        ("ext4", "rw,nolock", ""),
    ],
)
def test_what_a_mount_says_of_its_locks_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, options: str, said: str
) -> None:
    lines = (
        f"1 0 8:1 / / rw - ext4 /dev/sda rw\n2 1 0:5 / {tmp_path} rw,noatime - {kind} box:/share {options}\n"
    )
    monkeypatch.setattr(mounts, "read", lambda _: lines)
    why = loose(tmp_path)
    assert bool(why) == bool(said) and said in why
    if said:
        monkeypatch.setattr(probe, "_sound", set())
        refused = pytest.raises(LocksDoNotHold, match=r"keeps locks from other machines.*\$BLUT_STORE")
        with refused, hold(tmp_path / "locks" / "one.lock", "somebody"):
            pass
        with pytest.raises(LocksDoNotHold), ModelRegistry(tmp_path / "registry").writing("codec"):
            pass
        with pytest.raises(LocksDoNotHold):
            ArtifactStore(tmp_path).staging()


def test_a_box_whose_locks_do_not_arrive_here_is_noticed(tmp_path: Path) -> None:
    elsewhere.demand()
    store = tmp_path / "store"
    show_box(store)
    assert unlocked_box(store) == ""
    code = (
        "import sys, time; from pathlib import Path; from blut_resources.boxes import seen;"
        "seen.show_box(Path(sys.argv[1])); print(1, flush=True); time.sleep(60)"
    )
    box = Box(tmp_path / "b", "boxb")
    process = box.start([sys.executable, "-c", code, str(store)])
    assert process.stdout and process.stdout.readline()
    try:
        assert unlocked_box(store) == "", "what it has locked is locked here too"
        (there,) = (path for path in (store / BOXES).iterdir() if path.name.startswith("boxb-"))
        copy = there.read_bytes()
        there.unlink()
        there.write_bytes(copy)  # another file: its lock is not seen
        beats = [sys.executable, "-c", f"import os, time\nwhile 1: os.utime({str(there)!r}); time.sleep(.5)"]
        with subprocess.Popen(beats) as beating:
            try:
                assert unlocked_box(store) == "boxb"
            finally:
                beating.kill()
    finally:
        process.kill()
        process.wait()

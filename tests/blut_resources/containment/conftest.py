"""Places for units, and what the cgroup tests need of the machine."""

import fcntl
import gc
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from blut_resources.containment.backends import spawning
from blut_resources.containment.backends.cgroup1 import Cgroup1
from tests.blut_resources.containment.units import own_memory_dir
from tests.lacking import lacking


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where a unit may live; its name has what shells and systemd would interpret."""
    return tmp_path / "unit $HOME %n 'x'"


@pytest.fixture(autouse=True)
def _alone() -> Iterator[None]:
    """Some tests count cgroups or meddle with them: one at a time, also where processes share the suite."""
    with Path(tempfile.gettempdir(), "blut-tests-of-containment.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture
def cgroup1(_alone: None) -> Iterator[None]:
    """Cgroups of version 1 that may be made here, and none left at the end."""
    reason = Cgroup1().unavailable()
    if reason:
        lacking(reason)
    yield
    assert not list(own_memory_dir().rglob("blut-kept-*"))


BACKENDS = ["cgroup1", "rlimit", "none"]


@pytest.fixture(params=["cgroup1", "none"])
def backend(request: pytest.FixtureRequest) -> str:
    """With a cgroup, and by the supervisor alone, which is all that ``rlimit`` has as well."""
    if request.param == "cgroup1":
        request.getfixturevalue("cgroup1")
    return request.param


@pytest.fixture(autouse=True)
def _nothing_left_open(_alone: None) -> Iterator[None]:
    """No test leaves a descriptor or a child behind.

    One that closes meanwhile is no fault of the test's: what an earlier one left to the garbage collector
    goes whenever that runs, so first everything collectable is collected, and only what is new counts.
    """
    gc.collect()
    spawning.keep()
    before = _open()
    yield
    gc.collect()
    assert not _open() - before


def _open() -> Counter[str]:
    """Descriptors by what they lead to, and children."""
    found: Counter[str] = Counter()
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the descriptor of this very listing
            found[str(link.readlink())] += 1
    return found + Counter(f"child {pid}" for pid in _children())


def _children() -> list[str]:
    """Also those that have ended and were not waited for."""
    tasks = Path("/proc/self/task").iterdir()
    return sorted(pid for task in tasks for pid in (task / "children").read_text().split())

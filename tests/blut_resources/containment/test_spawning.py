"""Supervisors come from one small process that is kept, whatever becomes of that."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from blut_resources.containment import ContainmentRefused
from blut_resources.containment.backends import base, spawning
from blut_resources.machine.processes import children, read
from tests.blut_resources.containment.units import output, shell, start, supervisor
from tests.owners import PATIENCE_S, within

FORKS = "supervisor/forks.py"


@pytest.fixture(autouse=True)
def _own(_nothing_left_open: None) -> Iterator[None]:
    """Each test has one of its own, and gives back what was there before."""
    before, spawning._kept[:] = spawning._kept[:], []
    yield
    for one in spawning._kept[:]:
        one.drop()
    spawning._kept[:] = before


def _is_forked(place: Path) -> bool:
    return FORKS in read(f"/proc/{supervisor(place)}/cmdline")


def _kept() -> int:
    return spawning._kept[0]._pid


def test_units_come_from_one_process_and_are_children_of_their_owner(tmp_path: Path) -> None:
    with start(tmp_path / "a", ["sleep", "300"], "none"), start(tmp_path / "b", ["sleep", "300"], "none"):
        both = {supervisor(tmp_path / name) for name in "ab"}
        assert len(both) == 2
        assert children(os.getpid()) >= {_kept(), *both}
        assert _is_forked(tmp_path / "a") and _is_forked(tmp_path / "b")


def test_one_that_was_killed_is_replaced(tmp_path: Path) -> None:
    for name in ("before", "after", "later"):
        with start(tmp_path / name, ["true"], "none") as unit:
            assert _is_forked(tmp_path / name) == (name != "after")
            assert unit.wait(PATIENCE_S).ok
        if name == "before":
            os.kill(killed := _kept(), signal.SIGKILL)
            os.waitid(os.P_PID, killed, os.WEXITED | os.WNOWAIT)


def test_one_that_does_not_answer_starts_nothing_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It might start a second supervisor of the unit, once it goes on."""
    monkeypatch.setattr(spawning, "PATIENCE_S", 0.2)
    stopped = spawning.keep()._pid
    os.kill(stopped, signal.SIGSTOP)
    with pytest.raises(ContainmentRefused, match="the process that starts supervisors does not answer"):
        start(tmp_path / "unit", ["touch", str(tmp_path / "ran")], "none")
    assert not spawning._kept
    assert not Path(f"/proc/{stopped}").exists()
    assert not (tmp_path / "ran").exists()


def test_where_the_kernel_does_not_let_it_fork_so_each_is_started_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spawning._Forks, "ask", lambda *_: 0)
    with start(tmp_path / "unit", ["true"], "none") as unit:
        assert not _is_forked(tmp_path / "unit")
        assert unit.wait(PATIENCE_S).ok


def test_a_unit_inherits_what_holds_of_its_owner_now(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for number, limit in enumerate((soft, soft - 1)):
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        try:
            with start(tmp_path / str(number), shell("ulimit -n"), "none") as unit:
                assert unit.wait(PATIENCE_S).ok
                assert output(unit) == f"{limit}\n"
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_forked_owner_has_its_own(tmp_path: Path) -> None:
    """The one above it would make the supervisor a child of somebody else."""
    ours = spawning.keep()._pid
    if (pid := os.fork()) == 0:
        status = 1
        try:
            with start(tmp_path / "unit", ["true"], "none") as unit:
                own = supervisor(tmp_path / "unit") in children(os.getpid())
                status = 0 if own and _kept() != ours and unit.wait(PATIENCE_S).ok else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert spawning.keep()._pid == ours
    with start(tmp_path / "again", ["true"], "none") as unit:
        assert _is_forked(tmp_path / "again")
        assert unit.wait(PATIENCE_S).ok


def test_it_ends_with_its_owner_also_while_others_hold_its_channel(tmp_path: Path) -> None:
    ends, end = os.pipe()
    if (owner := os.fork()) == 0:
        kept = spawning.keep()._pid
        if os.fork() == 0:
            os.close(end)
            os.read(ends, 1)
            os._exit(0)
        (tmp_path / "pid").write_text(str(kept))
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(owner, 0)
    left = int((tmp_path / "pid").read_text())
    within(PATIENCE_S, lambda: FORKS not in read(f"/proc/{left}/cmdline"))
    os.close(end)
    os.close(ends)


def test_what_supervisors_are_forked_from_imports_next_to_nothing() -> None:
    entry = Path(base.__file__).parents[1] / FORKS
    command = [sys.executable, "-I", "-S", "-X", "importtime", entry, str(os.getpid())]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if "|" in line}
    assert "blut_resources.containment.supervisor.main" in loaded
    assert not loaded & {"typing", "json", "re", "enum", "ctypes", "subprocess", "contextlib", "importlib"}

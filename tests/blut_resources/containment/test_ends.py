"""However a unit ends, its outcome tells, and nothing of its tree is left."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from blut_resources.containment import ContainmentError, Outcome
from blut_resources.containment.outcome import read_outcome
from blut_resources.machine import wire
from tests.aftermath import Row, note
from tests.blut_resources.containment.conftest import BACKENDS
from tests.blut_resources.containment.units import (
    PYTHON,
    await_deaf,
    beside_deaf,
    memory_dir,
    output,
    shell,
    start,
    supervisor,
)
from tests.owners import PATIENCE_S, processes, within

CHECKPOINT = """
import signal, sys, time
def save(*_):
    time.sleep(0.3)
    print("saved", flush=True)
    sys.exit(4)
signal.signal(signal.SIGTERM, save)
print("ready", flush=True)
time.sleep(300)
"""
STORM = """
import os, time
while True:
    try:
        os.fork()
    except OSError:
        time.sleep(0.005)
"""
MOVING = """
import os, time
if os.fork():
    time.sleep(0.2)
    print("moved", flush=True)
    os._exit(0)
while not os.fork():
    os.setsid()
    time.sleep(0.001)
"""


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        ("true", Outcome("ok", code=0)),
        ("exit 3", Outcome("exit", code=3)),
        ("kill -SEGV $$", Outcome("signal", signal=signal.SIGSEGV)),
        ("kill -TERM $$", Outcome("signal", signal=signal.SIGTERM)),
        ("setsid sleep 301.5 & exit 0", Outcome("ok", code=0)),
        ("setsid sleep 301.5 & exit 5", Outcome("exit", code=5)),
    ],
)
def test_by_itself(place: Path, backend: str, script: str, outcome: Outcome) -> None:
    """Its own status or signal; what it left running is killed."""
    with start(place, shell(script), backend=backend) as unit:
        found = unit.wait(PATIENCE_S)
        assert not processes("301.5")
        assert (found.kind, found.code, found.signal) == (outcome.kind, outcome.code, outcome.signal)
        assert found.ok == (script.endswith(("true", "exit 0")))
        assert unit.wait(0) == found


def test_wall_clock(place: Path, backend: str) -> None:
    started = time.monotonic()
    with start(place, beside_deaf("wall-clock"), backend, wall_clock_s=0.7, grace_s=0.5) as unit:
        outcome = unit.wait(PATIENCE_S)
        assert not processes("wall-clock")
    assert time.monotonic() - started < 30
    assert (outcome.kind, outcome.detail) == ("timeout", "it ran for 0.7 s")


def test_terminate_leaves_time_for_a_checkpoint(place: Path, backend: str) -> None:
    with start(place, [*PYTHON, "-c", CHECKPOINT], backend, grace_s=60) as unit:
        within(PATIENCE_S, lambda: output(unit) == "ready\n")
        started = time.monotonic()
        unit.terminate()
        outcome = unit.wait(PATIENCE_S)
        assert output(unit) == "ready\nsaved\n"
    assert (outcome.kind, outcome.code, outcome.retry) == ("cancelled", 4, False)
    assert time.monotonic() - started < 30


def test_who_is_stopped_gets_that_time_too(place: Path, backend: str) -> None:
    with start(place, [*PYTHON, "-c", CHECKPOINT], backend, grace_s=60) as unit:
        within(PATIENCE_S, lambda: output(unit) == "ready\n")
        os.kill(json.loads((place / "unit.json").read_text())["payload"], signal.SIGSTOP)
        unit.terminate()
        assert unit.wait(PATIENCE_S).code == 4


@pytest.mark.usefixtures("cgroup1")
def test_a_payload_that_divides_its_cgroup(place: Path) -> None:
    """Root may; what is in the parts belongs to the unit."""
    script = """
    own=/sys/fs/cgroup/memory$(sed -n 's/^[0-9]*:memory://p' /proc/self/cgroup)
    mkdir "$own/part"
    setsid sh -c 'echo 0 >"$1/part/cgroup.procs" && exec sleep 302.5' - "$own" &
    """
    with start(place, shell(script + "wait")) as unit:
        part = memory_dir(unit) / "part"
        within(PATIENCE_S, lambda: processes("302.5"))
        assert (part / "cgroup.procs").read_text()
        os.kill(supervisor(place), signal.SIGKILL)
    assert not processes("302.5") and not part.exists()
    with start(place, shell(script + "until grep -q . $own/part/cgroup.procs; do :; done")) as unit:
        assert unit.wait(PATIENCE_S).ok
    assert not processes("302.5")


def test_a_checkpoint_in_a_child_of_the_command_has_the_same_time(place: Path, backend: str) -> None:
    """A shell dies of SIGTERM at once, and what it runs may not be killed for that."""
    with start(place, shell('"$@"; true', *PYTHON, "-c", CHECKPOINT), backend, grace_s=60) as unit:
        within(PATIENCE_S, lambda: output(unit) == "ready\n")
        unit.terminate()
        assert unit.wait(PATIENCE_S).kind == "cancelled"
        assert output(unit) == "ready\nsaved\n"


@pytest.mark.parametrize("backend", BACKENDS, indirect=True)
def test_what_ignores_sigterm_is_killed_after_the_grace_period(place: Path, backend: str) -> None:
    with start(place, beside_deaf("stubborn", "trap '' TERM; wait"), backend, grace_s=0.6) as unit:
        await_deaf(place, "stubborn")
        started = time.monotonic()
        unit.terminate()
        assert unit.wait(PATIENCE_S).kind == "cancelled"
        assert not processes("stubborn")
        took = time.monotonic() - started
    note(Row("cancel, all of the tree deaf", f"{backend}, unit alone", "cancelled", 0, None, round(took, 1)))
    assert 0.5 < took < 30


def test_kill_is_now(place: Path, backend: str) -> None:
    with start(place, beside_deaf("killed"), backend, grace_s=60) as unit:
        await_deaf(place, "killed")
        started = time.monotonic()
        unit.terminate()
        unit.kill()
        assert unit.wait(PATIENCE_S).kind == "cancelled"
        assert not processes("killed")
    assert time.monotonic() - started < 30


def test_close_ends_it(place: Path, backend: str) -> None:
    with start(place, [*PYTHON, "-c", CHECKPOINT], backend) as unit:
        within(PATIENCE_S, lambda: output(unit) == "ready\n")
    assert output(unit) == "ready\nsaved\n"
    unit.close()
    with pytest.raises(ValueError, match="is closed"):
        unit.fileno()
    assert unit.wait().kind == "cancelled"


def test_a_supervisor_that_hangs(place: Path, backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blut_resources.containment.unit.CLOSE_MARGIN_S", 0.5)
    with start(place, beside_deaf("hanging"), backend, grace_s=0.5) as unit:
        await_deaf(place, "hanging")
        os.kill(supervisor(place), signal.SIGSTOP)
    assert not processes("hanging")
    assert unit.wait().kind == "cancelled"


@pytest.mark.usefixtures("cgroup1")
def test_a_fork_storm(place: Path) -> None:
    """Whatever is killed is replaced at once: it may not fork any more then."""
    with start(place, [*PYTHON, "-c", STORM, "storm"], tasks_max=60) as unit:
        within(PATIENCE_S, lambda: len(processes("storm")) > 50)
        unit.kill()
        assert unit.wait(PATIENCE_S).kind == "cancelled"
        assert not processes("storm")


def test_a_moving_target(place: Path, backend: str) -> None:
    """A process that lives for a millisecond and leaves another one, in a session of its own."""
    with start(place, [*PYTHON, "-c", MOVING, "moving"], backend) as unit:
        within(PATIENCE_S, lambda: "moved" in output(unit))
        outcome = unit.wait(PATIENCE_S)
        assert outcome.ok and not processes("moving")


def test_a_command_that_cannot_be_executed(place: Path, backend: str, tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.write_text("#!/no/such/interpreter\n")
    bad.chmod(0o755)
    with start(place, [str(bad)], backend) as unit:
        outcome = unit.wait(PATIENCE_S)
    assert (outcome.kind, outcome.code) == ("exit", 127)
    assert outcome.describe() == f"exit status 127 (cannot start {bad}: No such file or directory)"


def test_what_cannot_be_started_is_refused(place: Path, tmp_path: Path) -> None:
    with pytest.raises(ContainmentError, match="command 'no-such-thing': no such program"):
        start(place, ["no-such-thing"], "none")
    with pytest.raises(ContainmentError, match="cwd='/no/such/place': no such directory"):
        start(place, ["true"], "none", cwd=Path("/no/such/place"))
    with start(place, shell("sleep 300"), "none"), pytest.raises(ContainmentError, match="runs here; attach"):
        start(place, ["true"], "none")
    with start(place, ["true"], "none") as unit:
        assert unit.wait(PATIENCE_S).ok


def test_a_cut_off_outcome_is_none(tmp_path: Path) -> None:
    """After a power cut a file may be empty; that is no outcome, and no crash."""
    (tmp_path / "outcome.json").write_text("")
    assert read_outcome(tmp_path) is None
    (tmp_path / "outcome.json").write_text('{"kind": "exit", "code": 3, "of a later": "version"}')
    assert read_outcome(tmp_path) == Outcome("exit", code=3)


@pytest.mark.parametrize(
    ("recorded", "outcome"),
    [
        ({"result": "oom-kill", "peak": 9, "limit": 9, "oom": 1, "oom_kill": 2}, ("oom-kill", "own")),
        ({"result": "oom-kill", "peak": 5, "limit": 9, "oom": 0, "oom_kill": 1}, ("oom-kill", "ancestor")),
        ({"result": "signal", "peak": 1 << 20, "limit": 1 << 30, "oom_kill": 1}, ("oom-kill", "ancestor")),
        ({"result": "signal", "peak": 1 << 30, "limit": 1 << 30, "oom_kill": 1}, ("oom-kill", "own")),
        ({"result": "timeout", "code": "killed", "status": "KILL"}, ("timeout", None)),
        ({"result": "signal", "code": "killed", "status": "KILL"}, ("lost", None)),
    ],
)
def test_what_only_systemd_saw(tmp_path: Path, recorded: dict[str, Any], outcome: tuple[str, str]) -> None:
    wire.write(tmp_path / "stopped.json", recorded)
    found = read_outcome(tmp_path)
    assert found and (found.kind, found.whose) == outcome
    # Dagster fails to write the event of a step whose metadata holds anything else
    assert {type(value) for value in found.as_metadata().values()} <= {str, int}

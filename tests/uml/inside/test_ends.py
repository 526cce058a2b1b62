"""How units end otherwise, and that nothing of their trees is left then."""

import os
import signal
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from blut_resources.containment.unit import attach
from tests.owners import PATIENCE_S, Owner, Who, done_by, processes, within
from tests.uml.inside.conftest import OTHERS
from tests.uml.inside.scenes import (
    MIB,
    assert_nothing_is_left,
    running,
    shell,
    start,
    to_end,
    with_stubborn_grandchild,
)

# the user with a cgroup is left to the other modules, to save time
pytestmark = pytest.mark.parametrize("who", ["system", "user", "cgroup2", OTHERS[0]], indirect=True)
LONG = {"memory_max": 64 * MIB}


def test_exits(who: Who) -> None:
    """The command's own status, also when it left a process running; or its signal."""
    beside = "setsid sleep 300.5 & "
    scripts = ["exit 0", f"{beside}exit 3", f"{beside}kill -KILL $$"]

    def act(owner: Owner) -> Any:
        return [to_end(who, place, shell(script), **LONG)(owner)["outcome"] for place, script in todo]

    todo = [(who.place(f"exit {number}"), script) for number, script in enumerate(scripts)]
    found = [(outcome["kind"], outcome["code"], outcome["signal"]) for outcome in done_by(who, act)]
    assert found == [("ok", 0, None), ("exit", 3, None), ("signal", None, signal.SIGKILL)]
    assert_nothing_is_left(who, "SIGKILL of the payload", "signal 9", "300.5", None)


def test_wall_clock(who: Who) -> None:
    started = time.monotonic()
    command = with_stubborn_grandchild("true", "wall-clock")
    place = who.place("wall")
    act = to_end(who, place, command, wall_clock_s=2.0, grace_s=1.0, **LONG)
    outcome = done_by(who, act)["outcome"]
    assert outcome["kind"] == "timeout", outcome
    seconds = time.monotonic() - started
    assert seconds < 60
    assert "ready" in (place / "log").read_text()
    assert_nothing_is_left(who, "wall clock", outcome["kind"], "wall-clock", seconds - 2)


def test_cancel(who: Who) -> None:
    """SIGTERM comes first, with time for a checkpoint; what ignores it is killed after the grace period."""
    place = who.place("cancel")
    command = with_stubborn_grandchild("trap 'sleep 0.5; echo saved; exit 0' TERM", "cancelled")

    def act(_: Owner) -> Any:
        with start(who, place, command, grace_s=2.0, **LONG) as unit:
            within(PATIENCE_S, lambda: "ready" in (place / "log").read_text())
            started = time.monotonic()
            unit.terminate()
            return [unit.wait(PATIENCE_S).kind, time.monotonic() - started]

    kind, seconds = done_by(who, act)
    assert kind == "cancelled" and seconds > 1.9
    assert "saved" in (place / "log").read_text()
    assert_nothing_is_left(who, "cancel", kind, "cancelled", seconds)


def test_owner_killed(who: Who) -> None:
    """However violently the owner dies, nothing is left soon, no failed unit either (see ``who``)."""
    place = who.place("orphan")

    def act(owner: Owner) -> Any:
        start(who, place, with_stubborn_grandchild("true", "orphaned"), grace_s=2.0, **LONG)
        owner.tell("up")
        time.sleep(300)

    owner = Owner(who, act)
    assert owner.told() == "up"
    within(PATIENCE_S, lambda: "ready" in (place / "log").read_text())
    owner.kill()
    seconds = within(60, lambda: not processes("orphaned"))
    outcome = done_by(who, lambda _: _ended(place))
    assert outcome["kind"] == "cancelled" and "owner" in outcome["detail"], outcome
    assert_nothing_is_left(who, "SIGKILL of the run's process", outcome["kind"], "orphaned", seconds)


def test_supervisor_killed(who: Who) -> None:
    """The outcome is lost then, the containment is not."""
    place = who.place("lost")

    def act(_: Owner) -> Any:
        with start(who, place, with_stubborn_grandchild("true", "unsupervised"), **LONG) as unit:
            within(PATIENCE_S, lambda: "ready" in (place / "log").read_text())
            started = time.monotonic()
            os.kill(_supervisor(place), signal.SIGKILL)
            kind = unit.wait(PATIENCE_S).kind
            unit.close()
            return [kind, time.monotonic() - started]

    kind, seconds = done_by(who, act)
    assert kind == "lost"
    assert_nothing_is_left(who, "SIGKILL of the supervisor", kind, "unsupervised", seconds)


def test_adopt(who: Who) -> None:
    """A unit may outlive its owner; the next one takes it over and gets its result."""
    place = who.place("adopt")
    command = shell(
        'echo ready; until [ -e "$1" ]; do sleep 0.1; done; echo late; exit 5', str(place / "end")
    )

    def launch_only(owner: Owner) -> Any:
        start(who, place, command, on_orphan="adopt", **LONG)
        owner.tell("up")
        time.sleep(300)

    def take_over(_: Owner) -> Any:
        unit = attach(place)
        assert unit is not None
        before = running(unit)
        (place / "end").touch()
        with unit:
            return {"before": before, "outcome": asdict(unit.wait(PATIENCE_S)), "peak": unit.peak()}

    first = Owner(who, launch_only)
    assert first.told() == "up"
    first.kill()
    time.sleep(1)
    found = done_by(who, take_over)
    assert found["before"]
    assert (found["outcome"]["kind"], found["outcome"]["code"]) == ("exit", 5), found
    assert found["outcome"]["peak"] > 0
    assert (place / "log").read_text() == "ready\nlate\n"


def _ended(place: Path) -> Any:
    unit = attach(place)
    assert unit is not None
    with unit:
        return asdict(unit.wait(PATIENCE_S))


def _supervisor(place: Path) -> int:
    import json

    return json.loads((place / "unit.json").read_text())["pid"]

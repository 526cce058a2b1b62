"""What does not fit beside another run's training waits for it, visibly; what is there already does not."""

import signal
import time
from pathlib import Path
from typing import Any

import pytest

from blut_resources.machine.memory import memory
from blut_resources.payloads.admission import WAITING_TAG
from tests.e2e.scene import PATIENCE_S, Scene, until
from tests.forked import Forked

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
GIB = 1 << 30


@pytest.fixture
def scene(scene: Scene) -> Scene:
    """A machine with 1 GiB to give, and trainings that declare 60 % of it."""
    scene.env["BLUT_MEMORY_RESERVE"] = str(memory().total - GIB)
    scene.env["TRAINS_FOOTPRINT"] = "614M"
    return scene


def training(scene: Scene, **how: Any) -> tuple[Forked, Path]:
    """A run that trains until the gate opens."""
    gate = scene.root / f"gate-{time.monotonic()}"
    scene.behave(gate=str(gate), gate_for="trained", **how)
    process = scene.start(scene.materialize("raw", "trained"))
    until(lambda: scene.happened("epoch-0 "), process=process)
    return process, gate


def waiting(scene: Scene, *names: str, **limits: Any) -> tuple[Forked, str, str]:
    """A second run, once it waits; its id and what it shows to the UI."""
    known = set(scene.unfinished())
    process = scene.start(scene.materialize(*names, **limits))

    def tag() -> tuple[str, str] | None:
        with scene.instance() as instance:
            for run in instance.get_runs():
                if run.run_id not in known and WAITING_TAG in run.tags:
                    return run.run_id, run.tags[WAITING_TAG]
        return None

    run, said = until(tag, process=process)
    return process, run, said


def spans(scene: Scene) -> list[tuple[float, float]]:
    """From when to when each training ran, in the order of their starts."""
    times: dict[str, list[float]] = {}
    for line in scene.log.read_text().splitlines():
        what, name, moment = line.split()[:3]
        if what in ("start", "end"):
            times.setdefault(name, []).append(float(moment))
    return sorted((found[0], found[1]) for found in times.values())


def test_two_trainings_of_60_percent_take_turns_and_a_hit_waits_for_neither(scene: Scene) -> None:
    uncounted = {"containment": "none"}  # else the next run would lease what this one really took
    assert scene.run(scene.materialize("raw", "rival", epochs=2, **uncounted)) == 0
    first, gate = training(scene)
    (holder,) = scene.unfinished()
    second, run, said = waiting(scene, "raw", "rival")
    assert "waiting for 614 MiB: 614 MiB of 1 GiB are held: contained/trained 614 MiB" in said
    assert f"run {holder[:8]}" in said
    assert scene.waiting() == ["contained/rival"] and scene.held() == ["contained/trained"]

    assert scene.run(scene.materialize("raw", "rival", epochs=2)) == 0, "a hit in the store"
    assert scene.metadata("rival")["reused"] is True
    assert first.poll() is None and second.poll() is None, "the others still train and wait"
    assert scene.starts("rival") == 0

    gate.touch()
    assert (first.wait(PATIENCE_S), second.wait(PATIENCE_S)) == (0, 0), scene.said()
    (_, end), (start, _) = spans(scene)
    assert end <= start, "they never overlapped"
    with scene.instance() as instance:
        found = instance.get_run_by_id(run)
        assert found and found.tags[WAITING_TAG].startswith("no more, after")
        logged = [entry.user_message for entry in instance.all_logs(run)]
    assert any(said in message for message in logged)
    assert scene.held() == scene.waiting() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_wait_can_be_interrupted(scene: Scene, number: signal.Signals) -> None:
    first, gate = training(scene)
    second, run, _ = waiting(scene, "raw", "rival")
    second.send_signal(number)
    assert second.wait(PATIENCE_S) == 1
    assert scene.waiting() == []
    assert run not in scene.unfinished()
    assert first.poll() is None, "the other one trains on"
    gate.touch()
    assert first.wait(PATIENCE_S) == 0


def test_a_wait_can_be_cancelled_by_the_runs_id(scene: Scene) -> None:
    first, gate = training(scene)
    second, run, _ = waiting(scene, "raw", "rival")
    assert scene.blut("cancel", run[:8]).returncode == 0
    second.wait(PATIENCE_S)
    assert scene.status(run) == "CANCELED" and scene.waiting() == []
    gate.touch()
    assert first.wait(PATIENCE_S) == 0


def test_the_waiter_goes_on_when_the_holder_is_killed(scene: Scene) -> None:
    """Not before its tree is gone, which ignores SIGTERM."""
    first, _ = training(scene, deaf=True, grandchild=True)
    tree = scene.tree(process=first)
    second, run, _ = waiting(scene, "raw", "rival")
    scene.behave()
    since = time.monotonic()
    first.kill()
    first.wait()
    seconds = scene.gone(tree, since)
    assert second.wait(PATIENCE_S) == 0, scene.said()
    assert spans(scene)[0][0] > since + float(scene.env["BLUT_GRACE_S"])
    assert scene.status(run) == "SUCCESS"
    scene.record("SIGKILL of a run that another waits for", "auto", tree, seconds, run)


def test_what_can_never_fit_fails_with_the_arithmetic(scene: Scene) -> None:
    assert scene.run(scene.materialize("raw", "trained", memory_max="2G")) == 1
    assert "needs 2 GiB; this machine has" in scene.said()
    assert (
        "are kept for the system ($BLUT_MEMORY_RESERVE), so at most 1 GiB can ever be given" in scene.said()
    )
    assert scene.starts() == 0


def test_the_measured_peak_corrects_what_was_declared(scene: Scene) -> None:
    """After one run that took far less than 60 %, both fit beside each other."""
    scene.behave(mib=64)
    assert scene.run(scene.materialize("raw", "rival", epochs=1)) == 0
    if "peak_memory_bytes" not in scene.metadata("rival"):
        pytest.skip("nobody counts memory here")
    assert scene.metadata("rival")["peak_memory_bytes"] < 200 << 20
    first, gate = training(scene)
    assert scene.run(scene.materialize("raw", "rival")) == 0
    assert first.poll() is None
    gate.touch()
    assert first.wait(PATIENCE_S) == 0

"""Whoever is stopped or killed, however: the payload's whole tree ends, and nothing stays taken."""

import contextlib
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from blut_resources.alive import NoSuchRun, cancel_run, find_run
from blut_resources.containment.backends.cgroup1 import Cgroup1
from blut_resources.machine.processes import descendants
from sensors.reaper import reaper
from tests.e2e.box import BLUT
from tests.e2e.scene import PATIENCE_S, PROMISED_S, Scene, alive, until
from tests.e2e.ui import RELOAD, STOP, Ui, dagster_dev
from tests.lacking import lacking

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


BACKENDS = ["cgroup1", "rlimit", "none"]


@pytest.fixture(params=["cgroup1", "none"])
def backend(request: pytest.FixtureRequest) -> str:
    reason = Cgroup1().unavailable()
    if request.param == "cgroup1" and reason:
        lacking(reason)
    return request.param


def stubborn(scene: Scene, **how: Any) -> None:
    """A training that needs time for its checkpoint, beside a grandchild that will not go."""
    scene.behave(grandchild=True, hang=True, last_words_s=0.5, **how)


def cancel(scene: Scene, run: str, tree: list[int]) -> float:
    """From another shell; seconds from when the training hears of it until its tree is gone."""
    command = scene.start([*BLUT, "cancel", run])
    over = scene.gone(tree, 0)
    assert command.wait(PATIENCE_S) == 0, scene.said()
    return over - scene.moment("stopped")


def assert_nothing_is_left(
    scene: Scene, fault: str, backend: str, tree: list[int], seconds: float, run: str
) -> str:
    """Of the tree, the lease and half-written bytes; the run is over, and its status is returned."""
    until(lambda: run not in scene.unfinished())
    row = scene.record(fault, backend, tree, seconds, run)
    assert row.processes_left == row.artifacts_lost == 0
    assert seconds < PROMISED_S
    until(lambda: not scene.held())
    scene.verify()
    assert "trained" not in scene.versions(), "half a training is no artifact"
    return row.outcome


FAULTS = ("SIGINT", "SIGTERM", "SIGKILL", "blut cancel")
HEAVY = pytest.mark.heavy
"""The same by another way: each way and each backend is there once without it."""


@pytest.mark.parametrize(
    ("door", "backend", "fault"),
    [
        ("blut", "cgroup1", "SIGINT"),
        ("blut", "none", "SIGKILL"),
        ("dagster", "cgroup1", "SIGTERM"),
        ("dagster", "cgroup1", "blut cancel"),
        *(pytest.param("blut", "cgroup1", fault, marks=HEAVY) for fault in FAULTS[1:]),
        *(pytest.param("dagster", "cgroup1", fault, marks=HEAVY) for fault in ("SIGINT", "SIGKILL")),
        pytest.param("blut", "none", "SIGINT", marks=HEAVY),
    ],
    indirect=["backend"],
)
def test_a_run_from_the_command_line(scene: Scene, backend: str, door: str, fault: str) -> None:
    stubborn(scene)
    limits: dict[str, Any] = {"containment": backend}
    command = scene.recipe(limits=limits) if door == "blut" else scene.materialize(**limits)
    process = scene.start_anew(command)
    tree = scene.tree(process=process)
    assert scene.held() == ["contained/trained"]
    (run,) = scene.unfinished()
    since = time.monotonic()
    if fault == "blut cancel":
        seconds = cancel(scene, run[:6], tree)
        assert "ended by themselves" in scene.said()
    else:
        process.send_signal(signal.Signals[fault])
        seconds = scene.gone(tree, since)
    process.wait(PATIENCE_S)
    assert_nothing_is_left(scene, f"{fault}, {door}", backend, tree, seconds, run)
    assert scene.happened("saved"), "it had time to write its checkpoint"
    if fault != "SIGKILL":
        assert process.returncode == (130 if door == "blut" else 1)


@pytest.mark.parametrize(
    ("fault", "ends"),
    [
        ("SIGKILL of the step", "FAILURE"),
        pytest.param("SIGKILL of the run", "FAILURE", marks=HEAVY),
        pytest.param("blut cancel", "CANCELED", marks=HEAVY),
    ],
)
def test_a_run_with_a_process_for_each_step(scene: Scene, fault: str, ends: str) -> None:
    assert scene.run(scene.materialize("raw")) == 0
    stubborn(scene)
    process = scene.start_anew(scene.materialize("trained", module="tests.contained_multi"))
    tree = scene.tree(process=process)
    step = scene.owner(tree[0])
    assert step != process.pid and _parent(step) == process.pid
    (run,) = scene.unfinished()
    assert worker(scene, run) == process.pid
    since = time.monotonic()
    if fault == "blut cancel":
        seconds = cancel(scene, run, tree)
    else:
        os.kill(step if "step" in fault else process.pid, signal.SIGKILL)
        seconds = scene.gone(tree, since)
    process.wait(PATIENCE_S)
    fault = f"{fault}, process per step"
    assert assert_nothing_is_left(scene, fault, "auto", tree, seconds, run) == ends
    assert scene.happened("saved")
    until(lambda: not alive(step))


@pytest.mark.parametrize("backend", BACKENDS, indirect=True)
@pytest.mark.parametrize(
    ("who", "said"),
    [("payload", "killed by SIGKILL"), ("supervisor", "nobody saw how it ended (its supervisor was killed)")],
)
def test_a_payload_or_its_supervisor_is_killed(scene: Scene, backend: str, who: str, said: str) -> None:
    """The run ends by itself, and says how the payload ended."""
    stubborn(scene)
    process = scene.start(scene.quick(), BLUT_CONTAINMENT=backend)
    tree = scene.tree(process=process)
    (run,) = scene.unfinished()
    since = time.monotonic()
    os.kill(tree[0] if who == "payload" else _parent(tree[0]), signal.SIGKILL)
    seconds = scene.gone(tree, since)
    assert process.wait(PATIENCE_S) == 1
    ended = assert_nothing_is_left(scene, f"SIGKILL of the {who}", backend, tree, seconds, run)
    assert ended == "FAILURE" and said in scene.said()


def test_the_default_grace_period_is_within_what_is_promised(scene: Scene, backend: str) -> None:
    """Nothing of this tree listens to SIGTERM."""
    stubborn(scene, deaf=True)
    process = scene.start(scene.materialize("raw", "trained", containment=backend), BLUT_GRACE_S="10")
    tree = scene.tree(process=process)
    (run,) = scene.unfinished()
    since = time.monotonic()
    process.kill()
    process.wait()
    seconds, fault = scene.gone(tree, since), "SIGKILL, all of the tree deaf, grace 10 s"
    assert assert_nothing_is_left(scene, fault, backend, tree, seconds, run) == "FAILURE"


def test_run_and_supervisor_are_killed_at_once(scene: Scene, backend: str) -> None:
    """Who would end the tree is dead too; the next start of anything does it, or the reaper's sensor."""
    stubborn(scene)
    process = scene.start(scene.materialize("raw", "trained", containment=backend))
    tree = scene.tree(process=process)
    supervisor = _parent(tree[0])
    (run,) = scene.unfinished()
    since = time.monotonic()
    process.kill()
    os.kill(supervisor, signal.SIGKILL)
    process.wait()
    until(lambda: not alive(supervisor))
    with scene.instance() as instance:
        reaper(dg.build_sensor_context(instance))
    seconds = scene.gone(tree, since)
    assert_nothing_is_left(scene, "SIGKILL of run and supervisor", backend, tree, seconds, run)


@pytest.mark.parametrize("fault", ["none", "SIGKILL"])
def test_no_directory_of_a_payload_outlives_it_for_long(scene: Scene, tmp_path: Path, fault: str) -> None:
    """A killed run cannot remove its own: whoever finds it dead does, once no process works there."""
    scene.behave() if fault == "none" else stubborn(scene, deaf=True)
    works, public = scene.home / "store" / "work", tmp_path / "public"
    public.mkdir()
    process = scene.start(scene.quick(), TMPDIR=str(public), BLUT_GRACE_S="300")
    tree = scene.tree(process=process)
    if fault == "SIGKILL":
        (place,) = works.glob("*/unit")
        process.kill()
        process.wait()
        assert scene.status() == "FAILURE"
        assert alive(tree[0]) and place.exists()
        for pid in tree:
            os.kill(pid, signal.SIGKILL)
    process.wait(PATIENCE_S)
    scene.gone(tree, 0)
    until(lambda: bool(scene.status()) and not [*works.glob("*/unit"), *works.glob("*/blut-payload-*")])
    assert not list(public.glob("blut-*")), "nothing of a payload lies where others can make names"


def test_dataloader_workers_go_with_their_training(scene: Scene) -> None:
    """Also where no cgroup holds them together."""
    scene.behave(workers=2, hang=True)
    process = scene.start(scene.quick(), BLUT_CONTAINMENT="none")
    tree = scene.tree(process=process)
    assert len(tree) == 3
    (run,) = scene.unfinished()
    since = time.monotonic()
    process.kill()
    process.wait()
    seconds = scene.gone(tree, since)
    assert_nothing_is_left(scene, "SIGKILL, DataLoader workers", "none", tree, seconds, run)


def test_a_training_goes_on_from_where_it_was_cancelled(scene: Scene) -> None:
    undisturbed = Scene(scene.root / "undisturbed")
    assert undisturbed.run(undisturbed.recipe(epochs=4)) == 0
    scene.behave(gate=str(scene.root / "gate"), gate_at=1)
    process = scene.start(scene.recipe(epochs=4))
    until(lambda: scene.happened("epoch-1 "), process=process)
    assert scene.blut("cancel", scene.unfinished()[0]).returncode == 0
    assert scene.status() == "CANCELED"
    scene.behave()
    assert scene.run(scene.recipe(epochs=4)) == 0
    assert scene.happened("resumed-at-2 "), scene.log.read_text()
    assert scene.versions() == undisturbed.versions()


@pytest.mark.parametrize(("grace", "saves"), [("20s", True), ("0.5s", False), ("0", False)])
def test_whoever_cancels_says_how_long_a_checkpoint_may_take(scene: Scene, grace: str, saves: bool) -> None:
    scene.behave(hang=True, last_words_s=4)  # which is more than the scene's two seconds of grace
    process = scene.start(scene.recipe())
    tree = scene.tree(process=process)
    (run,) = scene.unfinished()
    refused = scene.blut("cancel", run, "--grace", "soon")
    assert refused.returncode == 2 and "--grace='soon': not a duration" in refused.stderr
    done = scene.blut("cancel", run, "--grace", grace)
    assert done.returncode == 0 and "its processes ended by themselves" in done.stdout, done.stderr
    scene.gone(tree, 0)
    assert scene.happened("saved") == saves and scene.status() == "CANCELED"


def test_a_run_is_named_by_the_beginning_of_its_id(scene: Scene) -> None:
    nothing = dg.job(name="nothing")(lambda: None)
    with scene.instance() as instance:
        # 17 runs, so that at least two begin alike
        runs = [instance.create_run_for_job(nothing).run_id for _ in range(17)]
        shared = next(c for c in "0123456789abcdef" if sum(run.startswith(c) for run in runs) > 1)
        for words, said in (
            (shared, f"runs have an id that begins with '{shared}' ({shared}"),
            ("zzz", "no run has an id that begins with 'zzz'"),
            ("", "no run has an id that begins with ''"),
        ):
            with pytest.raises(NoSuchRun, match=re.escape(said)):
                find_run(instance, words)
        over = nothing.execute_in_process(instance=instance).run_id
        assert "has ended already: success" in cancel_run(instance, find_run(instance, over))
        assert "there was no process to end" in cancel_run(instance, find_run(instance, runs[0][:12]))
        assert find_run(instance, runs[0]).status is dg.DagsterRunStatus.CANCELED
    refused = scene.blut("cancel", "zzz")
    assert refused.returncode == 2 and "no run has an id that begins with 'zzz'" in refused.stderr


def test_a_slot_of_a_pool_is_free_after_its_holder_was_killed(scene: Scene) -> None:
    """Also where no step of the run was a stage."""
    with scene.instance() as instance:
        instance.event_log_storage.set_concurrency_slots("one-at-a-time", 1)
    reached = scene.root / "reached"
    process = scene.start(scene.materialize("pooled"), TRAINS_POOLED=str(reached))
    until(reached.exists, process=process)
    process.kill()
    process.wait()
    with scene.instance() as instance:

        def taken() -> int:
            info = instance.event_log_storage.get_concurrency_info("one-at-a-time")
            return info.active_slot_count

        assert taken() == 1
        said = reaper(dg.build_sensor_context(instance))
        assert isinstance(said, dg.SkipReason) and "their process died" in str(said.skip_message)
        assert taken() == 0
        assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.FAILURE]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Scene, Ui]]:
    """One `dagster dev` for everything that it survives."""
    with pytest.MonkeyPatch.context():
        scene = Scene(tmp_path_factory.mktemp("shared") / "scene")
        with dagster_dev("tests.contained", scene.environment()) as ui:
            yield scene, ui


def launch(ui: Ui, backend: str, name: str = "trained") -> str:
    config = {"ops": {f"contained__{name}": {"config": {"limits": {"containment": backend}}}}}

    def launched() -> str | None:
        with contextlib.suppress(AssertionError):  # its code server was killed, and is coming up again
            return ui.launch("__ASSET_JOB", config, ["contained/raw", f"contained/{name}"])

    return until(launched, 300)


def worker(scene: Scene, run: str) -> int:
    """The process that executes a run."""
    return int((scene.home / "alive" / run).read_text().split()[0])


@pytest.mark.parametrize(
    ("fault", "backend", "ends"),
    [
        ("terminate, safely", "cgroup1", "CANCELED"),
        pytest.param("terminate, safely", "none", "CANCELED", marks=HEAVY),
        pytest.param("terminate, marked at once", "cgroup1", "CANCELED", marks=HEAVY),
        pytest.param("blut cancel", "cgroup1", "CANCELED", marks=HEAVY),
        ("SIGKILL of the run's process", "none", "FAILURE"),
        ("SIGKILL of the run's process and its code server", "cgroup1", "FAILURE"),
    ],
    indirect=["backend"],
)
def test_a_run_from_the_ui(shared: tuple[Scene, Ui], backend: str, fault: str, ends: str) -> None:
    scene, ui = shared
    stubborn(scene)
    run = launch(ui, backend)
    tree = scene.tree()
    executes = worker(scene, run)
    since = time.monotonic()
    if fault == "blut cancel":
        seconds = cancel(scene, run[:8], tree)
    elif fault.startswith("terminate"):
        how = "SAFE_TERMINATE" if "safely" in fault else "MARK_AS_CANCELED_IMMEDIATELY"
        ui.ask(STOP, id=run, how=how)
        seconds = scene.gone(tree, 0) - scene.moment("stopped")
    else:
        if "code server" in fault:
            os.kill(_parent(executes), signal.SIGKILL)
        os.kill(executes, signal.SIGKILL)
        seconds = scene.gone(tree, since)
    assert assert_nothing_is_left(scene, f"{fault}, UI", backend, tree, seconds, run) == ends
    assert ui.wait(run) == ends
    until(lambda: not alive(executes))
    assert scene.happened("saved")


@pytest.mark.heavy
def test_a_reload_of_the_code_location_ends_nothing(shared: tuple[Scene, Ui]) -> None:
    scene, ui = shared
    gate = scene.root / "gate"
    scene.behave(gate_at_end=str(gate))  # its epochs may be done: it resumes where another was killed
    run = launch(ui, "auto")
    tree = [*scene.tree(), worker(scene, run)]
    ui.ask(RELOAD)
    time.sleep(6)
    assert all(alive(pid) for pid in tree)
    gate.touch()
    assert ui.wait(run) == "SUCCESS"


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.parametrize(
    ("who", "runs"),
    [
        pytest.param("daemon", {"trained": "auto"}, marks=HEAVY),
        pytest.param("webserver", {"trained": "none"}, marks=HEAVY),
        pytest.param("dagster dev", {"trained": "auto"}, marks=HEAVY),
        ("all of its process group", {"trained": "auto", "rival": "none"}),
    ],
)
def test_the_ui_or_the_daemon_is_killed_with_runs_in_flight(
    scene: Scene, who: str, runs: dict[str, str]
) -> None:
    """Each of them is held in another way."""
    stubborn(scene)
    with dagster_dev("tests.contained", scene.environment()) as ui:
        launched = {name: launch(ui, backend, name) for name, backend in runs.items()}
        trees = {name: scene.tree(name) for name in runs}
        executing = [worker(scene, run) for run in launched.values()]
        services = {pid: Path(f"/proc/{pid}/cmdline").read_text() for pid in descendants(ui.process.pid)}
        since = time.monotonic()
        if who == "all of its process group":
            os.killpg(ui.process.pid, signal.SIGKILL)
        elif who == "dagster dev":
            ui.process.kill()
        else:
            word = {"daemon": "dagster._daemon", "webserver": "dagster_webserver"}[who]
            (pid,) = [pid for pid, command in services.items() if word in command]
            os.kill(pid, signal.SIGKILL)
        seconds = {name: scene.gone(tree, since) for name, tree in trees.items()}
        for name, backend in runs.items():
            left = (trees[name], seconds[name], launched[name])
            assert assert_nothing_is_left(scene, f"SIGKILL of {who}", backend, *left) == "FAILURE"
        until(lambda: not any(alive(pid) for pid in executing))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_before_the_first_step_leaves_no_run_behind(
    scene: Scene, number: signal.Signals
) -> None:
    process = scene.start_anew(scene.recipe())
    until(lambda: ": run " in scene.said(), 120, process)
    process.send_signal(number)
    assert process.wait(60) == 130, scene.said()
    assert "interrupted: run the same command again" in scene.said()
    assert "failed" not in scene.said()
    with scene.instance() as instance:
        assert all(run.is_finished for run in instance.get_runs())


def test_so_does_one_that_comes_while_dagster_asks_for_a_config(scene: Scene) -> None:
    assert scene.run(scene.recipe(), INTERRUPTED_CONFIG="1") == 130, scene.said()
    assert "interrupted: run the same command again" in scene.said() and "Traceback" not in scene.said()
    with scene.instance() as instance:
        assert all(run.is_finished for run in instance.get_runs())

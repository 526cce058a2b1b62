"""Any Pipes script of any Dagster project runs contained, is heard to the end, and leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from blut_resources.files import full
from blut_resources.payloads import watching
from blut_resources.payloads.threads import PASSIVE
from blut_resources.pipes import ContainedPipesClient
from tests.conftest import REPOSITORY
from tests.owners import within
from tests.small import fill, small

SCRIPT = [sys.executable, REPOSITORY / "tests" / "payloads" / "piped.py"]
MIB = 1 << 20


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Nothing of a unit is left in the temporary directory of a test, whatever happens to it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield
    assert not list(tmp_path.glob("blut-pipes-*/*"))


def materialize(
    extras: dict[str, Any],
    client: dg.PipesSubprocessClient | None = None,
    command: Sequence[Any] = SCRIPT,
    instance: dg.DagsterInstance | None = None,
    **asked: Any,
) -> dg.ExecuteInProcessResult:
    """A project that knows nothing of Blut but the resource."""

    @dg.asset(check_specs=[dg.AssetCheckSpec(name, asset="report") for name in extras.get("checks", ())])
    def report(context: dg.AssetExecutionContext, pipes: dg.PipesSubprocessClient):
        done = pipes.run(context=context, command=command, extras=extras, **asked)
        found.extend(done.get_custom_messages())
        return done.get_results()

    found: list[Any] = []
    result = dg.materialize(
        [report],
        resources={"pipes": client or ContainedPipesClient()},
        instance=instance or dg.DagsterInstance.ephemeral(),
        raise_on_error=False,
    )
    result.found = found  # type: ignore[attr-defined]
    return result


FINE = {"checks": {"fine": True, "tidy": False}}


def failure(result: dg.ExecuteInProcessResult) -> tuple[str, dict[str, Any]]:
    assert not result.success
    data = result.failure_data_for_node("report")
    assert data and data.user_failure_data, data
    return data.user_failure_data.description or "", {
        name: entry.value for name, entry in data.user_failure_data.metadata.items()
    }


def shown(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    (event,) = result.asset_materializations_for_node("report")
    return {name: entry.value for name, entry in event.metadata.items()}


def test_a_script_that_knows_nothing_of_blut_is_held_and_heard(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    result = materialize({**FINE, "messages": 2, "size": 3}, cpus=2, gpus=0)
    assert result.success
    (event,) = result.asset_materializations_for_node("report")
    assert (event.tags or {})["dagster/data_version"] == "v7"
    seen = shown(result)
    assert seen["rows"] == 7 and seen["threads"] == 2 and seen["seen"] == ""
    assert seen["outcome"] == "mine", "what it reports itself is not written over"
    assert seen["containment"] and seen["seconds"] > 0
    checks = {one.check_name: one for one in result.get_asset_check_evaluations()}
    assert checks["fine"].passed and not checks["tidy"].passed
    assert checks["tidy"].severity == dg.AssetCheckSeverity.WARN
    assert checks["tidy"].metadata["outcome"].value == "ok"
    assert [one["number"] for one in result.found] == [0, 1]  # type: ignore[attr-defined]
    said = capfd.readouterr().err
    assert "printed" in said and "at work" in said


def test_no_message_is_lost_in_a_flood(capfd: pytest.CaptureFixture[str]) -> None:
    for messages, size in ((20_000, 10), (60, 1_000_000), (2, 9_000_000)):
        result = materialize({**FINE, "messages": messages, "size": size})
        assert result.success
        assert [one["number"] for one in result.found] == list(range(messages))  # type: ignore[attr-defined]
        assert shown(result)["rows"] == 7, "what comes after the flood"


@pytest.mark.parametrize(
    ("how", "words", "outcome"),
    [
        ({"kills": True}, "report: killed by SIGKILL", "signal"),
        ({"leaves": True}, "report: exit status 0, but it has not closed Dagster Pipes", "unfinished"),
        ({"leaves": True, "line": '{"half'}, "its last message is cut off (6 bytes)", "unfinished"),
        (
            {"hangs": True, "line": "oops\n"},
            "the process said on line 3: b'oops': not a message",
            "bad-message",
        ),
    ],
)
def test_what_is_no_success_says_why(how: dict[str, Any], words: str, outcome: str) -> None:
    said, metadata = failure(materialize(how))
    assert words in said
    assert metadata["outcome"] == outcome and "containment" in metadata


def test_a_full_disk_is_named_and_may_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with small(tmp_path / "small", "256k") as place:
        command = ["head", "-c", "1000000", "/dev/zero"]
        writes = ["sh", "-c", f"{' '.join(command)} > zeros"]
        said, metadata = failure(materialize({}, command=writes, cwd=place))
        assert f"the file system at {place} has 0 bytes of 256 KiB free, for {place}; make room" in said
        assert metadata["outcome"] == full.CAUSE
        (place / "zeros").unlink()
        fill(place)
        monkeypatch.setattr(tempfile, "tempdir", str(place))
        said, metadata = failure(materialize({}))
        assert f"the file system at {place} has 0 bytes" in said and metadata == {"outcome": full.CAUSE}


def test_a_command_that_is_not_there_and_a_limit_that_makes_no_sense() -> None:
    assert "no such program" in failure(materialize({}, command=["nothing-of-that-name"]))[0]
    assert "memory_max='lots': not a size" in failure(materialize({}, memory_max="lots"))[0]
    assert "cpus=0: must be a number of CPUs" in failure(materialize({}, cpus=0))[0]
    assert "gpus=-1" in failure(materialize({}, gpus=-1))[0]
    assert "oom_retry_up_to='1G': there is no memory_max" in failure(materialize({}, oom_retry_up_to="1G"))[0]
    assert "report: needs 1 GPU" in failure(materialize({}, gpus=1))[0]
    assert "command=[]: must begin with a program" in failure(materialize({}, command=[]))[0]
    assert "env['N']=1: must be a text" in failure(materialize({}, env={"N": 1}))[0]


def test_a_command_without_pipes_is_what_it_is_in_dagster() -> None:
    client = ContainedPipesClient(env={"WORD": "client"})
    result = materialize({}, client, ["/bin/sh", "-c", 'test "$WORD" = run'], env={"WORD": "run"})
    assert result.success and not result.found  # type: ignore[attr-defined]


@pytest.mark.usefixtures("cgroup1")
def test_beyond_its_memory_it_is_killed_and_peak_and_limit_are_told() -> None:
    said, metadata = failure(materialize({"mib": 300}, memory_max="64M"))
    assert "its memory limit of 64 MiB was reached" in said
    assert metadata["outcome"] == "oom-kill" and metadata["limit"] == 64 * MIB
    assert 63 * MIB < metadata["peak"] <= 64 * MIB and metadata["contained"] is True
    result = materialize({**FINE, "mib": 100}, ContainedPipesClient(memory_max="512M"))
    assert 100 * MIB < shown(result)["peak_memory_bytes"] < 512 * MIB
    assert shown(result)["memory_max"] == 512 * MIB


@pytest.mark.usefixtures("cgroup1")
def test_it_asks_for_another_attempt_with_more_memory() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        result = materialize({**FINE, "mib": 300}, instance=instance, memory_max="64M", oom_retry_up_to="1G")
        assert result.success and shown(result)["memory_max"] == 1 << 30
        (retry,) = result.filter_events(lambda event: event.is_step_up_for_retry)
        assert "its memory limit of 64 MiB was reached" in str(retry.event_specific_data)
        run = instance.get_run_by_id(result.run_id)
        assert run and run.tags["blut/memory_max.report"] == f"{1 << 30} bytes since {run.run_id}"
        said, metadata = failure(
            materialize({"mib": 300}, instance=instance, memory_max="64M", oom_retry_up_to="80M")
        )
        assert "its memory limit of 80 MiB was reached" in said and metadata["limit"] == 80 * MIB


def test_where_nothing_enforces_a_limit_it_starts_only_if_that_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BLUT_CONTAINMENT", "none")
    assert "nothing here provably holds it" in failure(materialize({}, memory_max="1G"))[0]
    seen = shown(materialize(FINE, ContainedPipesClient(mode="best-effort"), memory_max="1G"))
    assert seen["contained"] is False and seen["containment"] == "none"


def test_an_op_and_a_function_that_is_called_have_it_too() -> None:
    """The second has no run, and so no retry."""
    client = ContainedPipesClient()

    @dg.op
    def op(context: dg.OpExecutionContext) -> int:
        done = client.run(context=context, command=SCRIPT, extras={"messages": 3, "size": 1, "stops": True})
        return len(done.get_custom_messages())

    assert op(dg.build_op_context()) == 3
    assert dg.GraphDefinition("graph", node_defs=[op]).execute_in_process().output_for_node("op") == 3


def test_it_is_stopped_when_its_time_is_up(tmp_path: Path) -> None:
    client = ContainedPipesClient(termination_timeout_seconds=0.2)
    pids = tmp_path / "pids"
    said, metadata = failure(materialize({"hangs": True, "start": str(pids)}, client, timeout=2))
    assert "wall-clock limit" in said and metadata["outcome"] == "timeout"
    assert not alive(pids)


def alive(pids: Path) -> list[int]:
    """Of what the script has started, its deaf child in a session of its own included."""
    return [pid for pid in json.loads(pids.read_text()) if Path(f"/proc/{pid}/cmdline").exists()]


def test_a_run_that_is_marked_as_cancelled_ends_the_whole_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "WATCH_S", 0.1)
    pids = tmp_path / "pids"
    (tmp_path / "instance").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "instance")) as instance:

        def cancel() -> None:
            within(30, lambda: pids.exists())
            (run,) = instance.get_runs()
            instance.report_run_canceled(run)

        other = threading.Thread(target=cancel)
        other.start()
        client = ContainedPipesClient(termination_timeout_seconds=0.2)
        result = materialize({"hangs": True, "start": str(pids)}, client, instance=instance)
        other.join()
    assert not result.success and not alive(pids)


PROJECT = """
import signal, weakref
import dagster as dg
from blut_resources.payloads import watching
from blut_resources.pipes import ContainedPipesClient

class Dropped: ...

def swallowed(*_):
    # an interrupt in the callback of a weak reference: Python prints what it raises, and goes on
    dropped = Dropped()
    kept = weakref.ref(dropped, lambda _: [signal.raise_signal(signal.SIGINT), None])
    del dropped

signal.signal(signal.SIGUSR1, swallowed)

@dg.asset
def report(context: dg.AssetExecutionContext, pipes: ContainedPipesClient):
    extras = {{"hangs": True, "start": {pids!r}}}
    return pipes.run(context=context, command={command!r}, extras=extras).get_results()

defs = dg.Definitions(
    executor=dg.in_process_executor,
    assets=[report], resources={{"pipes": ContainedPipesClient(termination_timeout_seconds=0.2)}}
)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGUSR1, signal.SIGKILL])
def test_when_the_step_is_interrupted_or_killed_the_tree_ends_too(
    tmp_path: Path, how: signal.Signals
) -> None:
    pids, home = tmp_path / "pids", tmp_path / "home"
    home.mkdir()
    (tmp_path / "project.py").write_text(PROJECT.format(pids=str(pids), command=[str(w) for w in SCRIPT]))
    command = [sys.executable, "-m", "dagster", "asset", "materialize", "-f", "project.py", "--select", "*"]
    env = {**os.environ, "DAGSTER_HOME": str(home), "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(command, cwd=tmp_path, env=env, stderr=subprocess.DEVNULL)
    try:
        within(60, lambda: pids.exists() and pids.read_text().endswith("]"))
        process.send_signal(how)
        process.wait(30)
        within(10, lambda: not alive(pids))
    finally:
        process.kill()
        process.wait()
    if how == signal.SIGKILL:
        assert list(tmp_path.glob("blut-pipes-*/*")), "nobody was there to remove its place"
        assert materialize(FINE).success, "the next one does"


HOLDS = """
import os
from dagster_pipes import open_dagster_pipes
from blut_resources.leases.lease import holders
with open_dagster_pipes() as pipes:
    (needs,) = [claim.needs for claim in holders()]
    held = {name: getattr(needs, name) for name in ("cpus", "network", "disk")}
    pipes.report_asset_materialization(metadata={**held, "waits": os.environ["OMP_WAIT_POLICY"]})
"""


def test_cpus_and_permits_are_queued_for_and_what_can_never_be_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLUT_LEASES", str(tmp_path / "leases"))
    monkeypatch.setenv("BLUT_LEASE_CPUS", "3")
    for name in ("OMP_NUM_THREADS", *PASSIVE):  # a module of another test may have set them
        monkeypatch.delenv(name, raising=False)
    client = ContainedPipesClient(cpus=1.5, network=1)
    result = materialize({}, client, [sys.executable, "-c", HOLDS], disk=1)
    assert result.success
    seen = shown(result)
    assert (seen["cpus"], seen["network"], seen["disk"], seen["waits"]) == (2, 1, 1, "PASSIVE")
    said, _ = failure(materialize({}, client, network=9))
    assert "needs 9 network permits; this machine has 4 network permits ($BLUT_LEASE_NETWORK)" in said
    said, _ = failure(materialize({}, client, disk=True))
    assert "disk=True: must be a whole number" in said

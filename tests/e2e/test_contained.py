"""``BLUT_CONTAINED``: a memory limit that the kernel enforces, or no start; where the limit comes from."""

import json
from collections.abc import Mapping
from typing import Any

import dagster as dg
import pytest
from typer.testing import CliRunner

from blut_assets.cli.app import app
from blut_resources.containment.backends.cgroup1 import Cgroup1
from blut_resources.machine.memory import available, memory
from blut_resources.payloads import order
from blut_resources.runs.manifest import read
from tests.contained import CHAIN, RESOURCES
from tests.e2e.scene import Scene
from tests.lacking import lacking

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
MIB, GIB = 1 << 20, 1 << 30
SPARE = 256 * MIB


@pytest.fixture
def scene(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """For runs in this process, each contained."""
    for name, value in scene.env.items():
        if name != "PYTHONPATH":
            monkeypatch.setenv(name, value)
    monkeypatch.setattr(order, "GRACE_S", float(scene.env["BLUT_GRACE_S"]))
    monkeypatch.setenv("BLUT_CONTAINED", "1")
    return scene


@pytest.fixture
def enforced() -> None:
    if reason := Cgroup1().unavailable():
        lacking(reason)


def materialize(
    scene: Scene, asks: Mapping[str, Any] | None = None, **limits: Any
) -> dg.ExecuteInProcessResult:
    config = {"reuse": "never", "limits": limits, **(asks or {})}
    with scene.instance() as instance:
        return dg.materialize(
            CHAIN,
            resources=RESOURCES,
            instance=instance,
            raise_on_error=False,
            run_config={"ops": {"contained__trained": {"config": config}}},
        )


def containment(scene: Scene) -> dict[str, Any]:
    """What the newest manifest says of the training."""
    newest = max(scene.home.rglob("manifest.json"), key=lambda path: path.stat().st_mtime)
    return read(newest)["assets"]["contained/trained"]["containment"]


def failure(result: dg.ExecuteInProcessResult) -> str:
    assert not result.success
    data = result.failure_data_for_node("contained__trained")
    assert data and data.user_failure_data
    return data.user_failure_data.description or ""


def logged(scene: Scene, result: dg.ExecuteInProcessResult) -> str:
    with scene.instance() as instance:
        return "\n".join(entry.user_message for entry in instance.all_logs(result.run_id))


@pytest.mark.usefixtures("enforced")
def test_a_limit_that_is_named_holds_and_stands_in_the_manifest(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLUT_MEMORY_MAX", "128M")
    result = materialize(scene)
    assert result.success
    held = {"asked": "limit", "limit": 128 * MIB, "limit_from": "$BLUT_MEMORY_MAX"}
    assert containment(scene) == {**held, "held_by": "cgroup1", "contained": True}
    assert "memory limit 128 MiB, enforced ($BLUT_CONTAINED=1): $BLUT_MEMORY_MAX" in logged(scene, result)
    assert materialize(scene, memory_max="1G").success
    assert (containment(scene)["limit"], containment(scene)["limit_from"]) == (GIB, "limits.memory_max")
    scene.behave(mib=300)
    assert "its memory limit of 128 MiB was reached" in failure(materialize(scene))


@pytest.mark.usefixtures("enforced")
def test_without_one_it_is_what_is_free_and_then_what_args_of_that_kind_took(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLUT_MEMORY_RESERVE", str(available() - 4 * GIB))
    assert materialize(scene).success
    first = containment(scene)
    assert 2 * GIB < first["limit"] < 5 * GIB and "free here less the reserve" in first["limit_from"]

    taken = scene.metadata()["peak_memory_bytes"]
    assert materialize(scene, {"word": "costs nothing"}).success
    again = containment(scene)
    assert (
        again["limit"] == taken + SPARE
        and "taken before with these args, and headroom" in again["limit_from"]
    )

    assert materialize(scene, {"batch_bytes": 64}).success, "other args: nothing is concluded"
    assert containment(scene)["limit"] > 2 * GIB
    scene.behave(mib=400)
    assert "its memory limit of" in failure(materialize(scene)), "it is held to what it took before"
    assert scene.starts() == 1
    scene.behave(mib=400)
    assert materialize(scene, oom_retry_up_to="2G").success and scene.starts() == 2
    assert (containment(scene)["limit_from"], containment(scene)["limit"]) == ("oom_retry_up_to", 2 * GIB)


@pytest.mark.usefixtures("enforced")
def test_a_limit_that_is_found_is_never_less_than_declared(scene: Scene) -> None:
    declared = scene.start([*scene.quick()], TRAINS_FOOTPRINT="700M", BLUT_CONTAINED="1")
    assert declared.wait() == 0
    again = scene.start(scene.materialize(reuse="never"), TRAINS_FOOTPRINT="700M", BLUT_CONTAINED="1")
    assert again.wait() == 0, scene.said()
    known = containment(scene)
    assert known["limit"] == 700 * MIB and "never less than what the asset declares" in known["limit_from"]


def test_where_nothing_enforces_a_limit_it_does_not_start(scene: Scene) -> None:
    said = failure(materialize(scene, containment="none"))
    assert "nothing here provably holds it, so it was not started" in said
    assert "unset $BLUT_CONTAINED" in said and "best-effort" not in said
    assert "does not hold a whole tree" in failure(materialize(scene, containment="rlimit", memory_max="1G"))
    assert "contradicts $BLUT_CONTAINED=1" in failure(materialize(scene, mode="best-effort"))
    assert scene.starts() == 0


def test_no_memory_to_limit_it_to_is_a_reason_not_to_start(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLUT_MEMORY_RESERVE", str(memory().total))
    assert "there is no memory to limit a payload to" in failure(materialize(scene))
    assert scene.starts() == 0


def test_zero_contains_nothing_and_says_so(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLUT_CONTAINED", "0")
    monkeypatch.setenv("BLUT_MEMORY_MAX", "32M")
    scene.behave(mib=128)
    result = materialize(scene)
    assert result.success and scene.metadata()["contained"] is False
    said = containment(scene)
    assert (said["asked"], said["limit"], said["held_by"]) == ("none", None, "none")
    assert "no containment ($BLUT_CONTAINED=0)" in logged(scene, result)
    assert "contradicts $BLUT_CONTAINED=0" in failure(materialize(scene, mode="required"))


def test_a_command_is_contained_by_its_environment(scene: Scene) -> None:
    scene.behave(mib=300)
    assert scene.run(scene.recipe(), BLUT_CONTAINED="1", BLUT_MEMORY_MAX="64M") == 1
    assert "memory limit 64 MiB, enforced ($BLUT_CONTAINED=1): $BLUT_MEMORY_MAX" in scene.said()
    assert "its memory limit of 64 MiB was reached" in scene.said()
    scene.behave()
    assert scene.run(scene.recipe(), BLUT_CONTAINED="1") == 0
    assert scene.run(scene.recipe(), BLUT_CONTAINED="yes") == 2, "also where all is there already"
    assert "$BLUT_CONTAINED='yes': must be 1" in scene.said()
    assert scene.run(scene.materialize(), BLUT_CONTAINED="yes") == 1
    assert "$BLUT_CONTAINED='yes': must be 1" in scene.said() and "Traceback" not in failed(scene)


def failed(scene: Scene) -> str:
    """The description of the last failed step."""
    with scene.instance() as instance:
        (run, *_) = instance.get_runs()
        failures = [e.dagster_event for e in instance.all_logs(run.run_id, dg.DagsterEventType.STEP_FAILURE)]
    data = failures[0].step_failure_data.user_failure_data if failures and failures[0] else None
    assert data
    return data.description or ""


@pytest.mark.usefixtures("enforced")
@pytest.mark.parametrize(
    ("variables", "state", "words"),
    [
        ({"BLUT_CONTAINED": "1"}, "ok", "1: by cgroup1: memory limit"),
        ({"BLUT_CONTAINED": "1", "BLUT_MEMORY_MAX": "3G"}, "ok", "memory limit 3 GiB, enforced"),
        ({"BLUT_CONTAINED": "1", "BLUT_CONTAINMENT": "rlimit"}, "broken", "no payload would start"),
        ({"BLUT_CONTAINED": "1", "BLUT_CONTAINMENT_MODE": "best-effort"}, "broken", "contradicts"),
        ({"BLUT_CONTAINED": "0"}, "ok", "0: no containment"),
        ({"BLUT_CONTAINED": "on"}, "broken", "must be 1"),
        ({"BLUT_CONTAINED": ""}, "ok", "not set"),
    ],
)
def test_the_doctor_says_what_it_does_here(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], state: str, words: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    shown = CliRunner().invoke(app, ["doctor", "--json"])
    rows = {row["about"]: row for row in json.loads(shown.stdout)}
    assert rows["$BLUT_CONTAINED"]["state"] == state and words in rows["$BLUT_CONTAINED"]["found"]
    assert shown.exit_code == (1 if state == "broken" else 0)

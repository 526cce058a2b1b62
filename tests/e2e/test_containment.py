"""What a step says of a payload that was held to its limits, through the front doors a person uses."""

import re
from collections.abc import Mapping
from typing import Any

import dagster as dg
import pytest

from blut_assets.recipes import ArgsError
from blut_resources.machine.memory import shared_memory
from blut_resources.payloads import order
from blut_resources.runs import manifest
from blut_resources.runs.files import manifest_path
from tests.contained import CHAIN, RESOURCES, defs, recipe
from tests.e2e.scene import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
MIB = 1 << 20
OBSERVED = "ASSET_OBSERVATION"


@pytest.fixture
def scene(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """For runs in this process too."""
    for name, value in scene.env.items():
        if name != "PYTHONPATH":
            monkeypatch.setenv(name, value)
    monkeypatch.setattr(order, "GRACE_S", float(scene.env["BLUT_GRACE_S"]))
    return scene


def materialize(
    scene: Scene, epochs: int = 3, asks: Mapping[str, Any] | None = None, **limits: Any
) -> dg.ExecuteInProcessResult:
    config = {"epochs": epochs, "limits": limits, **(asks or {})}
    with scene.instance() as instance:
        return dg.materialize(
            CHAIN,
            resources=RESOURCES,
            instance=instance,
            raise_on_error=False,
            run_config={"ops": {"contained__trained": {"config": config}}},
        )


def failure(result: dg.ExecuteInProcessResult) -> tuple[str, dict[str, Any]]:
    """What the failed step says, and its metadata."""
    assert not result.success
    data = result.failure_data_for_node("contained__trained")
    assert data and data.user_failure_data
    metadata = data.user_failure_data.metadata
    return data.user_failure_data.description or "", {name: entry.value for name, entry in metadata.items()}


def assert_nothing_is_left(scene: Scene, fault: str, backend: str) -> None:
    """Of the tree and of half-written bytes, when the run is over."""
    row = scene.record(fault, backend, scene.tree())
    assert (row.outcome, row.processes_left, row.artifacts_lost) == ("FAILURE", 0, 0)


@pytest.mark.usefixtures("cgroup1")
def test_a_memory_limit_in_the_run_config_is_named_with_peak_and_remedy(scene: Scene) -> None:
    scene.behave(mib=300, grandchild=True)
    said, metadata = failure(materialize(scene, memory_max="64M"))
    assert_nothing_is_left(scene, "payload out of memory", "cgroup1")
    assert "killed at 64 MiB, because its memory limit of 64 MiB was reached" in said
    assert "raise memory_max ($BLUT_MEMORY_MAX)" in said
    assert metadata["outcome"] == "oom-kill" and metadata["whose"] == "own"
    assert metadata["limit"] == 64 * MIB
    assert 63 * MIB < metadata["peak"] <= 64 * MIB
    assert scene.starts() == 1

    scene.behave(mib=16)
    assert materialize(scene, memory_max="256M").success, "whoever started it has survived it"
    shown = scene.metadata()
    assert 16 * MIB < shown["peak_memory_bytes"] < 256 * MIB
    assert shown["memory_max"] == 256 * MIB and shown["contained"] is True


@pytest.mark.usefixtures("cgroup1")
def test_a_memory_limit_in_the_environment_or_the_recipes_args(scene: Scene) -> None:
    scene.behave(mib=300)
    assert scene.run(scene.recipe(), BLUT_MEMORY_MAX="64M") == 1
    assert "killed at 64 MiB, because its memory limit of 64 MiB was reached" in scene.said()
    assert scene.run(scene.recipe(limits={"memory_max": "65M"}), BLUT_MEMORY_MAX="1G") == 1
    assert "its memory limit of 65 MiB was reached" in scene.said(), "what is said nearest counts"
    assert scene.run(scene.recipe(limits={"memory_max": "1G"})) == 0
    assert scene.versions().keys() == {"raw", "trained", "judged"}


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"memory_max": "0"}, "memory_max='0': must be more than zero"),
        ({"memory_max": "lots"}, "memory_max='lots': not a size"),
        ({"memory_max": "44"}, 'did you mean "44G"?'),
        ({"memroy_max": "44G"}, "memroy_max"),
        ({"oom_retry_up_to": "-1G"}, "oom_retry_up_to='-1G'"),
    ],
)
def test_a_senseless_limit_is_refused_before_anything_runs(args: dict[str, str], words: str) -> None:
    with pytest.raises(ArgsError, match=re.escape(words)):
        recipe.parse({"limits": args})


def test_a_senseless_limit_on_the_command_line_makes_no_run(scene: Scene) -> None:
    assert scene.run(scene.recipe(limits={"memory_max": "0"})) == 2
    assert "memory_max='0': must be more than zero" in scene.said()
    with scene.instance() as instance:
        assert not instance.get_runs()


@pytest.mark.usefixtures("cgroup1")
def test_a_retry_policy_retries_an_exit_but_not_the_same_limit(scene: Scene) -> None:
    """The job has a policy of two retries for each op."""
    config = {"contained__trained": {"config": {"limits": {"memory_max": "64M"}}}}
    job = defs.resolve_job_def("patient")
    for how, starts in (({"mib": 300}, 1), ({"exit": 3}, 3)):
        scene.behave(**how)
        with scene.instance() as instance:
            result = job.execute_in_process(
                instance=instance, raise_on_error=False, run_config={"ops": config}
            )
        assert not result.success and scene.starts() == starts


@pytest.mark.usefixtures("cgroup1")
def test_the_next_size_up_is_a_retry_that_goes_on_from_the_checkpoint(scene: Scene) -> None:
    scene.behave(mib=300, **{"from": 2})
    result = materialize(scene, epochs=4, memory_max="64M", oom_retry_up_to="1G")
    assert result.success and scene.starts() == 2
    shown = scene.metadata()
    assert shown["memory_max"] == 1 << 30 and shown["peak_memory_bytes"] > 300 * MIB
    assert scene.happened("resumed-at-2"), "what was computed before is not computed again"
    (retry,) = result.filter_events(lambda event: event.is_step_up_for_retry)
    assert "its memory limit of 64 MiB was reached" in str(retry.event_specific_data), "the UI shows why"
    told = [event.asset_observation_data for event in result.all_events if event.event_type_value == OBSERVED]
    assert [one.asset_observation.metadata["epoch"].value for one in told] == [0, 1, 2, 3]
    asset = manifest.read(manifest_path(scene.home, result.run_id))["assets"]["contained/trained"]
    assert asset["state"] == "computed" and [one["cause"] for one in asset["retried"]] == ["oom-kill"]
    assert "cause" not in asset and asset["epochs"] == 4


@pytest.mark.usefixtures("cgroup1")
def test_the_last_size_is_the_end(scene: Scene) -> None:
    scene.behave(mib=300)
    result = materialize(scene, memory_max="64M", oom_retry_up_to="80M")
    said, metadata = failure(result)
    assert "its memory limit of 80 MiB was reached" in said and metadata["outcome"] == "oom-kill"
    assert scene.starts() == 2
    assert manifest.read(manifest_path(scene.home, result.run_id))["outcome"] == "oom"

    scene.behave(mib=300)
    said, _ = failure(materialize(scene, epochs=4, memory_max="64M", oom_retry_up_to="128M"))
    assert "its memory limit of 128 MiB was reached" in said and scene.starts() == 2


@pytest.mark.usefixtures("cgroup1")
def test_nothing_that_the_killed_attempt_wrote_is_in_the_artifact(scene: Scene) -> None:
    """The checkpoint is for the next attempt, the half-written result is not."""
    scene.behave(mib=300, litter=True)
    assert materialize(scene, memory_max="64M", oom_retry_up_to="1G").success
    retried = scene.versions()["trained"]
    scene.behave(mib=300, litter=True)
    result = materialize(scene, memory_max="1G")
    assert result.success and scene.starts() == 0 and scene.versions()["trained"] == retried
    with scene.instance() as instance:
        forced = {"contained__trained": {"config": {"reuse": "never"}}}
        again = dg.materialize(CHAIN, resources=RESOURCES, instance=instance, run_config={"ops": forced})
    assert again.success and scene.starts() == 1 and scene.versions()["trained"] == retried


def test_what_cannot_be_enforced_is_refused_with_the_remedy_or_marked(scene: Scene) -> None:
    said, _ = failure(materialize(scene, memory_max="1G", containment="none"))
    assert "with memory_max 1 GiB: nothing here provably holds it, so it was not started" in said
    assert "none: does not hold a whole tree" in said
    assert "BLUT_CONTAINMENT_MODE=best-effort" in said
    assert scene.starts() == 0, "not even started"

    result = materialize(scene, memory_max="1G", tasks_max=50, containment="none", mode="best-effort")
    assert result.success and scene.starts() == 1
    shown = scene.metadata()
    assert shown["contained"] is False and shown["containment"] == "none"
    with scene.instance() as instance:
        logged = [entry.user_message for entry in instance.all_logs(result.run_id) if entry.level >= 30]
    for said in ("its memory limit is not enforced", "tasks_max is not enforced without a cgroup"):
        assert any(said in message for message in logged)


def test_a_refusal_or_what_can_never_fit_is_not_retried(scene: Scene) -> None:
    job = defs.resolve_job_def("patient")
    for limits in ({"memory_max": "1G", "containment": "none"}, {"memory_max": "900T"}):
        config = {"contained__trained": {"config": {"limits": limits}}}
        with scene.instance() as instance:
            result = job.execute_in_process(
                instance=instance, raise_on_error=False, run_config={"ops": config}
            )
        kinds = [event.event_type_value for event in result.all_events]
        assert not result.success and "STEP_UP_FOR_RETRY" not in kinds


@pytest.mark.parametrize("backend", ["auto", "none"])
def test_the_wall_clock_stops_a_training_that_takes_too_long(scene: Scene, backend: str) -> None:
    scene.behave(hang=True, grandchild=True)
    said, metadata = failure(materialize(scene, wall_clock="5s", containment=backend))
    assert "stopped, because its wall-clock limit was reached (it ran for 5 s)" in said
    assert metadata["outcome"] == "timeout"
    assert scene.happened("saved"), "it was told to stop, and had time for its checkpoint"
    assert_nothing_is_left(scene, "wall clock", backend)


def test_a_payload_sees_the_gpus_that_it_leased_and_no_other(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLUT_GPUS", "0:24G,1:80G,2:24G")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    seen = []
    for number, (gpus, outside) in enumerate([(0, None), (2, None), (0, "2,1"), (1, "2,1")]):
        scene.behave(show="CUDA_VISIBLE_DEVICES")
        if outside:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", outside)
        assert materialize(scene, 1, {"gpus": gpus, "reuse": "never" if number else "auto"}).success
        (line,) = [line for line in scene.log.read_text().splitlines() if "VISIBLE" in line]
        seen.append(line.split()[0].partition("=")[2])
    assert seen == ["", "0,2", "", "2"]


def test_dataloader_workers_without_room_in_shared_memory_are_refused(scene: Scene) -> None:
    """Before they start, where they would die of SIGBUS."""
    _, free = shared_memory()
    said, _ = failure(materialize(scene, asks={"workers": 4, "batch_bytes": free}))
    assert "4 DataLoader workers need about" in said and "set num_workers=0 or fewer" in said
    assert scene.starts() == 0
    assert materialize(scene, asks={"workers": 4, "batch_bytes": 4096}).success


def test_arguments_of_a_person_reach_the_payload_as_they_are(scene: Scene) -> None:
    """Through the recipe, the run config, the frozen JSON and the unit."""
    odd = "a b  $HOME ${X} $(id) %n \"q\" 'q' \\ ;"
    assert scene.run(scene.recipe(word=odd)) == 0
    assert odd in scene.log.read_text()

"""What is leased for a payload is what its libraries compute with; nothing of it is in a fingerprint."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import dagster as dg
import pytest

from blut_assets.artifacts import Artifact
from blut_assets.stages import Footprint, Stage, StageConfig, Steps, stage_asset
from blut_assets.stages.computing import computing
from blut_resources.instance.instance import open_instance
from blut_resources.leases.capacity import Capacity
from blut_resources.machine.cpus import Cpus
from blut_resources.machine.memory import Memory
from tests.scripted import RESOURCES

COMPUTES = "tests.payloads.computes"
SIXTEEN = Capacity(Memory(1 << 30, 1 << 30, "", 0), Cpus(tuple(range(16)), installed=16))


class Computed(Artifact):
    """What a payload found."""

    kind = "test.computed"
    cpus: int
    network: int
    disk: int
    told: list[str]


class ThreadsConfig(StageConfig):
    """As a training has it."""

    threads: int = 1


class WorkersConfig(StageConfig):
    """As an import has it."""

    HOW: ClassVar[frozenset[str]] = frozenset({"workers"})

    workers: int = 2


@stage_asset(cookbook="test", group="training", payloads=[COMPUTES])
def trained(stage: Stage, config: ThreadsConfig) -> Steps[Computed]:
    """Says its threads."""
    return Computed(**(yield from stage.run(COMPUTES, config={"asset": "test/trained"}, inputs={})))


@stage_asset(
    cookbook="test", group="data", payloads=[COMPUTES], footprint=Footprint(cpus="workers", network=1, disk=1)
)
def imported(stage: Stage, config: WorkersConfig) -> Steps[Computed]:
    """Works in several processes."""
    return Computed(**(yield from stage.run(COMPUTES, config={"asset": "test/imported"}, inputs={})))


@pytest.fixture
def instance(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """A persistent instance, of who has not said how many threads there are to be."""
    for name in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "KMP_BLOCKTIME", "GOMP_SPINCOUNT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BLUT_LEASE_CPUS", "8")
    with open_instance() as instance:
        yield instance


def found(instance: dg.DagsterInstance, asset: dg.AssetsDefinition, **config: Any) -> tuple[int, list[str]]:
    """Materialize; returns the CPUs that were leased meanwhile and what the payload was told."""
    name = "__".join(asset.key.path)
    result = dg.materialize(
        [asset], resources=RESOURCES, instance=instance, run_config={"ops": {name: {"config": config}}}
    )
    made = result.output_for_node(name)
    return made.cpus, made.told


def test_the_threads_of_a_training_are_leased_and_wait_asleep(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found(instance, trained, threads=3) == (3, ["3", "PASSIVE", "0"])
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    assert found(instance, trained, threads=3) == (3, ["3", "PASSIVE", "0"]), "reused: it is no part of it"
    assert found(instance, trained, threads=2) == (2, ["2", "ACTIVE", ""]), "who says otherwise has it so"


def test_permits_and_processes_are_leased_as_declared(instance: dg.DagsterInstance) -> None:
    result = dg.materialize([imported], resources=RESOURCES, instance=instance)
    made = result.output_for_node("test__imported")
    assert (made.cpus, made.network, made.disk) == (2, 1, 1)


def test_more_threads_than_there_are_cpus_are_kept_and_said(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BLUT_LEASE_CPUS", "2")
    assert found(instance, trained, threads=5) == (2, ["5", "PASSIVE", "0"])
    assert "threads=5: 5 threads on 2 CPUs, all of which are leased for it" in capfd.readouterr().err


def test_who_says_nothing_of_threads_gets_a_quarter_of_the_cpus_or_what_the_user_says() -> None:
    plain, none = StageConfig(), Footprint()
    for total, share in ((1, 1), (2, 1), (8, 2), (64, 16)):
        there = replace(SIXTEEN, cpus_named=total)
        one = computing(none, plain, {}, there=there)
        assert (one.threads, one.cpus, one.note) == (share, share, "")
    one = computing(none, plain, {"OMP_NUM_THREADS": "6"}, there=SIXTEEN)
    assert (one.threads, one.cpus) == (6, 6)
    one = computing(Footprint(cpus=3), plain, {}, there=SIXTEEN)
    assert (one.threads, one.cpus) == (3, 3)
    assert computing(Footprint(cpus=0), plain, {}, there=SIXTEEN).cpus == 0


def test_who_may_take_less_time_than_it_has_threads_leases_that() -> None:
    one = computing(Footprint(), ThreadsConfig(threads=8), {}, quota=2.5, there=SIXTEEN)
    assert (one.threads, one.cpus) == (8, 3), "the threads stay: the result may depend on them"
    assert computing(Footprint(), StageConfig(), {}, quota=2.5, there=SIXTEEN).threads == 2


def test_ranks_lease_the_threads_of_all_and_each_computes_with_its_own() -> None:
    one = computing(Footprint(), ThreadsConfig(threads=3), {}, ranks=4, there=SIXTEEN)
    assert (one.threads, one.cpus, one.note) == (3, 12, "")
    one = computing(Footprint(), ThreadsConfig(threads=8), {}, ranks=4, there=SIXTEEN)
    assert one.cpus == 16 and "threads=8: 32 threads on 16 CPUs" in one.note

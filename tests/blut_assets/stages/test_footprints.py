"""What a run took before counts for runs of the same kind, and for no others."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

import dagster as dg
import pytest
from typer.testing import CliRunner

from blut_assets.artifacts import Artifact
from blut_assets.cli.app import app
from blut_assets.cli.commands.plan import plan_table
from blut_assets.history.planning import Planned, plan
from blut_assets.stages import Footprint, StageConfig, Steps, reuse, stage_asset
from blut_assets.stages.footprints import Kind, took_before
from blut_resources.instance.instance import open_instance
from tests.scripted import RESOURCES

HOLDS = "tests.payloads.holds"
MIB = 1 << 20
DECLARED = 64 * MIB
SIZES = {"smoke": 8, "production": 160}


class Held(Artifact):
    """How much was leased for its payload."""

    kind = "test.held"
    leased: int


class SourceConfig(StageConfig):
    """What the input says."""

    text: str = "a"


class HeldConfig(StageConfig):
    """As a training has them."""

    HOW: ClassVar[frozenset[str]] = frozenset({"workers"})
    COST_NEUTRAL: ClassVar[frozenset[str]] = frozenset({"seed"})
    DURATION: ClassVar[frozenset[str]] = frozenset({"epochs"})

    preset: Literal["smoke", "production"] = "production"
    seed: int = 1
    epochs: int = 1
    workers: int = 1


@stage_asset(cookbook="test", group="sources")
def given(stage, config: SourceConfig) -> Held:
    """An input."""
    (stage.out / "text").write_text(config.text)
    return Held(leased=0)


@stage_asset(
    cookbook="test", group="training", payloads=[HOLDS], footprint=Footprint(memory=f"{DECLARED >> 20}M")
)
def held(stage, given: Held, config: HeldConfig) -> Steps[Held]:
    """What the payload was given."""
    facts = yield from stage.run(HOLDS, config={"mib": SIZES[config.preset]}, inputs={})
    return Held(**facts)


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    """A persistent instance."""
    with open_instance() as instance:
        yield instance


def leased(instance: dg.DagsterInstance, text: str = "a", **config: Any) -> int:
    """Materialize with this config, and tell how many bytes were leased meanwhile."""
    ops = {"test__held": {"config": config}, "test__given": {"config": {"text": text}}}
    result = dg.materialize([given, held], resources=RESOURCES, instance=instance, run_config={"ops": ops})
    (event,) = result.asset_materializations_for_node("test__held")
    if reuse.PEAK not in event.metadata:
        pytest.skip("nobody counts memory here")
    return event.metadata["leased"].value  # type: ignore[return-value]


def planned(instance: dg.DagsterInstance, **config: Any) -> Planned:
    """What a plan says of it with this config."""
    return plan(instance, [given, held], {held.key: HeldConfig(**config)})[-1]


def test_a_peak_is_leased_again_for_its_own_kind_only(instance: dg.DagsterInstance) -> None:
    assert leased(instance, preset="smoke") == DECLARED, "nothing is known yet"
    small = leased(instance, preset="smoke", seed=2)
    assert 8 * MIB < small < DECLARED, "the same but for the seed: what was measured, though it is less"
    assert leased(instance, preset="smoke", epochs=2) < DECLARED, "longer is not larger"
    assert leased(instance, preset="smoke", workers=3) == DECLARED, "workers have memory of their own"
    assert leased(instance, preset="production") == DECLARED, "another preset: what was declared, never less"
    assert leased(instance, preset="production", seed=3) > SIZES["production"] * MIB
    assert leased(instance, "b", preset="smoke", seed=4) == DECLARED, "other inputs: never less than declared"
    assert leased(instance, "b", preset="production") > SIZES["production"] * MIB, "nor than what is known"


def test_a_plan_says_of_which_args_a_cost_is(instance: dg.DagsterInstance) -> None:
    assert (planned(instance).last_seconds, planned(instance).cost_of) == (None, "")
    leased(instance, preset="smoke")
    (run,) = (took.run_id for took in took_before(instance, held.key))

    same = planned(instance, preset="smoke", seed=9)
    assert same.last_seconds is not None and same.cost_of == f"these args and inputs, run {run[:8]}"
    table = plan_table([same], by_partition=False)
    assert " MiB" in table and " MB" not in table, "memory is in the unit of what is leased"
    other = planned(instance, preset="production", epochs=2)
    assert other.last_seconds is None
    words = 'epochs 1 instead of 2, preset "smoke" instead of "production"'
    assert f" s with {words}, run {run[:8]}" in other.cost_of
    assert planned(instance, preset="smoke", epochs=2).last_seconds is None, "longer takes longer"


def test_what_was_noted_before_there_were_kinds_lowers_nothing() -> None:
    """Its config leaves out what changes no result, and it does not say what it ran on."""

    class Plain(HeldConfig):
        HOW: ClassVar[frozenset[str]] = frozenset()

    inputs: dict[str, str | None] = {"given": "a" * 64}
    old = {"config": {"preset": "smoke", "seed": 1, "epochs": 1, "workers": 1}, "inputs": inputs}
    assert Kind(Plain(preset="smoke"), inputs, 0).likeness(old) == "alike"
    assert Kind(Plain(preset="production"), inputs, 0).likeness(old) == "other"
    del old["config"]["workers"]
    assert Kind(HeldConfig(preset="smoke"), inputs, 0).likeness(old) == "other"


def test_what_ran_on_a_gpu_is_of_another_kind() -> None:
    config, inputs = HeldConfig(), {"given": "a" * 64}
    on_gpu = {**Kind(config, inputs, 1).noted(), "inputs": inputs}
    assert Kind(config, inputs, 1).likeness(on_gpu) == "same"
    assert Kind(config, inputs, 0).likeness(on_gpu) == "other"


def give(*words: str) -> Any:
    """What a command says, as JSON."""
    done = CliRunner().invoke(app, ["footprint", *words, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_a_peak_that_is_no_measure_can_be_forgotten(instance: dg.DagsterInstance) -> None:
    leased(instance, preset="smoke")
    leased(instance, preset="smoke", seed=2)
    leased(instance, preset="production")
    smoke, production = sorted(give("list"), key=lambda row: row["peak"])
    assert (smoke["asset"], smoke["runs"], smoke["args"]["preset"]) == ("test/held", 2, "smoke")
    assert production["peak"] > SIZES["production"] * MIB and production["seconds"] > 0
    assert leased(instance, preset="production", seed=3) > SIZES["production"] * MIB

    gone = give("forget", "test/held", "--kind", production["kind"])
    assert {one["kind"] for one in gone} == {production["kind"]} and len(gone) == 2
    assert leased(instance, preset="production", seed=4) == DECLARED, "also what was computed after it"
    rows = {row["run"]: row for row in give("show", "test/held")}
    assert [rows[one["run"]]["counts"] for one in gone] == [False, False]
    newest = next(iter(rows))
    assert rows[newest]["counts"] and rows[newest]["args"]["preset"] == "production"

    give("forget", "--run", newest[:13])
    assert leased(instance, preset="production", seed=5) == DECLARED
    assert leased(instance, preset="smoke", seed=6) < DECLARED, "of the others nothing is forgotten"
    leased(instance, preset="production", seed=4)  # a reuse brings nothing back
    assert [row["counts"] for row in give("show", "test/held") if row["run"] == newest] == [False]

    shown = CliRunner().invoke(app, ["footprint", "list"]).stdout
    assert 'preset="smoke"' in shown and "workers" not in shown, "of the args what the kinds differ in"

    refused = CliRunner().invoke(app, ["footprint", "forget", "--run", newest[:13]])
    assert refused.exit_code == 1 and "nothing that counts is named so" in refused.stderr
    assert CliRunner().invoke(app, ["footprint", "forget"]).exit_code == 2
    for what in ("show", "forget"):
        assert (
            "(did you mean 'test/held'?)" in CliRunner().invoke(app, ["footprint", what, "test/hel"]).stderr
        )


def test_the_age_of_a_computation_is_that_of_its_measurement(instance: dg.DagsterInstance) -> None:
    leased(instance, preset="smoke")
    (before,) = give("show", "test/held")
    leased(instance, preset="smoke")
    assert give("show", "test/held") == [before], "a reuse by another run makes it no younger"

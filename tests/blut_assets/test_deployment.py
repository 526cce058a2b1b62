"""What differs from one deployment to the next is said by resources, and counts wherever the variable did."""

import re
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from blut_assets import BlutContainment, BlutRegistry, BlutStore, BlutTracker, build_definitions
from blut_assets.artifacts import Artifact
from blut_assets.deployment import declare, deployed
from blut_assets.retrying import gate_check
from blut_assets.stages import Stage, stage_asset
from blut_assets.testing import blut_instance, materialize
from blut_resources.containment.asked import contained
from blut_resources.files.durable import StoreError
from blut_resources.instance.instance import store_of
from blut_resources.registry.models import RegistryError
from blut_resources.registry.records import governed_aliases
from blut_resources.runs.tracking import chosen_logger
from blut_resources.settings import settings

__all__ = ["blut_instance"]


class Line(Artifact):
    """A line."""

    kind = "deployed.line"
    governed: str
    contained: bool | None


@stage_asset(cookbook="deployed", group="lines")
def line(stage: Stage, blut_registry: BlutRegistry) -> Line:
    """Write where it is made."""
    assert blut_registry.models is not None
    (stage.out / "line").write_text(chosen_logger())
    return Line(governed=",".join(sorted(governed_aliases())), contained=contained(settings()))


@gate_check(asset=line, name="there")
def there(context: dg.AssetCheckExecutionContext, line: Line) -> dg.AssetCheckResult:
    """Its bytes are in the store of this run."""
    return dg.AssetCheckResult(passed=store_of(context.instance).has(line.digest))


def _resources(tmp_path: Path) -> dict[str, Any]:
    return {
        "blut_store": BlutStore(root=str(tmp_path / "elsewhere")),
        "blut_registry": BlutRegistry(governed_aliases=dg.EnvVar("MY_ALIASES")),
        "blut_containment": BlutContainment(contained="0"),
    }


def test_a_run_takes_what_its_definitions_give(
    blut_instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_ALIASES", "beta")
    monkeypatch.setenv("BLUT_GOVERNED_ALIASES", "gamma")
    monkeypatch.setenv("BLUT_CONTAINED", "1")
    made = materialize([line, there], blut_instance, resources=_resources(tmp_path))
    (event,) = made.asset_materializations_for_node("deployed__line")
    assert event.metadata["governed"].value == "beta,prod"
    assert str(event.metadata["dagster/uri"].value).startswith((tmp_path / "elsewhere").as_uri())
    assert event.metadata["contained"].value is False
    assert governed_aliases() == {"prod", "gamma"}, "after the run the environment counts again"
    assert store_of(blut_instance).root == Path(blut_instance.root_directory) / "store"


def test_a_field_that_is_empty_leaves_it_to_the_environment(
    blut_instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLUT_GOVERNED_ALIASES", "gamma")
    made = materialize([line], blut_instance, resources={"blut_registry": BlutRegistry()})
    assert made.output_for_node("deployed__line").governed == "gamma,prod"


def test_built_definitions_show_where_a_value_comes_from_and_merge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLUT_STORE", str(tmp_path / "store"))
    built = [build_definitions(only=[name], operations=False) for name in ("lamquant", "llm")]
    merged = dg.Definitions.merge(*built)
    config: Any = merged.get_repository_def().get_top_level_resources()["blut_store"].config_schema
    assert config.default_value == {"root": {"env": "BLUT_STORE"}}
    checkpoint = merged.resolve_assets_def(["lamquant", "joint_checkpoint"])
    names = {"blut_store", "blut_registry", "blut_tracker", "blut_containment", "blut_handles"}
    assert names <= checkpoint.required_resource_keys and names <= set(merged.resources or {})


def test_the_launchpad_may_say_it_for_one_run(blut_instance: dg.DagsterInstance, tmp_path: Path) -> None:
    @dg.op(required_resource_keys={"blut_store"})
    def asks(context: dg.OpExecutionContext) -> str:
        with deployed(context):
            return str(context.resources.blut_store.store.root)

    @dg.job(resource_defs={"blut_store": BlutStore.configure_at_launch()})
    def once() -> None:
        asks()

    told = {"resources": {"blut_store": {"config": {"root": str(tmp_path / "once")}}}}
    made = once.execute_in_process(run_config=told, instance=blut_instance)
    assert made.output_for_node("asks") == str(tmp_path / "once")


def test_what_a_process_is_given_counts_in_its_sensors_and_commands_too(
    blut_instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    try:
        build_definitions(
            operations=False, resources=_resources(tmp_path) | {"blut_registry": BlutRegistry()}
        )
        assert store_of(blut_instance).root == tmp_path / "elsewhere"
    finally:
        declare({}, {})


def test_a_variable_that_is_not_set_is_no_reason_to_look_elsewhere(
    blut_instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ARTIFACTS", raising=False)
    store = BlutStore(root=dg.EnvVar("ARTIFACTS"))
    try:
        build_definitions(only=["lamquant"], resources={"blut_store": store})
        with pytest.raises(StoreError, match=r"BlutStore.root is what \$ARTIFACTS says, and that is not set"):
            store_of(blut_instance)
    finally:
        declare({}, {})


@pytest.mark.parametrize(
    ("key", "resource", "words"),
    [
        ("blut_store", BlutStore(root="here"), "BlutStore.root=here: the path is relative"),
        ("blut_registry", BlutRegistry(governed_aliases="a b c/"), "c/"),
        ("blut_tracker", BlutTracker(logger="comet"), "BlutTracker.logger = 'comet': must be one of"),
        ("blut_containment", BlutContainment(memory_max="44"), "BlutContainment.memory_max='44'"),
        ("blut_containment", BlutContainment(backend="cgroup3"), "BlutContainment.backend='cgroup3'"),
        ("blut_containment", BlutContainment(contained="yes"), "BlutContainment.contained='yes'"),
        ("blut_store", BlutTracker(), "blut_store: a BlutTracker, and must be a blut_assets.BlutStore"),
    ],
)
def test_what_cannot_be_meant_is_refused_when_it_is_loaded(key: str, resource: Any, words: str) -> None:
    with pytest.raises((TypeError, ValueError, StoreError, RegistryError), match=re.escape(words)):
        build_definitions(resources={key: resource})

"""An asset has a result for each partition; several are taken by key, and none is taken for another."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from blut_assets.recipes import Cookbook
from blut_assets.stages import Stage, reuse, stage_asset
from blut_assets.testing import blut_instance, materialize
from blut_assets.validation import faults_beside, known
from tests import parted
from tests.parted import Word, kept

__all__ = ["blut_instance"]
ODD = "so|uth [1]/é ß"


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "calls"
    monkeypatch.setenv("PARTED_CALLS", str(path))
    return path


def made(instance: dg.DagsterInstance, assets: list[Any], key: str | None = None, **options: Any) -> Any:
    options |= {"raise_on_error": False}
    return materialize(parted.ASSETS, instance, selection=assets, partition_key=key, **options)


def words(result: Any, name: str) -> str:
    return result.asset_materializations_for_node(f"parted__{name}")[0].metadata["word"].value


def why(result: Any) -> str:
    return " ".join(e.event_specific_data.error.to_string() for e in result.all_events if e.is_step_failure)


def test_each_partition_is_made_once_and_what_has_none_is_made_once_for_all(
    blut_instance: dg.DagsterInstance, calls: Path
) -> None:
    chain = [parted.place, parted.common, parted.codec]
    for key in (*parted.SITES.get_partition_keys(), "kyoto"):
        result = made(blut_instance, chain, key)
        assert result.success and words(result, "codec") == f"word of {key} and common"
    lines = calls.read_text().splitlines()
    assert lines == ["parted/common None", *(f"parted/codec {k}" for k in parted.SITES.get_partition_keys())]
    result = made(blut_instance, [parted.report])
    assert result.success, why(result)
    assert words(result, "report") == "; ".join(
        f"{key}: word of {key} and common" for key in sorted(parted.SITES.get_partition_keys())
    )
    assert (
        made(blut_instance, [parted.report])
        .asset_materializations_for_node("parted__report")[0]
        .metadata["reused"]
        .value
    )
    inputs = reuse.inputs_of(result.asset_materializations_for_node("parted__report")[0])
    assert set(inputs) == {f"codec[{key}]" for key in parted.SITES.get_partition_keys()}
    changed = made(
        blut_instance, [parted.codec], ODD, run_config={"ops": {"parted__codec": {"config": {"again": 1}}}}
    )
    assert changed.success
    again = made(blut_instance, [parted.report])
    assert again.asset_materializations_for_node("parted__report")[0].metadata["reused"].value, "equal bytes"


def test_what_is_missing_is_named(blut_instance: dg.DagsterInstance) -> None:
    assert made(blut_instance, [parted.place, parted.common, parted.codec], "kyoto").success
    result = made(blut_instance, [parted.report])
    assert not result.success
    assert f"parted/codec was never materialized, or wiped, for berlin, {ODD} (2 of 3" in why(result)


def test_a_run_without_a_partition_or_with_several_is_refused(blut_instance: dg.DagsterInstance) -> None:
    result = made(blut_instance, [parted.tier])
    assert "parted/tier has partitions, and this run says none" in why(result)
    tags = {"dagster/asset_partition_range_start": "berlin", "dagster/asset_partition_range_end": "kyoto"}
    assert "a range of partitions" in why(made(blut_instance, [parted.place], tags=tags))


def test_partitions_that_come_and_go(blut_instance: dg.DagsterInstance, calls: Path) -> None:
    assert "has no partitions yet" in why(made(blut_instance, [parted.added_report]))
    name = str(parted.ADDED.name)
    blut_instance.add_dynamic_partitions(name, ["a", "b", "c d"])
    for key in ("a", "b", "c d"):
        assert made(blut_instance, [parted.added], key).success
    assert words(made(blut_instance, [parted.added_report]), "added_report") == "a,b,c d"
    blut_instance.delete_dynamic_partition(name, "b")
    assert words(made(blut_instance, [parted.added_report]), "added_report") == "a,c d"
    blut_instance.add_dynamic_partitions(name, ["b"])
    assert made(blut_instance, [parted.added], "b").success
    assert calls.read_text().count("parted/added b") == 1, "what it was is what it is"


def test_a_week_takes_its_days_and_a_day_the_one_before(blut_instance: dg.DagsterInstance) -> None:
    for key in [f"2026-01-{day:02}" for day in range(3, 11)]:
        assert made(blut_instance, [parted.day], key).success
    result = made(blut_instance, [parted.week], "2026-01-04")
    assert result.success and words(result, "week") == "04+05+06+07+08+09+10", why(result)
    assert words(made(blut_instance, [parted.since], "2026-01-04"), "since") == "2026-01-04<03"
    first = made(blut_instance, [parted.since], "2026-01-03")
    assert first.success and words(first, "since") == "2026-01-03<", why(first)


def test_several_dimensions(blut_instance: dg.DagsterInstance) -> None:
    result = made(blut_instance, [parted.tier], "kyoto|l")
    assert result.success and words(result, "tier") == "kyoto-l", why(result)


def test_a_text_of_a_config_names_the_partition(blut_instance: dg.DagsterInstance, tmp_path: Path) -> None:
    for key in ("berlin", "kyoto"):
        (tmp_path / key).mkdir()
        (tmp_path / key / "word").write_text(f"from {key}")
    config = {"ops": {"parted__place": {"config": {"root": f"{tmp_path}/{{partition}}"}}}}
    for key in ("berlin", "kyoto"):
        assert words(made(blut_instance, [parted.place], key, run_config=config), "place") == f"from {key}"


@stage_asset(cookbook="parted", group="parted", partitions_def=parted.DAYS)
def _wrong_single(stage: Stage, place: Word) -> Word:
    return kept(stage, place.word)


@stage_asset(cookbook="parted", group="parted")
def _single_of_many(stage: Stage, place: Word) -> Word:
    return kept(stage, place.word)


@stage_asset(cookbook="parted", group="parted")
def _many_of_single(stage: Stage, common: dict[str, Word]) -> Word:
    return kept(stage, "")


@pytest.mark.parametrize(
    ("asset", "said"),
    [
        (
            _single_of_many,
            "parted/place has partitions, and parted/_single_of_many none: take dict[str, Word",
        ),
        (_many_of_single, "by partition, but parted/common has none: take one Word"),
    ],
)
def test_an_edge_that_cannot_work_is_said_when_definitions_load(
    asset: dg.AssetsDefinition, said: str
) -> None:
    cookbook = Cookbook("parted", [*parted.ASSETS, asset], [])
    assert [said in fault for fault in faults_beside(cookbook, known({"parted": cookbook}, {}))] == [True]


def test_a_mapping_of_no_parameter_is_refused() -> None:
    with pytest.raises(TypeError, match="partition_mappings names nothing, and it takes place"):

        @stage_asset(
            cookbook="parted", group="parted", partition_mappings={"nothing": dg.AllPartitionMapping()}
        )
        def _asset(stage: Stage, place: Word) -> Word:
            return kept(stage, "")

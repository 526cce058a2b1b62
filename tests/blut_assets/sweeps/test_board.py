"""A sweep is shown in the UI once for each state of it, by an asset that no run makes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from blut_assets.building import assemble
from blut_assets.discovery import Discovered
from blut_assets.recipes import Cookbook
from blut_assets.sweeps.board import show_in_ui, sweeps_key, table
from blut_assets.sweeps.record import NewTrial, SweepRecord
from blut_assets.sweeps.standing import ranked
from blut_resources.instance.instance import home_of, open_instance
from tests.blut_assets.recipes.toy import RECIPE, fixed_score

METRIC = {"fact": "value", "best": "highest", "only_if": ""}
KEY = sweeps_key("fixed", "fixed_train")


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with open_instance() as made:
        yield made


def swept(home: Path, name: str = "a1b2", metric: Any = METRIC) -> SweepRecord:
    record = SweepRecord(home, name)
    record.write_head({"recipe": "fixed_train", "axes": ["lr=1,2,3"], "metric": metric})
    record.add([NewTrial({"lr": n, "note": "a|b*"}, None, f"k{n}") for n in (1, 2, 3)], closed=True)
    return record


def end(record: SweepRecord, number: int, outcome: str = "succeeded", **facts: Any) -> None:
    with record.locked():
        record.append({"what": "taken", "trial": number, "worker": 1, "run": f"{number}" * 36})
    record.end(number, outcome, facts=facts, run=f"{number}" * 36)


def shown(instance: dg.DagsterInstance) -> list[dg.AssetMaterialization]:
    records = instance.fetch_materializations(KEY, limit=10).records
    return [one.asset_materialization for one in records if one.asset_materialization]


def test_a_sweep_is_a_version_of_the_asset_of_its_recipe(instance: dg.DagsterInstance) -> None:
    record = swept(home_of(instance))
    end(record, 1, value=0.5)
    end(record, 2, value=0.75)
    end(record, 3, "failed")
    show_in_ui(instance, "fixed", record)
    show_in_ui(instance, "fixed", record)
    (event,) = shown(instance)
    assert event.metadata["best_value"].value == 0.75
    assert event.metadata["best_run"].value == "2" * 36
    assert event.metadata["trials"].value == "2 of 3 trials succeeded, 1 failed"
    lines = str(event.metadata["leaderboard"].value).splitlines()
    assert lines[2].startswith("| 1 | 0.75 | 2 | a\\|b\\* | 2 | [22222222](/runs/")
    assert len(lines) == 4, "what failed has no rank"
    pictures = [str(event.metadata[name].value) for name in ("parallel_coordinates", "axes_against_metric")]
    assert all("](data:image/svg+xml;base64," in one for one in pictures)
    end(record, 3, value=0.9)
    show_in_ui(instance, "fixed", record)
    assert [one.metadata["best_value"].value for one in shown(instance)] == [0.9, 0.75]


def test_a_sweep_without_a_metric_or_a_success_is_not_lost(instance: dg.DagsterInstance) -> None:
    show_in_ui(instance, "fixed", swept(home_of(instance), metric=None))
    assert not shown(instance)
    record = swept(home_of(instance), "c3")
    end(record, 1, "failed")
    show_in_ui(instance, "fixed", record)
    (event,) = shown(instance)
    assert event.metadata["leaderboard"].value == "No trial has succeeded with a value."
    assert "parallel_coordinates" not in event.metadata


def test_the_definitions_have_an_asset_for_each_recipe_with_a_metric() -> None:
    found = Discovered([Cookbook("fixed", [fixed_score], [RECIPE])])
    graph = assemble(found).resolve_asset_graph()
    assert not graph.get(KEY).is_executable and graph.get(KEY).parent_keys == {fixed_score.key}


def test_a_long_leaderboard_is_cut(home: Path) -> None:
    record = SweepRecord(home, "long")
    record.write_head({"recipe": "fixed_train", "axes": [], "metric": METRIC})
    record.add([NewTrial({"lr": n}, None, f"k{n}") for n in range(60)], closed=True)
    for number in range(1, 61):
        end(record, number, value=number / 10)
    text = table(ranked(record.trials().values(), METRIC), METRIC)
    assert text.endswith("\n\nand 10 more") and "| 1 | 6 | 59 | 60 |" in text

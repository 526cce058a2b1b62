"""The same value said by any layer is one result: layers leave no trace in a fingerprint."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from blut_assets.layers.resolve import resolve
from blut_assets.recipes import Recipe, RecipeArgs, like
from blut_assets.stages import StageConfig, reuse
from blut_assets.stages.external import HANDLES_KEY
from blut_assets.stages.handles import HANDLES
from blut_resources.instance.instance import open_instance
from tests.blut_assets.layers.conftest import Write
from tests.blut_assets.layers.test_places import Packed
from tests.blut_assets.recipes.toy import RECIPE, ScoreConfig, fixed_score


class Preset(StageConfig):
    """A stage that has the value as its own default."""

    lr: float = 1e-4


class OfStage(RecipeArgs):
    """Takes the stage's default over."""

    lr: float = like(Preset, "lr")


class OfRecipe(RecipeArgs):
    """Has a default of its own."""

    lr: float = 1e-4


def _configure(args: Any) -> dict[str, StageConfig]:
    return {"fixed_score": ScoreConfig(lr=args.lr)}


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with open_instance() as made:
        yield made


def test_a_value_of_any_layer_is_one_result(
    instance: dg.DagsterInstance, write: Write, packed: Packed, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, tuple[str, bool]] = {}

    def run(layer: str, recipe: Recipe = RECIPE, **given: Any) -> None:
        args = resolve(recipe, **given).args
        definitions = dg.Definitions([fixed_score], jobs=[recipe.job()], resources={HANDLES_KEY: HANDLES})
        job = definitions.resolve_job_def(recipe.name)
        done = job.execute_in_process(run_config=args.model_dump(mode="json"), instance=instance)
        (event,) = done.asset_materializations_for_node("fixed__fixed_score")
        assert event.tags
        seen[layer] = (event.tags[reuse.FINGERPRINT_TAG], bool(event.metadata[reuse.REUSED].value))

    run("stage", replace(RECIPE, args=OfStage, configure=_configure))
    run("recipe", replace(RECIPE, args=OfRecipe, configure=_configure))
    run("cookbook", packed({"configs/fixed_train.yaml": "lr: 1e-4\n"}))
    user = write("user/config.yaml", "limits: {tasks_max: 999}\nrecipes: {fixed_train: {lr: 0.0001}}\n")
    run("user")
    user.unlink()
    project = write("blut.yaml", "lr: 1.0e-4\n")
    run("project")
    project.unlink()
    write("configs/speed/slow.yaml", "lr: .0001\n")
    run("group", config="speed=slow")
    monkeypatch.setenv("BLUT_ARG_LR", "1e-4")
    run("variable")
    monkeypatch.delenv("BLUT_ARG_LR")
    run("args", args='{"lr": 1e-4}')
    run("set", sets=["lr=1E-4"])
    assert len({fingerprint for fingerprint, _ in seen.values()}) == 1
    assert {layer for layer, (_, reused) in seen.items() if not reused} == {"stage"}, seen

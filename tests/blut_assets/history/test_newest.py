"""What the newest run of each recipe came to: how it ended, the name that it gave, its figures."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from blut_assets.artifacts import Artifact
from blut_assets.history.newest import Newest, newest
from blut_assets.recipes import Metric, Recipe, RecipeArgs
from blut_assets.retrying import gate_check
from blut_assets.stages import Stage, StageConfig, stage_asset
from blut_assets.stages.handles import HANDLES
from blut_resources.instance.instance import open_instance


class Mark(Artifact):
    """A mark.

    Attributes:
        value, effort: figures.
        note: of no interest.
    """

    kind = "toy.mark"
    value: float
    effort: int
    note: str = "not a figure"


class Named(Artifact):
    """A name that was given.

    Attributes:
        alias: what stands for it.
        promoted: whether anything does.
    """

    kind = "toy.named"
    alias: str
    promoted: bool


class MarkConfig(StageConfig):
    """What it is made of."""

    lr: float = 0.1


class MarkArgs(RecipeArgs):
    """The same."""

    lr: float = 0.1


@stage_asset(cookbook="toy", group="training", headline=["effort", "note"], kinds={"text"})
def mark(stage: Stage, config: MarkConfig) -> Mark:
    """Ten times the learning rate, which must not be zero."""
    (stage.out / "mark").write_text(f"{config.lr}")
    return Mark(value=config.lr * 10, effort=int(1 / config.lr))


@stage_asset(cookbook="toy", group="promotion", side_effect=True, headline=["alias"], kinds={"text"})
def named(stage: Stage, mark: Mark, config: StageConfig) -> Named:
    """A name for a good one."""
    (stage.out / "name").write_text("toy@good")
    return Named(alias="toy@good", promoted=mark.value > 2)


def _gate(context: dg.AssetCheckExecutionContext, judged: Mark) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=judged.value < 5, description="value 6.0 is too much; and dear")


GATE = gate_check(asset=mark, name="toy_gate")(_gate)


def _configure(args: MarkArgs) -> dict[str, StageConfig]:
    return {"mark": MarkConfig(lr=args.lr)}


METRIC = Metric(mark, "value", "highest")
RECIPE = Recipe("toy_mark", "train", "Toy.", MarkArgs, [mark, named], Mark, _configure, metric=METRIC)
OTHER = Recipe("toy_other", "train", "Toy.", MarkArgs, [mark], Mark, _configure)
DEFS = dg.Definitions(
    [mark, named],
    jobs=[RECIPE.job(), OTHER.job()],
    asset_checks=[GATE],
    resources={"blut_handles": HANDLES},
)


def run(instance: dg.DagsterInstance, name: str = "toy_mark", **args: Any) -> Newest:
    values = RECIPE.parse(args).model_dump(mode="json")
    job = DEFS.resolve_job_def(name)
    run_id = job.execute_in_process(values, instance=instance, raise_on_error=False).run_id
    found = {one.recipe: one for one in newest(instance, [RECIPE, OTHER])}
    assert found[name].run == run_id
    return found[name]


@pytest.mark.usefixtures("home")
def test_the_newest_run_of_each_recipe_is_told_with_its_name_and_its_figures(tmp_path: Path) -> None:
    with open_instance() as instance:
        assert newest(instance, [RECIPE, OTHER]) == []
        good = run(instance, lr=0.25)
        assert (good.ended, good.alias, good.why) == ("succeeded", "toy@good", "")
        assert list(good.figures.items()) == [("value", 2.5), ("effort", 4)], "that of the metric first"
        assert good.seconds is not None and good.seconds >= 0
        assert run(instance, lr=0.125).alias == "", "it has an alias in its record, which stands for nothing"
        other = run(instance, "toy_other", lr=0.5)
        assert (other.alias, other.figures) == ("", {"effort": 2})


@pytest.mark.usefixtures("home")
def test_a_refusal_is_told_from_a_failure_and_both_say_why() -> None:
    with open_instance() as instance:
        refused = run(instance, lr=0.6)
        assert (refused.ended, refused.alias) == ("refused", "")
        assert "toy_gate failed: value 6.0 is too much" in refused.why
        assert refused.figures == {"value": 6.0, "effort": 1}, "what was measured is worth knowing"
        failed = run(instance, lr=0.0)
        assert (failed.ended, failed.figures) == ("failed", {}) and "division by zero" in failed.why

"""A schedule of a recipe whose assets have partitions: a run for each that is due, with its args."""

import datetime as dt
from pathlib import Path

import dagster as dg
import pytest

from blut_assets.components.schedules import schedule_of
from blut_assets.recipes import Recipe
from blut_assets.recipes.args import args_of
from blut_assets.stages import Stage, stage_asset
from blut_assets.stages.external import HANDLES_KEY
from blut_assets.stages.handles import HANDLES
from tests.blut_assets.recipes.toy import Args, Score, ScoreConfig

AT = dt.datetime(2026, 3, 5, 2, 0, tzinfo=dt.UTC)
STATIC = dg.StaticPartitionsDefinition(["berlin", "oslo"])
DAILY = dg.DailyPartitionsDefinition("2026-03-01")
DYNAMIC = dg.DynamicPartitionsDefinition(name="sites")


@pytest.mark.parametrize(
    ("partitions", "due"),
    [(STATIC, ["berlin", "oslo"]), (DAILY, ["2026-03-04"]), (DYNAMIC, ["bergen"])],
    ids=["static", "daily", "dynamic"],
)
def test_each_partition_that_is_due_is_a_run_with_the_args(
    partitions: dg.PartitionsDefinition, due: list[str], home: Path
) -> None:
    @stage_asset(cookbook="fixed", group="training", name="part", partitions_def=partitions)
    def part(stage: Stage, config: ScoreConfig) -> Score:
        """The learning rate."""
        (stage.out / "score").write_text(str(stage.partition))
        return Score(value=config.lr)

    recipe = Recipe(
        *("fixed_parts", "train", "Toy.", Args, [part], Score),
        lambda args: {"part": ScoreConfig(lr=args.lr)},
    )
    job = recipe.fixed("nightly", {"lr": 0.5})
    schedule = schedule_of(job, recipe.partitions, "0 2 * * *", None, dg.DefaultScheduleStatus.STOPPED)
    loaded = dg.Definitions([part], jobs=[job], schedules=[schedule], resources={HANDLES_KEY: HANDLES})
    repository = loaded.get_repository_def()
    with (
        dg.DagsterInstance.get() as instance,
        dg.build_schedule_context(instance, AT, repository_def=repository) as context,
    ):
        if partitions is DYNAMIC:
            skipped = repository.get_schedule_def("nightly_schedule").evaluate_tick(context)
            assert skipped.skip_message == "there are no partitions"
            instance.add_dynamic_partitions("sites", ["bergen"])
        tick = repository.get_schedule_def("nightly_schedule").evaluate_tick(context)
        assert [one.partition_key for one in tick.run_requests or []] == due
        for one in tick.run_requests or []:
            done = loaded.resolve_job_def("nightly").execute_in_process(
                run_config=one.run_config, partition_key=one.partition_key, instance=instance
            )
            run = instance.get_run_by_id(done.run_id)
            assert run and (args_of(run) or {})["lr"] == 0.5

"""Two stage assets whose steps have processes of their own; in the second one dead runs are looked for."""

import dagster as dg

from blut_assets.artifacts import Artifact
from blut_assets.stages import StageConfig, stage_asset
from blut_resources.alive import reap_dead_runs
from blut_resources.instance.instance import open_instance
from tests.scripted import RESOURCES


class Word(Artifact):
    """A word."""

    kind = "owned.word"


class WordConfig(StageConfig):
    """Nothing."""


@stage_asset(cookbook="owned", group="words")
def first(stage, config: WordConfig) -> Word:
    """A word."""
    (stage.out / "word").write_text("a")
    return Word()


@stage_asset(cookbook="owned", group="words")
def second(stage, first: Word) -> Word:
    """The same, if the run between its steps was not taken for dead."""
    with open_instance() as instance:
        reap_dead_runs(instance)
        (run,) = instance.get_runs()
        assert run.status is dg.DagsterRunStatus.STARTED
    (stage.out / "word").write_text("b")
    return Word()


@dg.asset_check(asset=second.key, blocking=True)
def looked_at(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Passes where nobody takes the run for dead, now that no step of a stage asset is at work."""
    dead = reap_dead_runs(context.instance)
    return dg.AssetCheckResult(passed=not dead)


defs = dg.Definitions(
    assets=[first, second],
    asset_checks=[looked_at],
    jobs=[dg.define_asset_job("words", [first, second])],
    resources=RESOURCES,
    executor=dg.multiprocess_executor,
)


def job() -> dg.JobDefinition:
    """Returns the job over both."""
    return defs.resolve_job_def("words")

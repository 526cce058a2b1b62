"""Who listens to an artifact hears of new bytes, and of nothing else."""

import dagster as dg
import pytest

from blut_assets import on_new_version
from blut_assets.artifacts import Artifact
from blut_assets.stages import Stage, StageConfig, stage_asset
from blut_resources.instance.instance import open_instance
from tests.scripted import RESOURCES


class Line(Artifact):
    """A line of text."""

    kind = "heard.line"
    words: int


class LineConfig(StageConfig):
    """What it says, and what it costs to know."""

    text: str = "one"


@stage_asset(cookbook="heard", group="heard")
def line(stage: Stage, config: LineConfig) -> Line:
    """Write it."""
    (stage.out / "line").write_text(config.text)
    return Line(words=len(config.text.split()))


@dg.asset(deps=[line.key], automation_condition=on_new_version())
def listens() -> None:
    """Of somebody else."""


@dg.asset(deps=[line.key], automation_condition=dg.AutomationCondition.eager())
def eager() -> None:
    """Of somebody else, who does not know."""


DEFS = dg.Definitions([line, listens, eager], resources=RESOURCES)


@pytest.mark.usefixtures("home")
def test_new_bytes_are_heard_of_and_reused_ones_are_not() -> None:
    cursor = None

    def make(text: str) -> None:
        config = {"ops": {"heard__line": {"config": {"text": text}}}}
        assert dg.materialize([line], instance=instance, resources=RESOURCES, run_config=config).success

    def tick() -> set[str]:
        nonlocal cursor
        found = dg.evaluate_automation_conditions(DEFS, instance, cursor=cursor)
        cursor = found.cursor
        return {one.key.to_user_string() for one in found.results if not one.true_subset.is_empty}

    def asked() -> set[str]:
        keys = tick()
        for key in keys:  # as the daemon would
            dg.materialize([{"listens": listens, "eager": eager}[key]], instance=instance)
        assert tick() == set()
        return keys

    with open_instance() as instance:
        assert tick() == set()
        make("one")
        assert asked() == {"listens", "eager"}
        make("one")
        assert asked() == {"eager"}, "it was reused"
        make("two")
        assert asked() == {"listens", "eager"}

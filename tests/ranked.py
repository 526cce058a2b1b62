"""An asset around the payload that ranks run together."""

from typing import Any, ClassVar, Literal

import dagster as dg

from blut_assets.artifacts import Artifact
from blut_assets.stages import Footprint, Stage, Steps, stage_asset
from blut_assets.stages.handles import HANDLES
from blut_assets.stages.ranks import RankedConfig
from blut_resources.instance.instance import open_instance

PAYLOAD = "tests.payloads.ranked"


class Sum(Artifact):
    """What the ranks add up to."""

    kind = "test.sum"
    loss: float


class SumConfig(RankedConfig):
    """Says how many there are, and which of them ends how."""

    STATES: ClassVar[str] = "epoch-*"
    HOW: ClassVar[frozenset[str]] = frozenset({"resume"})

    epochs: int = 3
    rank: int = 0
    how: str = ""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    resume: Literal["auto", "never"] = "auto"


@stage_asset(cookbook="test", group="training", payloads=[PAYLOAD], footprint=Footprint(gpus="any"))
def ranked(stage: Stage, config: SumConfig) -> Steps[Sum]:
    """The sum of the numbers of all ranks."""
    facts = yield from stage.run(
        PAYLOAD, config=config.for_payload(), inputs={}, gpus=config.leased, ranks=config.together
    )
    return Sum(**facts)


def make(**config: Any) -> dg.ExecuteInProcessResult:
    """Materialize it with a config."""
    with open_instance() as instance:
        return dg.materialize(
            [ranked],
            resources={"blut_handles": HANDLES},
            instance=instance,
            raise_on_error=False,
            run_config=dg.RunConfig({"test__ranked": SumConfig(**config)}),
        )


def why(result: dg.ExecuteInProcessResult) -> str:
    """Returns what a failed run says."""
    data: Any = result.failure_data_for_node("test__ranked")
    return (data.user_failure_data and data.user_failure_data.description) or str(data.error.to_string())

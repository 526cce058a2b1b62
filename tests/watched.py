"""A cookbook whose one recipe does what a file says: it ends well, fails, is refused, waits or is killed."""

import os
import signal
import time
from pathlib import Path

import dagster as dg
from pydantic import Field

from blut_assets.artifacts import Artifact
from blut_assets.recipes import Cookbook, Recipe, RecipeArgs
from blut_assets.retrying import gate_check
from blut_assets.stages import Stage, StageConfig, stage_asset
from tests import installed


class Order(Artifact):
    """What is to be done."""

    kind = "watched.order"
    text: str = ""


class Done(Artifact):
    """That it was done."""

    kind = "watched.done"
    text: str = ""


class OrderConfig(StageConfig):
    """Where the order is."""

    path: str


@stage_asset(cookbook="watched", group="sources", source=True)
def order(stage: Stage, config: OrderConfig) -> Order:
    """The order."""
    text = Path(config.path).read_text()
    (stage.out / "order").write_text(text)
    return Order(text=text)


@stage_asset(cookbook="watched", group="work")
def done(stage: Stage, order: Order) -> Done:
    """What was done."""
    if order.text.startswith("fail"):
        raise ValueError(f"no such electrode: {order.text}")
    if order.text.startswith("die"):
        os.kill(os.getpid(), signal.SIGKILL)
    if order.text.startswith("wait"):
        time.sleep(60)
    (stage.out / "done").write_text(order.text)
    return Done(text=order.text)


@gate_check(asset=done, name="fit", description="Whether it is fit.")
def fit(context: dg.AssetCheckExecutionContext, done: Done) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=not done.text.startswith("refuse"), description="floor of 0.9 missed")


class WatchedArgs(RecipeArgs):
    """Its one argument."""

    path: str = Field(description="file with the order")


RECIPES = [
    Recipe(
        name,
        "test",
        "Does it.",
        WatchedArgs,
        [order, done],
        Done,
        lambda a: {"order": OrderConfig(path=a.path)},
    )
    for name in ("watched", "watched_too")
]


def cookbook() -> Cookbook:
    """What the entry point names."""
    return Cookbook("watched", [order, done], RECIPES, checks=[fit])


def install(directory: Path) -> str:
    """Make the cookbook one that `blut` finds when the returned directory is on the PYTHONPATH."""
    return installed.install(directory, "watched", __name__)

"""What a payload says that it is doing reaches a person in words: in a log, and on the line at the bottom."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import dagster as dg
import pytest

from blut_assets.cli.run.pace import Pace
from blut_assets.stages.payloads import PayloadRunner

BUILDING = {"step": 12, "of": 100, "values": {"doing": "building a kit, once"}}


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def runner(said: list[str]) -> PayloadRunner:
    log = SimpleNamespace(info=lambda line, extra: said.append(line))
    spec, rest = SimpleNamespace(key=dg.AssetKey(["toy", "made"])), cast("Any", [None] * 7)
    return PayloadRunner(cast("Any", SimpleNamespace(log=log)), cast("Any", spec), *rest)


def test_it_takes_the_place_of_a_step_and_is_said_when_it_changes(
    runner: PayloadRunner, said: list[str]
) -> None:
    for event in (
        BUILDING,
        {**BUILDING, "step": 13},  # too soon after the first
        {"step": 0, "values": {"doing": "measuring what was written"}},
    ):
        runner._step({**event, "t": 1.0})
    assert said == ["toy/made: building a kit, once: 12/100", "toy/made: measuring what was written"]


def test_it_stands_on_the_line_at_the_bottom(tmp_path: Path) -> None:
    pace = Pace(tmp_path / "status.jsonl", {"toy/made": 3})
    pace.begin("toy/made", since=0.0)
    pace.take({"kind": "step", "asset": "toy/made", "t": 1.0, **BUILDING})
    assert "building a kit, once 12/100" in pace.line() and "doing" not in pace.line()
    pace.begin("toy/made", since=0.0)
    pace.take({"kind": "epoch", "asset": "toy/made", "t": 2.0, "epoch": 3, "metrics": {"loss": 1.0}})
    pace.take({"kind": "step", "asset": "toy/made", "t": 3.0, "step": 0, "values": {"doing": "measuring"}})
    assert "  measuring  " in pace.line() and "epoch" not in pace.line()

"""What the cockpit shows of results: curves in characters, the best of each recipe, models."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from blut_assets.cli.app import app
from blut_assets.cli.cockpit.board import Cockpit
from blut_assets.cli.cockpit.chart import chart
from blut_assets.cli.cockpit.exporting import TypedExport
from blut_assets.cli.cockpit.models import ModelsView
from blut_assets.cli.cockpit.pane import LookWanted
from blut_assets.cli.cockpit.reader import CockpitReader
from blut_assets.cli.cockpit.results import LeaderboardView, MetricsView
from blut_assets.cli.views.curves import curve_rows
from blut_assets.datasets import Dataset, Datasets
from blut_resources.instance.instance import open_instance, store_of
from blut_resources.runs.files import status_path
from blut_resources.runs.status import Status
from tests.blut_resources.registry.test_versions import Bench

CURVES = [[(1, 1.0), (2, 0.5), (3, 0.25), (4, 0.125), (8, 0.01)], [(1, 0.8), (4, 0.1)]]
DRAWN = """\
         1 |*
           |o
           |
           |     *
           |           *    *
      0.01 |                o                    *
           +-----------^--------------------------
     epoch  1                                    8"""
BY_LOGARITHM = """\
         1 |o
           |     *
           |           *    *
           |                o
           |
      0.01 |                                     *
           +-----------^--------------------------
     epoch  1                                    8"""


def test_curves_lie_over_each_other_with_the_resumes_on_the_axis() -> None:
    assert "\n".join(chart(CURVES, [[3], []], 50, 6, logarithmic=False)) == DRAWN
    assert "\n".join(chart(CURVES, [[3], []], 50, 6, logarithmic=True)) == BY_LOGARITHM
    (flat, *_, axis, below) = chart([[(1, 2.0)]], [[]], 50, 6, logarithmic=False)
    assert flat.split() == ["2", "|"] and "^" not in axis and below.split() == ["epoch", "1", "1"]
    (nothing,) = chart([[(1, -1.0), (2, 0.0)]], [[]], 50, 6, logarithmic=True)
    assert nothing == "no value above 0 to draw by its logarithm"


def test_a_metric_of_several_runs_is_one_row_and_a_resume_is_marked(home: Path) -> None:
    first, second = "1" * 32, "2" * 32
    for run, attempts in ((first, [(1, 2, 3), (3, 4)]), (second, [(1, 2)])):
        (stream := status_path(home, run)).parent.mkdir(parents=True)
        events = Status(stream)
        for epochs in attempts:
            events.write("asset_started", "some/model", config={})
            for epoch in epochs:
                values = {"rate": 0.1, "loss": 1 / epoch, "word": "x", "nan": "nan"}
                events.write("epoch", "some/model", epoch=epoch, metrics=values)
                events.write("epoch", "some/model", epoch=epoch, phase="val", metrics={"loss": 2 / epoch})
        events.close()
    with open_instance() as instance:
        rows = curve_rows(instance, [first, second])
    assert [row["metric"] for row in rows] == ["loss", "loss (val)", "rate"]
    loss = rows[0]["curves"]
    assert [one["run"] for one in loss] == [first, second]
    assert loss[0]["points"] == [[1, 1.0], [2, 1 / 2], [3, 1 / 3], [4, 1 / 4]]
    assert (loss[0]["seams"], loss[1]["seams"]) == ([2], [])
    entries = MetricsView().draw([{**row, "logarithmic": True} for row in rows], 76, False)
    assert entries[0].lines[:2] == ("some/model loss (log)", "* 11111111 0.25  o 22222222 0.5")
    assert entries[0].lines[-2].count("^") == 1 and max(len(line) for e in entries for line in e.lines) <= 76


def test_a_leaderboard_names_each_recipe_once_and_the_args_that_differ() -> None:
    row = {"recipe": "tiny", "metric": "loss", "best": "lowest", "place": 1, "value": 0.25, "run": "a" * 32}
    row |= {"at": 0.0, "partition": "", "args": {"epochs": 3}, "on": ""}
    other = {
        **row,
        "place": None,
        "value": "nan",
        "run": "b" * 32,
        "partition": "west",
        "args": {"epochs": 4},
    }
    entries = LeaderboardView().draw([row, other], 76, False)
    assert entries[0].lines == ("tiny: loss, lowest first", "  1 aaaaaaaa 0.25       -          epochs=3")
    assert entries[1].lines == ("  - bbbbbbbb -          -          partition=west epochs=4",)
    assert [one.run for one in entries] == [row["run"], other["run"]]
    (first, second, third) = LeaderboardView().draw(
        [{**row, "on": "split 1"}, {**row, "on": "split 2"}, {**other, "on": "split 2"}], 76, False
    )
    assert first.lines[:2] == ("tiny: loss, lowest first", "on split 1:")
    assert second.lines[0] == "on split 2:" and len(second.lines) == 2 and len(third.lines) == 1


def test_a_version_is_promoted_once_its_whole_name_is_typed(home: Path, tmp_path: Path) -> None:
    with open_instance() as instance:
        bench = Bench(tmp_path, store_of(instance))
    bench.govern("prod")
    bench.register("bad", kl=0.5)
    bench.register("good")

    def printed(*words: str) -> list[dict[str, object]]:
        return json.loads(CliRunner().invoke(app, ["model", *words, "--json"]).stdout)

    rows = CockpitReader(print).look(LookWanted("D")).rows or []
    assert [{k: v for k, v in row.items() if k != "registered"} for row in rows] == printed("list")
    assert rows[0]["registered"] == printed("show", "mine")
    drawn = [one.lines[0].split() for one in ModelsView().draw(rows, 76, False)]
    assert drawn[0] == ["mine", "aliases:", "-"]
    assert [line[:2] for line in drawn[1:]] == [["2", "passed"], ["1", "failed"]]

    async def use() -> None:
        cockpit = Cockpit("D")
        async with cockpit.run_test(size=(80, 24)) as pilot:

            async def shown(*words: str) -> None:
                while not all(word in " ".join(cockpit.board.text()).split() for word in words):
                    await asyncio.sleep(0.05)

            async def typed(text: str) -> None:
                await pilot.press(*(pilot_keys(text)), "enter")

            await shown("passed", "failed")
            await pilot.press("p")
            await shown("promotes", "versions:")
            await pilot.press("down", "p")
            await typed("yours@prod")
            await shown("promoted:", "'yours@prod'")
            await pilot.press("p", "escape")
            await shown("promoted")
            assert not bench.registry.aliases("mine")
            await pilot.press("down", "p")
            await typed("mine@prod")
            await shown("mine@1", "required")
            assert not bench.registry.aliases("mine")
            await pilot.press("up", "p")
            await typed("mine@prod")
            await shown("prod", "->", "stands", "passed")

    asyncio.run(asyncio.wait_for(use(), 180))
    assert bench.registry.aliases("mine")["prod"].version == 2


def test_a_path_is_completed_out_of_the_datasets(home: Path) -> None:
    for name in ("clinic-a", "clinic-b", "talks"):
        Datasets(home).add(
            Dataset(name=name, kind="edf", path=f"/data/{name}", digest="0" * 64, n_files=1, n_bytes=1)
        )

    async def use() -> None:
        cockpit = Cockpit("form")
        cockpit.flow.choose("lamquant_joint_codec")
        async with cockpit.run_test(size=(100, 40)) as pilot:
            while "edf_root" not in " ".join(cockpit.board.text()):
                await asyncio.sleep(0.05)
            while not cockpit.board.text()[2 + cockpit._at()].startswith("> edf_root"):
                await pilot.press("down")
            await pilot.press("enter", "ctrl+u", "d", "a", "t", "a", "colon", "slash", "slash", "c", "tab")
            text = " ".join(" ".join(cockpit.board.text()).split())
            assert "data://clinic-_" in text and "Tab completes it: data://clinic-a, data://clinic-b" in text
            await pilot.press("b", "tab", "enter")
            assert cockpit.flow.draft.typed == {"edf_root": "data://clinic-b"}
            completed = {row["argument"] for row in cockpit._rows["form"] if row["offers"]}
            assert "edf_root" in completed and not completed & {"preset", "seed", "promote_as"}

    asyncio.run(asyncio.wait_for(use(), 180))


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("logs", ["runs", "export", "a", "b", "--as", "tensorboard", "-o", "logs"]),
        ("sqlite:///m.db", ["runs", "export", "a", "b", "--as", "mlflow", "-o", "sqlite:///m.db"]),
        ("https://m", ["runs", "export", "a", "b", "--as", "mlflow", "-o", "https://m"]),
        ("both.html", []),
        ("", []),
    ],
)
def test_runs_are_exported_to_what_the_place_says(place: str, words: list[str]) -> None:
    assert TypedExport().answered("a b", place)[1] == words


def pilot_keys(text: str) -> list[str]:
    return ["at" if letter == "@" else letter for letter in text]

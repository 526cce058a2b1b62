"""Pictures show each trial once, the best on top, and stay pictures whatever the values are."""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

import pytest

from blut_assets.sweeps.pictures import MOST, against, parallel
from blut_assets.sweeps.record import Trial
from blut_assets.sweeps.standing import BestTrial, ranked

SVG = "{http://www.w3.org/2000/svg}"


def trials(rows: Sequence[tuple[Mapping[str, Any], float]], best: str = "lowest") -> Sequence[BestTrial]:
    made = [
        Trial(n, args, state="ended", outcome="succeeded", run_id=f"run{n}", facts={"loss": loss})
        for n, (args, loss) in enumerate(rows, 1)
    ]
    return ranked(made, {"fact": "loss", "best": best})


def lines(svg: str) -> list[tuple[str, list[tuple[float, float]]]]:
    """What is said of each line, and its points."""
    found = ElementTree.fromstring(svg).iter(f"{SVG}polyline")
    return [
        (
            str(one[0].text),
            [(float(x), float(y)) for x, y in re.findall(r"([\d.]+),([\d.]+)", one.attrib["points"])],
        )
        for one in found
    ]


GRID = [({"lr": 10.0**-n, "seed": s, "base": b}, n + s / 10) for n in (1, 2, 3) for s in (1, 2) for b in "ab"]


@pytest.mark.parametrize("best", ["lowest", "highest"])
def test_each_trial_is_a_line_and_the_best_ends_on_top(best: str) -> None:
    order = trials(GRID, best)
    drawn = lines(parallel(order))
    assert len(drawn) == len(GRID) and all(len(points) == 4 for _, points in drawn)
    ends = {int(said.split()[1].rstrip(":")): points[-1][1] for said, points in drawn}
    assert min(ends, key=lambda n: (ends[n], n)) == order[0].trial.number
    assert max(ends.values()) == ends[order[-1].trial.number]
    assert drawn[-1][0].startswith(f"trial {order[0].trial.number}:"), "it lies above the others"


def test_each_argument_has_a_plot_in_which_factors_of_ten_are_equally_far() -> None:
    tree = ElementTree.fromstring(against(trials(GRID)))
    plots = list(tree.iter(f"{SVG}g"))
    assert len(plots) == 3 and all(len(list(one.iter(f"{SVG}circle"))) == len(GRID) for one in plots)
    places = sorted({float(one.attrib["cx"]) for one in plots[0].iter(f"{SVG}circle")})
    assert places[1] - places[0] == pytest.approx(places[2] - places[1], abs=0.2)
    assert "lr (log)" in {one.text for one in plots[0].iter(f"{SVG}text")}


@pytest.mark.parametrize(
    "rows",
    [
        [({"lr": 1}, 0.5)],
        [({"lr": 1}, 0.5), ({"lr": 1}, 0.5)],
        [({"lr": 0}, -1.0), ({"lr": -3}, 2e300), ({"lr": 1e9}, 1e-300)],
        [({"a": "<script>&\"'", "b": None}, 1.0), ({"a": "ümlaut\n\x1b[31m", "b": [1, {"c": 2}]}, 2.0)],
        [({"a": True}, 1.0), ({"a": 1}, 2.0), ({"a": "1"}, 3.0), ({"a": 1.0}, 4.0)],
        [({"a": 1}, 1.0), ({"b": 2}, 2.0), ({}, 3.0)],
        [({"loss": n}, float(n)) for n in range(3)],
        [({"word": f"w{n}" * 30}, float(n)) for n in range(60)],
        [({"lr": n, "seed": n % 7}, float(n)) for n in range(3 * MOST)],
    ],
    ids=["one", "same", "extreme", "hostile", "kinds", "different", "called-alike", "many-words", "many"],
)  # fmt: skip
def test_any_values_make_a_picture(rows: list[tuple[dict[str, Any], float]]) -> None:
    for draw in (parallel, against):
        svg = draw(trials(rows))
        tree = ElementTree.fromstring(svg)
        assert "nan" not in svg and "inf" not in svg and tree.find(f"{SVG}script") is None
        width, height = float(tree.attrib["width"]), float(tree.attrib["height"])
        assert 0 < width < 3000 and 0 < height < 3000 and len(svg) < 400_000
    assert len(lines(parallel(trials(rows)))) == min(len(rows), MOST)

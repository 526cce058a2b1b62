"""What is searched is read as it is written, or refused with what would do."""

import pytest

from blut_assets.hpo.space import Dimension, grid_of, read_dimension, refuse_overlap, within
from blut_assets.sweeps.axes import AxisError

READ = {
    "lr=loguniform(1e-5,1e-2)": Dimension("lr", "float", 1e-5, 1e-2, log=True),
    "a.b=uniform(-1, 0.5)": Dimension("a.b", "float", -1.0, 0.5),
    "x=uniform(0,1,0.25)": Dimension("x", "float", 0.0, 1.0, 0.25),
    "x=uniform(0.1,1,0.4)": Dimension("x", "float", 0.1, 0.9, 0.4),
    "n=int(2,8)": Dimension("n", "int", 2.0, 8.0),
    "n=int(2,8,2)": Dimension("n", "int", 2.0, 8.0, 2.0),
    "w=logint(16,512)": Dimension("w", "int", 16.0, 512.0, log=True),
    "p=choice(fast,medium)": Dimension("p", "choice", choices=("fast", "medium")),
    'p=choice("a,b",{"c": 1},null,true,1)': Dimension(
        "p", "choice", choices=("a,b", {"c": 1}, None, True, 1)
    ),
}


@pytest.mark.parametrize("text", READ)
def test_each_form_is_read(text: str) -> None:
    assert read_dimension(text) == READ[text]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("lr", "write KEY=loguniform(LOW,HIGH)"),
        ("lr=0.1,0.2", "write KEY=loguniform(LOW,HIGH)"),
        ("=int(1,2)", "write KEY="),
        ("lr=loguniform(0,1)", "orders of magnitude begin above 0"),
        ("lr=loguniform(1,2,3)", "write loguniform(LOW,HIGH) with numbers"),
        ("lr=uniform(2,1)", "2 is not below 1"),
        ("lr=uniform(1,1)", "1 is not below 1"),
        ("lr=uniform(0,nan)", "with numbers"),
        ("lr=uniform(0,inf)", "with numbers"),
        ("lr=uniform(a,b)", "with numbers"),
        ("n=int(0.5,2)", "whole numbers only; int"),
        ("n=logint(0.5,2)", "whole numbers only; loguniform"),
        ("n=int(0,1e300)", "whole numbers up to 9007199254740992; write uniform"),
        ("n=int(1,9,0)", "a step lies above 0"),
        ("n=int(1,9,20)", "a step lies above 0"),
        ("p=choice(a)", "a choice needs two values"),
        ("p=choice()", "a value is missing"),
    ],
)
def test_what_makes_no_sense_is_refused(text: str, told: str) -> None:
    with pytest.raises(AxisError) as found:
        read_dimension(text)
    assert told in str(found.value)


def test_a_grid_tries_every_combination() -> None:
    dimensions = [read_dimension(text) for text in ("n=int(1,3)", "x=uniform(0,0.3,0.1)", "p=choice(a,b)")]
    grid = grid_of(dimensions)
    assert len(grid) == 3 * 4 * 2 and grid[0] == {"n": 1, "x": 0.0, "p": "a"} and grid[-1]["p"] == "b"
    assert all(within(dimensions, one) for one in grid)
    assert sorted({one["x"] for one in grid}) == [0.0, 0.1, 0.2, 0.3], "no sum drifts"
    with pytest.raises(AxisError, match="a grid tries every value"):
        grid_of([read_dimension("lr=loguniform(1e-5,1)")])


def test_values_of_another_space_are_known_by_it() -> None:
    space = [read_dimension("n=int(1,3)"), read_dimension("p=choice(a,1)")]
    assert within(space, {"n": 2, "p": "a"}) and within(space, {"n": 3, "p": 1.0})
    for other in (
        {"n": 2},
        {"n": 4, "p": "a"},
        {"n": 2, "p": "b"},
        {"n": "2", "p": "a"},
        {"n": True, "p": "a"},
    ):
        assert not within(space, other)


def test_an_argument_is_searched_once() -> None:
    for pair in (("a", "a"), ("a", "a.b"), ("a.b", "a")):
        with pytest.raises(AxisError, match="both searched"):
            refuse_overlap([Dimension(key, "int", 1, 2) for key in pair])
    refuse_overlap([Dimension("ab", "int", 1, 2), Dimension("a", "int", 1, 2)])

"""Which trials axes make, and what a file adds to them, leaves out and moves together."""

from pathlib import Path
from typing import Any

import pytest

from blut_assets.sweeps.axes import AxisError, read_axis
from blut_assets.sweeps.grid import Grid, name_of, read_grid, words_of


def grid(tmp_path: Path, text: str) -> Grid:
    """What a file with this text says."""
    path = tmp_path / "grid.yaml"
    path.write_text(text)
    return read_grid(path, lambda _key, _pattern: ())


def test_axes_are_combined_and_the_last_advances_first() -> None:
    axes = tuple(read_axis(text, lambda *_: ()) for text in ("lr=1,2", "seed=range(3)", "base=a"))
    found = Grid(axes).trials()
    assert [(one["lr"], one["seed"]) for one in found] == [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)]
    assert words_of(found[3]) == "lr=2 seed=0 base=a"


def test_a_file_excludes_of_the_combinations_adds_beside_them_and_moves_together(tmp_path: Path) -> None:
    found = grid(
        tmp_path,
        "axes: {lr: [1e-5, 1e-4], seed: 'range(1, 3)'}\n"
        "zip: [{epochs: [10, 10], word: [a, b]}]\n"
        "exclude: [{lr: 0.0001, seed: 2}, {word: b, seed: 1}]\n"
        "include: [{lr: 1e-3, seed: 7}, {lr: 1e-5, seed: 1, epochs: 10, word: a}]\n",
    ).trials()
    assert [words_of(one) for one in found] == [
        "lr=1e-05 seed=1 epochs=10 word=a",
        "lr=1e-05 seed=2 epochs=10 word=a",
        "lr=1e-05 seed=2 epochs=10 word=b",
        "lr=0.0001 seed=1 epochs=10 word=a",
        "lr=0.001 seed=7",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("axis: {lr: [1]}", "axis (did you mean 'axes'?)"),
        ("axes: {lr: []}", "lr: has no values"),
        ("axes: {lr: 'range(a)'}", "lr=range(a)"),
        ("axes: [1]", "axes: expected names"),
        ("[1]", "found list"),
        ("axes: {a: [1], a: [2]}", "a"),
        ("axes: {a: [1]}\nexclude: [{a: 2}]", "exclude: no trial has a=2"),
        ("axes: {a: [1]}\nexclude: [{b: 1}]", "exclude: no trial has b=1"),
        ("axes: {a: [1]}\nexclude: [{a: 1}]", "no trial is left"),
        ("axes: {a: [1]}\nzip: [{a: [1]}]", "a is an axis twice"),
        ("axes: {a: [1], a.b: [2]}", "one is inside the other"),
        ("zip: [{a: [1, 2], b: [1]}]", "a has 2, b has 1"),
        ("zip: {a: [1]}", "zip: expected a list"),
        ("include: [3]", "include: expected arguments"),
        ("axes: {a: 'range(9000)', b: 'range(9000)'}", "81000000 trials"),
        ("axes: {a: &x [1], b: *x}", "alias"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_in_words(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(AxisError) as refused:
        grid(tmp_path, text).trials()
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ({"a": 1, "b": 2}, {"b": 2.0, "a": 1}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": "1"}, {"a": 1}, False),
    ],
)
def test_trials_are_the_same_whatever_the_order_of_their_overrides(
    one: dict[str, Any], other: dict[str, Any], alike: bool
) -> None:
    assert (name_of(one) == name_of(other)) is alike

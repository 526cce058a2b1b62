"""Tests what the payloads are built of, by itself."""

import json
from pathlib import Path

import pytest

from toybook.model import MODEL_FILE, Model, ModelInvalid, read_model
from toybook.payload.classifier_train import State
from toybook.rows import Row, RowsInvalid, part_of, read_table
from toybook.synthetic import synthetic_csv

SETTINGS = {"epochs": 4, "learning_rate": 0.05, "seed": 3}


@pytest.fixture
def rows(tmp_path: Path) -> list[Row]:
    """Returns two hundred made-up rows."""
    path = tmp_path / "rows.csv"
    path.write_bytes(synthetic_csv("synthetic:rows=200,seed=0"))
    return read_table(path, "shape")[1]


def test_a_training_that_was_killed_ends_as_one_that_was_not(rows: list[Row], tmp_path: Path) -> None:
    classes = sorted({row.label for row in rows})
    whole = State.fresh(Model.untrained(classes, rows))
    killed = State.fresh(Model.untrained(classes, rows))
    for _ in range(4):
        whole.finish_epoch(rows, rows, SETTINGS)
    for _ in range(4):
        killed.finish_epoch(rows, rows, SETTINGS)
        (tmp_path / "state.json").write_bytes(killed.as_json())
        killed = State.read(tmp_path / "state.json")
    assert killed.as_json() == whole.as_json()
    assert whole.model.accuracy(rows) > 0.8


def test_equal_rows_are_in_one_part_and_new_ones_move_none(rows: list[Row]) -> None:
    parts = [part_of(row, 0, 0.2, 0.2) for row in rows]
    assert parts == [part_of(Row(row.numbers, "other"), 0, 0.2, 0.2) for row in rows]
    assert {"train", "validation", "test"} == set(parts)
    assert 20 < parts.count("test") < 60


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x,label\n1,a\nmany,b\n", r"line 3, column 'x' = 'many': not a finite number"),
        ("x,label\n1,a\nnan,b\n", r"line 3, column 'x' = 'nan': not a finite number"),
        ("x,label\n1\n", r"line 2: 1 cells under 2 names"),
        ("x,label\n1,\n", r"line 2, column 'label' = ''"),
        ("x,x\n1,a\n", r"line 1: the header is \['x', 'x'\]"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(RowsInvalid, match=words):
        read_table(path, "")


def test_a_file_that_holds_no_classifier_is_refused(rows: list[Row], tmp_path: Path) -> None:
    good = Model.untrained(["a", "b"], rows).as_json()
    for bad in ({}, {**good, "weights": [[0.0]]}, {**good, "weights": [[float("nan")] * 4] * 2}):
        (tmp_path / MODEL_FILE).write_text(json.dumps(bad))
        with pytest.raises(ModelInvalid):
            read_model(tmp_path)

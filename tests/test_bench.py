"""The benchmark's arithmetic and output; nothing here is timed."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.codec_table import OURS, Curves, at_prdn, rate_rows
from bench.measure import in_turns, python
from bench.table import Quantity, Row, Target, render, skipped, write_json

ROW = Row(
    "startup",
    "load",
    ours=Quantity("s", [3.0, 2.0, 30.0], cpu=[1.5, 1.5, 1.5]),
    baseline="import dagster",
    base=Quantity("s", [2.0, 1.0, 20.0], cpu=[1.0, 1.0, 1.0]),
    target=Target("ratio", "<=", 1.6),
)


def test_a_ratio_is_the_median_over_rounds_so_a_slow_round_does_not_count() -> None:
    assert ROW.ratios == [1.5, 2.0, 1.5]
    assert ROW.ratio == 1.5
    assert ROW.meets == "yes"


@pytest.mark.parametrize(
    ("walls", "cpus", "meets"),
    [([1.0], [1.0], "yes"), ([5.0], [1.0], "cpu"), ([5.0], [5.0], "no"), ([5.0], [], "no")],
)
def test_a_target_missed_in_wall_time_but_met_in_cpu_time_is_told_apart(
    walls: list[float], cpus: list[float], meets: str
) -> None:
    assert Row("a", "b", Quantity("s", walls, cpus), target=Target("ours", "<=", 3)).meets == meets


def test_contenders_take_turns() -> None:
    order: list[str] = []
    found = in_turns(2, {name: lambda name=name: order.append(name) or len(order) for name in "ab"})
    assert order == ["a", "b", "a", "b"]
    assert found == {"a": [1, 3], "b": [2, 4]}


def test_the_cpu_time_of_a_grandchild_counts() -> None:
    burn = "import time; t = time.process_time()\nwhile time.process_time() - t < 0.3: pass"
    done = python(f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}]); print('ok')")
    assert done.cpu >= 0.3
    assert done.stdout == "ok\n"


def test_a_failing_command_shows_its_error() -> None:
    with pytest.raises(RuntimeError, match="the reason"):
        python("raise SystemExit('the reason')")


def test_the_table_and_the_file_say_what_was_measured_and_what_was_not(tmp_path: Path) -> None:
    rows = [ROW, skipped("chain", "against DVC", "dvc is not in PATH")]
    lines = render(rows).splitlines()
    assert lines[0].split() == ["benchmark", "case", "ours", "baseline", "ratio", "target", "meets"]
    assert "3 (2-30) s, 1.5 cpu" in lines[1] and "1.5 (1.5-2)" in lines[1] and lines[1].endswith("yes")
    assert lines[3].strip() == "dvc is not in PATH"

    write_json(tmp_path / "results" / "today.json", rows, {"cores": 2})
    content = json.loads((tmp_path / "results" / "today.json").read_text())
    assert content["cores"] == 2
    assert [row["ratio"] for row in content["rows"]] == [1.5, None]
    assert content["rows"][0]["ours"]["values"] == [3.0, 2.0, 30.0]


@pytest.mark.parametrize(
    ("bound", "sign", "meets"), [(1.2, ">=", "no"), (1.1, ">=", "yes"), (1.3, "<=", "yes"), (1.2, "<=", "no")]
)
def test_a_target_of_every_ratio_is_missed_by_one_round(bound: float, sign: str, meets: str) -> None:
    row = Row("codec", "every point", Quantity("CR", [11, 13, 13]), "other", Quantity("CR", [10, 10, 10]))
    assert replace(row, target=Target("every ratio", sign, bound)).meets == meets


def _points(coder: str, factor: float) -> list[dict[str, Any]]:
    return [{"set": "s", "coder": coder, "prdn": p, "cr": factor * 4 * p**0.7} for p in (3, 6, 12, 18)]


def test_codecs_are_compared_at_equal_error_and_every_point_at_which_ours_loses_is_named() -> None:
    curves = Curves([*_points(OURS, 1), *_points("even", 0.9), *_points("ahead", 1.25)])
    expected = [4 * prdn**0.7 for prdn in curves.tabled("s")]
    assert curves.cr("s", OURS) == pytest.approx(expected)
    assert curves.cr("s", "ahead") == pytest.approx([1.25 * cr for cr in expected])
    assert at_prdn([*curves.points["s"][OURS], {"prdn": 18, "cr": 1.0}], 17) == pytest.approx(4 * 17**0.7)
    *lines, behind = rate_rows(curves, "")
    assert {line.baseline: round(line.ratio or 0, 6) for line in lines} == {"even": 1.111111, "ahead": 0.8}
    assert behind.note.count("ahead (0.800)") == len(curves.tabled("s")) and "even" not in behind.note

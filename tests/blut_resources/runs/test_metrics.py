"""The table of metrics is whole and readable at any moment, and says what was measured."""

import importlib.util
import math
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from blut_resources.files.durable import StoreError
from blut_resources.runs import metrics
from blut_resources.runs.files import metrics_files
from blut_resources.runs.metrics import INDEX, MetricLog, read
from tests.small import fill, free, small


@pytest.fixture(params=["parquet", "csv"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / "metrics" / f"llm__sft_checkpoint.{request.param}"


def row(epoch: int, **values: object) -> dict[str, object]:
    known = {"run_id": "7d1c203e", "asset": "llm/sft_checkpoint", "epoch": epoch, "step": 10 * epoch}
    return {**known, "phase": "train", "timestamp": 1e9 + epoch, **values}


def test_columns_come_in_the_order_of_their_first_appearance(path: Path) -> None:
    log = MetricLog(path)
    log.append(row(1, loss=0.5, accuracy=0.25))
    log.append(row(2, loss=0.125, eval_loss=3))
    first, second = read(path)
    assert list(first) == [*INDEX, "loss", "accuracy", "eval_loss"]
    assert first["eval_loss"] is None and second["accuracy"] is None
    assert (second["loss"], second["eval_loss"], second["epoch"]) == (0.125, 3, 2)
    assert second["run_id"] == "7d1c203e"


def test_values_come_back_as_they_were(path: Path) -> None:
    values = {"tiny": 1e-300, "third": 1 / 3, "big": 2**40, "nan": float("nan"), "inf": -math.inf}
    MetricLog(path).append(row(1, **values))
    (found,) = read(path)
    assert math.isnan(found.pop("nan"))
    assert {name: found[name] for name in values if name != "nan"} == {
        name: value for name, value in values.items() if name != "nan"
    }


def test_an_id_of_digits_stays_a_word(path: Path) -> None:
    MetricLog(path).append({**row(1), "run_id": "007", "phase": 'a "quoted", word'})
    (found,) = read(path)
    assert (found["run_id"], found["phase"]) == ("007", 'a "quoted", word')


def test_a_second_attempt_in_the_same_run_adds_its_rows(path: Path) -> None:
    MetricLog(path).append(row(1, loss=1.0))
    MetricLog(path).append(row(2, loss=0.5))
    assert [found["loss"] for found in read(path)] == [1.0, 0.5]


def test_a_column_of_mixed_kinds_is_text_not_an_error(tmp_path: Path) -> None:
    log = MetricLog(tmp_path / "m.parquet")
    log.append(row(1, good=True))
    log.append(row(2, good="perhaps"))
    assert [found["good"] for found in read(log.path)] == ["True", "perhaps"]


VALUES = (7, 2**63, -(2**70), 0.5, -math.inf, True, None, "warm up", "")


@pytest.mark.parametrize("order", [VALUES, VALUES[::-1], (*VALUES[3:], *VALUES[:3])])
def test_whatever_a_column_becomes_every_epoch_and_every_other_metric_stays(
    path: Path, order: tuple[object, ...]
) -> None:
    log = MetricLog(path)
    for epoch, value in enumerate(order, 1):
        log.append(row(epoch, odd=value, loss=1 / epoch))
    log.close()
    for found in (read(path), MetricLog(path).rows):
        assert [one["epoch"] for one in found] == list(range(1, len(order) + 1))
        assert [one["loss"] for one in found] == [1 / epoch for epoch in range(1, len(order) + 1)]
        assert [one["odd"] in (None, "") for one in found] == [value in (None, "") for value in order]


@pytest.mark.parametrize("large", [2**63, -(2**63) - 1, 2**64 + 1])
def test_a_column_of_large_integers_is_of_numbers(path: Path, large: int) -> None:
    log = MetricLog(path)
    for epoch, value in enumerate((1, large, 2), 1):
        log.append(row(epoch, seen=value, loss=0.5))
    assert [float(one["seen"]) for one in read(path)] == [1.0, float(large), 2.0]


def test_names_that_are_nearly_the_same_are_columns_of_their_own(path: Path) -> None:
    names = ["loss", "Loss", "a/b", "a.b", "a", "", " ", "'", '"', "a,b", "%20", "é", "x" * 256]
    MetricLog(path).append(row(1, **{name: float(number) for number, name in enumerate(names)}))
    (found,) = read(path)
    assert [found[name] for name in names] == [float(number) for number in range(len(names))]


def test_thousands_of_columns_some_of_them_late(path: Path) -> None:
    log = MetricLog(path)
    for epoch in (1, 2):
        log.append(row(epoch, **{f"{'layer' * 50}/{number}": 0.5 for number in range(2500 * epoch)}))
    first, second = read(path)
    late = f"{'layer' * 50}/4999"
    assert len(first) == len(second) == len(INDEX) + 5000 and (first[late], second[late]) == (None, 0.5)


def test_a_table_that_was_cut_and_a_file_beside_one_are_a_line_each(path: Path) -> None:
    MetricLog(path).append(row(1, loss=0.5))
    path.write_bytes(path.read_bytes()[:40] if path.suffix == ".parquet" else b'"run_id\x00\xff')
    with pytest.raises(metrics.TableDamaged, match=r"\w+: damaged \([^\n]+\); its rows are in status.jsonl"):
        read(path)
    beside = path.with_name(path.name + ".bak")
    beside.touch()
    home = path.parent.parent
    (home / "runs" / "1").mkdir(parents=True)
    path.parent.rename(home / "runs" / "1" / "metrics")
    assert list(metrics_files(home, "1")) == ["llm/sft_checkpoint"]
    with pytest.raises(metrics.TableDamaged, match=r"bak: not a table of metrics; one ends in .parquet or"):
        read(beside)


def _append_for_ever(path: Path) -> None:
    log = MetricLog(path)
    for epoch in range(len(read(path)), 10**6):
        log.append(row(epoch, loss=float(epoch)))


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_kill_nine_in_the_middle_of_a_write_leaves_every_row_before_it(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"m.{suffix}"
    _append_rows(path, 1)  # imports once, so that the children are killed while they write
    context = multiprocessing.get_context("fork")
    before = 1
    for delay in (0.02, 0.05, 0.031, 0.043, 0.077):
        writer = context.Process(target=_append_for_ever, args=(path,))
        writer.start()
        while len(read(path)) < before + 3:
            time.sleep(0.002)
        time.sleep(delay)
        assert writer.pid
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        found = read(path)
        assert [one["epoch"] for one in found] == list(range(len(found)))
        before = len(found)


def _append_rows(path: Path, count: int) -> None:
    log = MetricLog(path)
    for epoch in range(count):
        log.append(row(epoch, loss=0.0))


def test_the_format_is_chosen_by_the_environment_and_by_what_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(metrics.FORMAT, raising=False)
    assert metrics.chosen_format() == "parquet"
    monkeypatch.setenv(metrics.FORMAT, "csv")
    assert metrics.chosen_format() == "csv"
    monkeypatch.setenv(metrics.FORMAT, "feather")
    with pytest.raises(ValueError, match=r"\$BLUT_METRICS='feather': must be one of parquet, csv"):
        metrics.chosen_format()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv(metrics.FORMAT, "parquet")
    with pytest.raises(ValueError, match="pyarrow is not installed"):
        metrics.chosen_format()
    monkeypatch.delenv(metrics.FORMAT)
    assert metrics.chosen_format() == "csv"


def test_many_rows_cost_what_a_few_do_and_none_is_missing_meanwhile(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table that is written anew for every row would write 250 times its size, not 20 times."""
    written = []
    monkeypatch.setattr(metrics, "SHARE", 1e9)  # how fast this machine is plays no part
    monkeypatch.setattr(metrics, "write_atomic", lambda to, data: written.append(to.write_bytes(data)))
    path.parent.mkdir()
    log = MetricLog(path)
    for epoch in range(500):
        log.append(row(epoch, loss=1 / (epoch + 1)))
        if epoch in (0, 1, 249):
            assert [one["epoch"] for one in read(path)] == list(range(epoch + 1))
            assert len(_table_alone(path)) >= 0.9 * (epoch + 1)
    log.close()
    assert sum(written) < 20 * path.stat().st_size
    assert [one["epoch"] for one in _table_alone(path)] == list(range(500))
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def _table_alone(path: Path) -> list[metrics.Row]:
    """As a reader sees it that knows nothing of Blut."""
    alone = path.parent.parent / path.name
    alone.write_bytes(path.read_bytes())
    return read(alone)


def test_rows_that_found_no_room_come_with_the_next_or_at_the_end(tmp_path: Path) -> None:
    with small(tmp_path / "small", "128k") as place:
        log = metrics.MetricLog(place / "t.csv")
        log.append({"epoch": 1})
        fill(place)
        for epoch in (2, 3):
            with pytest.raises(StoreError, match="No space left on device: the file system at"):
                log.append({"epoch": epoch})
        assert not log.flush() and [row["epoch"] for row in metrics.read(log.path)] == [1]
        free(place)
        log.append({"epoch": 4})
        assert [row["epoch"] for row in metrics.read(log.path)] == [1, 2, 3, 4] and log.flush()
        fill(place)
        with pytest.raises(StoreError):
            log.append({"epoch": 5})
        free(place)
        log.close()
        assert [row["epoch"] for row in metrics.read(log.path)] == [1, 2, 3, 4, 5]

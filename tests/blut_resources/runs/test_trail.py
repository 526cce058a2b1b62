"""A training that was resumed shows its whole curve, each epoch once, and where it was resumed."""

import base64
import importlib.util
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import dagster as dg
import pytest
from typer.testing import CliRunner

from blut_assets.artifacts import Artifact
from blut_assets.cli.app import app
from blut_assets.stages import Stage, StageConfig, Steps, stage_asset
from blut_resources.instance.instance import open_instance, store_of
from blut_resources.payloads.record import RunRecord
from blut_resources.runs.epochs import epochs
from blut_resources.runs.files import metrics_files, status_path
from tests.blut_resources.runs.test_tracking import records, settled, values
from tests.lacking import lacking
from tests.recorded import Left
from tests.scripted import RESOURCES

PAYLOAD = "tests.payloads.resumes"
ASSET = "test/resumed"

pytestmark = pytest.mark.usefixtures("home")
Train = Callable[..., dg.ExecuteInProcessResult]


class ResumedConfig(StageConfig):
    """The script, which changes nothing of what the training is."""

    HOW: ClassVar[frozenset[str]] = frozenset({"script"})

    script: str


class Resumed(Artifact):
    kind = "test.resumed"
    epochs: int


@stage_asset(cookbook="test", group="training", payloads=[PAYLOAD])
def resumed(stage: Stage, config: ResumedConfig) -> Steps[Resumed]:
    """Train as the script says."""
    facts = yield from stage.run(PAYLOAD, config={"script": config.script}, inputs={})
    (stage.out / "model").write_text(str(facts))
    return Resumed(**facts)


@pytest.fixture
def run(tmp_path: Path) -> Train:
    def run(*losses: float, **how: Any) -> dg.ExecuteInProcessResult:
        script = tmp_path / "script.json"
        script.write_text(json.dumps({"losses": losses, **how}))
        config = {"ops": {"test__resumed": {"config": {"script": str(script)}}}}
        with open_instance() as instance:
            return dg.materialize(
                [resumed], resources=RESOURCES, instance=instance, run_config=config, raise_on_error=False
            )

    return run


def told(home: Path, run_id: str) -> list[tuple[float, float, str | None, float | None]]:
    """Epoch, loss, whose it is (None: its own) and the seam, as `blut results` reads them."""
    rows = epochs(status_path(home, run_id))[ASSET]
    return [(row["epoch"], row["loss"], row.get("run_id"), row.get("resumed_from")) for row in rows]


def tabled(home: Path, run_id: str) -> list[tuple[float, float, str | None, float | None]]:
    rows = Left(run_id, home).rows(ASSET)
    own = [None if row["run_id"] == run_id else row["run_id"] for row in rows]
    return [
        (row["epoch"], row["loss"], whose, row.get("resumed_from"))
        for row, whose in zip(rows, own, strict=True)
    ]


def test_the_best_epoch_may_be_one_before_the_resume(
    run: Train, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first = run(1.0, 0.1, 0.5, 0.9, ends_after=3)
    capfd.readouterr()
    second = run(1.0, 0.1, 0.5, 0.6)
    assert not first.success and second.success
    a = first.run_id
    assert told(home, second.run_id) == tabled(home, second.run_id)
    assert told(home, second.run_id) == [
        *((1, 1.0, a, None), (2, 0.1, a, None), (3, 0.5, a, None)),
        (4, 0.6, None, 3),
    ]
    said = capfd.readouterr().err
    assert f"run {a[:8]} left 3 epochs, the last one 3, and the state of epoch 3 (state.json)" in said
    assert f"went on with epoch 4, from the state of run {a[:8]} after epoch 3" in said
    shown = CliRunner().invoke(app, ["results", second.run_id, "--metric", "loss"]).stdout
    assert f"best: {ASSET}, epoch 2: loss=0.1" in shown
    assert f"resumed after epoch 3 of run {a[:8]}; the numbers are of all epochs" in shown
    known = Left(second.run_id).manifest["assets"][ASSET]
    assert known["resumed_from"] == {"run": a, "epoch": 3, "epochs": 3} and known["epochs"] == 1
    (made,) = second.asset_materializations_for_node("test__resumed")
    picture = base64.b64decode(re.findall(r"base64,([^)]+)\)", str(made.metadata["curves"].value))[0])
    assert picture.count(b"<title>resumed</title>") == 1 and b"epoch 1<" in picture


def test_an_epoch_that_is_done_again_counts_once_and_as_it_was_last(run: Train, home: Path) -> None:
    run(6.0, 5.0, 4.0, 3.0, ends_after=3, saves=2)
    second = run(6.0, 5.0, 4.5, 3.5)
    assert [(epoch, loss) for epoch, loss, *_ in told(home, second.run_id)] == [
        *((1, 6.0), (2, 5.0)),
        *((3, 4.5), (4, 3.5)),
    ]
    assert tabled(home, second.run_id) == told(home, second.run_id)
    assert [seam for *_, seam in told(home, second.run_id)] == [None, None, 2, 2]


def test_any_number_of_resumes_also_of_runs_that_are_no_more(run: Train, home: Path) -> None:
    losses = (9.0, 8.0, 7.0, 6.0, 5.0)
    runs = [run(*losses, ends_after=1), run(*losses, ends_after=3, saves=2)]
    with open_instance() as instance:
        for one in runs:
            instance.delete_run(one.run_id)
        runs.append(run(*losses, ends_after=4))
    last = run(*losses)
    a, b, c = (one.run_id for one in runs)
    assert not metrics_files(home, a) and last.success
    assert told(home, last.run_id) == tabled(home, last.run_id)
    assert told(home, last.run_id) == [
        *((1, 9.0, a, None), (2, 8.0, b, 1), (3, 7.0, c, 2), (4, 6.0, c, 2)),
        (5, 5.0, None, 4),
    ]
    with open_instance() as instance:
        assert not list((store_of(instance).root / "work").glob("*/trail.jsonl"))


def test_a_training_that_forgets_its_state_is_said_to_begin_anew(
    run: Train, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run(3.0, 2.0, 1.0, ends_after=2)
    capfd.readouterr()
    second = run(3.5, 2.5, 1.5, forgets=True)
    assert told(home, second.run_id) == [(1, 3.5, None, None), (2, 2.5, None, None), (3, 1.5, None, None)]
    assert "began anew with epoch 1: what was left of it was not used" in capfd.readouterr().err
    assert "resumed_from" not in Left(second.run_id).manifest["assets"][ASSET]


def test_what_is_measured_before_the_first_epoch_ends_no_curve(run: Train, home: Path) -> None:
    run(3.0, 2.0, 1.0, again=4.0, ends_after=2)
    second = run(3.0, 2.0, 1.0, again=3.9)
    assert [(epoch, loss) for epoch, loss, *_ in told(home, second.run_id)] == [
        *((0, 3.9), (1, 3.0)),
        *((2, 2.0), (3, 1.0)),
    ]
    assert tabled(home, second.run_id)[0] == (0, 3.9, None, None)


@pytest.mark.heavy
def test_a_training_that_ended_before_it_said_so_has_its_curve(run: Train, home: Path) -> None:
    first = run(2.0, 1.0, ends_after=2)
    second = run(2.0, 1.0)
    assert second.success and tabled(home, second.run_id) == [
        (1, 2.0, first.run_id, None),
        (2, 1.0, first.run_id, None),
    ]
    (made,) = second.asset_materializations_for_node("test__resumed")
    assert "curves" in made.metadata


def test_epochs_that_the_work_directory_had_no_room_for_come_from_their_run(run: Train, home: Path) -> None:
    first = run(3.0, 2.0, 1.0, ends_after=2)
    (trail,) = home.glob("store/work/*/trail.jsonl")
    lines = trail.read_text().splitlines(keepends=True)
    trail.write_text("".join(line for line in lines if '"epoch":2,"step"' not in line))
    second = run(3.0, 2.0, 1.0)
    assert [(epoch, whose) for epoch, _, whose, _ in told(home, second.run_id)] == [
        (1, first.run_id),
        (2, first.run_id),
        (3, None),
    ]


def test_a_damaged_table_is_set_aside_and_written_anew(run: Train, home: Path) -> None:
    first, said = run(2.0, 1.0, ends_after=1), list[str]()
    table = metrics_files(home, first.run_id)[ASSET]
    table.write_bytes(table.read_bytes()[:40])
    record = RunRecord(home, first.run_id, ASSET, said.append)
    record.mend()
    record.close()
    assert tabled(home, first.run_id) == [(1, 2.0, None, None)]
    assert len(said) == 1 and "damaged" in said[0] and said[0].endswith("; it is written anew")


def test_attempts_of_one_run_are_one_curve_also_without_their_trail(home: Path, tmp_path: Path) -> None:
    for attempt, numbers in enumerate([(1, 2), (2, 3)]):
        (tmp_path / str(attempt)).mkdir()
        record = RunRecord(home, "0123", ASSET, print)
        record.status.write("asset_started", ASSET)
        record.begin(tmp_path / str(attempt))
        for epoch in numbers:
            record.take({"event": "epoch", "epoch": epoch, "metrics": {"loss": attempt}})
        record.close()
    assert tabled(home, "0123") == [(1, 0, None, None), (2, 1, None, 1), (3, 1, None, 1)]


def test_what_was_never_interrupted_has_no_seam(home: Path, tmp_path: Path) -> None:
    for run_id, numbers in (("0123", (1, 2)), ("4567", (3, 4))):
        record = RunRecord(home, run_id, ASSET, print)
        record.status.write("asset_started", ASSET)
        record.begin(tmp_path, taken_over=run_id == "4567")
        for epoch in numbers:
            record.take({"event": "epoch", "epoch": epoch, "metrics": {"loss": 1.0 / epoch}})
        record.close()
    seen = [(1, 1.0, "0123", None), (2, 0.5, "0123", None), (3, 1 / 3, None, None), (4, 0.25, None, None)]
    assert tabled(home, "4567") == told(home, "4567") == seen


def test_what_an_older_version_kept_of_earlier_epochs_counts(home: Path, tmp_path: Path) -> None:
    (tmp_path / "epochs.jsonl").write_text('{"epoch": 1, "loss": 3.0}\n{"epoch": 2, "loss": 2.0}\n{"epo')
    record = RunRecord(home, "0123", ASSET, print)
    record.status.write("asset_started", ASSET)
    record.begin(tmp_path)
    record.take({"event": "epoch", "epoch": 3, "metrics": {"loss": 1.0}})
    record.close()
    assert tabled(home, "0123") == [(1, 3.0, None, None), (2, 2.0, None, None), (3, 1.0, None, 2)]


@pytest.mark.heavy
def test_a_tracker_is_told_the_whole_curve(run: Train, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("wandb") is None:
        lacking("wandb is not installed: `make setup`")
    monkeypatch.setenv("BLUT_LOGGER", "wandb")
    first = run(4.0, 3.0, 2.0, 1.0, ends_after=3, saves=2)
    second = run(4.0, 3.0, 2.5, 1.5)
    settled(home)
    found = records(home / "runs" / second.run_id)
    rows = [values(r.history.item) for r in found if r.WhichOneof("record_type") == "history"]
    assert [(row["epoch"], row["loss"], row.get("resumed_from")) for row in rows] == [
        *((1, 4.0, None), (2, 3.0, None)),
        *((3, 2.5, 2), (4, 1.5, 2)),
    ]
    assert [row["_timestamp"] for row in rows] == [r["timestamp"] for r in Left(second.run_id).rows(ASSET)]
    (made,) = [r.run for r in found if r.WhichOneof("record_type") == "run"]
    config = {item.key: json.loads(item.value_json) for item in made.config.update}
    assert config["resumed_from"] == {"run": first.run_id, "epoch": 2}

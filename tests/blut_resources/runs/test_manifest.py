"""The manifest of a run is complete, wherever the run is killed."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from blut_resources.alive import reap_dead_runs
from blut_resources.files import reserve
from blut_resources.files.documents import DocumentError
from blut_resources.instance.instance import open_instance
from blut_resources.runs import manifest, metrics, status
from tests.recorded import ASSET, Left, train

WHOLE = ("argv", "started", "config", "seed", "git", "packages", "hardware", "python")
"""What must be known of every run that has got as far as its payload."""


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def around(where: Any, name: str, is_it: Callable[..., bool], *, after: bool) -> None:
    """SIGKILL at one call of a function, before or after it has done its work."""
    real = getattr(where, name)

    def watched(*args: Any, **kwargs: Any) -> Any:
        if is_it(*args) and not after:
            die()
        found = real(*args, **kwargs)
        if is_it(*args):
            die()
        return found

    setattr(where, name, watched)


def at_event(kind: str, *, after: bool) -> Callable[[], None]:
    return lambda: around(status.Status, "_write", lambda _, said, *__: said == kind, after=after)


def at_row(number: int) -> Callable[[], None]:
    """In the middle of the write of a row: the new file is there and has not its name yet."""

    def arm() -> None:
        real, calls = Path.replace, []

        def replace(self: Path, target: Path) -> Any:
            if target.suffix == ".parquet":
                calls.append(target)
                if len(calls) == number:
                    die()
            return real(self, target)

        Path.replace = replace  # type: ignore[method-assign]

    return arm


def at_second(kind: str) -> Callable[[], None]:
    seen: list[str] = []
    return lambda: around(
        status.Status,
        "_write",
        lambda _, said, *__: said == kind and (seen.append(said) or len(seen) > 3),
        after=True,
    )


def without_room() -> None:
    def full(*_: object) -> bool:
        reserve.use()
        return True

    around(status.Status, "_write", lambda _, said, *__: said == "epoch" and full(), after=False)


POINTS: dict[str, tuple[Callable[[], None], str]] = {
    "before its manifest": (lambda: around(manifest, "begin", lambda *_: True, after=False), "killed"),
    "before its first event": (at_event("run_started", after=False), "killed"),
    "before the asset": (at_event("asset_started", after=False), "killed"),
    "as the asset starts": (at_event("asset_started", after=True), "killed"),
    "as the payload starts": (at_event("epoch", after=False), "killed"),
    "without room for its end": (without_room, "full disk"),
    "in the middle of a row": (at_row(2), "killed"),
    "between two epochs": (at_second("epoch"), "killed"),
    "as the result is stored": (at_event("asset_finished", after=False), "killed"),
    "after the result is stored": (at_event("asset_finished", after=True), "killed"),
    "at its end": (lambda: around(manifest, "complete", lambda *_: True, after=False), "succeeded"),
    "after its end": (at_event("run_ended", after=False), "succeeded"),
}


def _train_and_die(arm: Callable[[], None]) -> None:
    arm()
    train()


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
def test_whoever_finds_a_run_dead_completes_its_manifest(home: Path, point: str) -> None:
    arm, outcome = POINTS[point]
    run = multiprocessing.get_context("fork").Process(target=_train_and_die, args=(arm,))
    run.start()
    run.join(120)
    assert run.exitcode == -signal.SIGKILL
    with open_instance() as instance:
        reap_dead_runs(instance)
        (record,) = instance.get_runs()
        assert record.is_finished
    left = Left(record.run_id, home)
    known = left.manifest
    assert (known["outcome"], known["completed_by"]) == (
        *(outcome,),
        "run" if point == "after its end" else "another process",
    )
    assert known["ended"] and known["intent"] and known["experiment"] and known["config"] is not None
    assert {event["kind"] for event in left.events} >= {"run_ended"} or point == "after its end"
    if "payload_started" in left.kinds():
        assert [name for name in WHOLE if known[name] is None] == []
        assert known["assets"][ASSET]["fingerprint"]
    if "asset_finished" in left.kinds():
        assert known["artifacts"][ASSET] and known["peak_memory_bytes"]
    epochs = [event["epoch"] for event in left.events if event["kind"] == "epoch"]
    table = next((home / "runs" / record.run_id).glob("metrics/*.parquet"), None)
    rows = [row["epoch"] for row in metrics.read(table)] if table else []
    assert rows in (epochs, epochs[:-1])


def test_a_running_manifest_can_be_read_and_says_how_far_it_is(home: Path) -> None:
    result = train()
    path = home / "runs" / result.run_id / "manifest.json"
    text = path.read_text().replace('"outcome": "succeeded"', '"outcome": null')
    path.write_text(text)
    known = manifest.read(path)
    assert known["outcome"] is None and known["assets"][ASSET]["epochs"] == 3


def test_a_full_disk_ends_no_run(home: Path) -> None:
    (home / "runs").write_text("in the way of every directory")
    assert train().success


@pytest.mark.parametrize("text", ["", "garbage", "[]", "[" * 50_000, '{"outcome"', "\x00" * 100])
def test_a_damaged_manifest_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(DocumentError, match=r"manifest.json: "):
        manifest.read(tmp_path / "manifest.json")

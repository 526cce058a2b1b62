"""The morning after: what one listing says of each training, compared with what is known of it."""

import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench.night.tracked import epochs_told
from bench.night.training import CODEC, TOY, Training
from bench.night.world import World, until
from blut_resources.runs import metrics
from blut_resources.runs.files import metrics_files

SLACK_S = 30.0
"""By which a run may be said to have taken longer than its process was seen to live."""
TORN = "is not used: state.safetensors is damaged"
PACE_S = 0.5
"""By which the time between two epochs may differ from what the payload has measured."""
ASSETS = {"toy": "night/night_model", "codec": "lamquant/joint_checkpoint"}


@dataclass(frozen=True)
class Cell:
    """One thing that the morning shows: what it is, and what is wrong with it, if anything."""

    what: str
    shown: str
    wrong: str = ""


def listed(world: World, home: str, **more: str) -> list[dict[str, Any]]:
    """The runs of a home, as `blut jobs` says them; the newest first."""
    status, out, err = world.blut(["jobs", "--json", "--limit", "100"], home, **more)
    if status:
        raise RuntimeError(f"blut jobs in {home}: status {status}\n{err[-2000:]}{out[-1000:]}")
    return json.loads(out)


def cells(training: Training, row: dict[str, Any], run: str) -> Iterator[Cell]:
    """What is said of the night's run of a training."""
    case = training.case
    if case.or_fails and row["state"] == "failure":
        case = replace(case, state="failure", why=case.or_fails, status=1)
    yield _equal("state", row["state"], case.state)
    said = row["progress"]
    yield Cell("why", said[:60], "" if re.search(case.why, said, re.IGNORECASE) else f"not /{case.why}/")
    yield _took(training, row["seconds"])
    yield _table(training, run)
    yield _equal("status", training.status, case.status)
    if case.kind == TOY:
        yield _equal("starts", len(training.starts()), case.starts)
        yield _pace(training, run)
    if case.how.get("logger") == "wandb":
        yield _tracked(training, run)


def _equal(what: str, found: Any, expected: Any) -> Cell:
    return Cell(what, str(found), "" if found == expected else f"not {expected}")


def _took(training: Training, seconds: float | None) -> Cell:
    if seconds is None:
        return Cell("took", "-", "a run that ended took some time")
    sane = 0 <= seconds <= training.wall_s + SLACK_S
    return Cell("took", f"{seconds:.1f} s", "" if sane else f"it was seen for {training.wall_s:.1f} s")


def _table(training: Training, run: str) -> Cell:
    """Every epoch that was reported is there once, and none that was not."""
    return compared(epochs_in(training, run), training.told(), training.begun_to_tell())


def _pace(training: Training, run: str) -> Cell:
    """Between two epochs lies the time that the payload took, whenever anybody read what it said."""
    told, times = training.moments(), {row["epoch"]: row["timestamp"] for row in _rows(training, run)}
    pairs = [(a, b) for a, b in pairwise(sorted(times)) if a in told and b in told]
    off = [abs((times[b] - times[a]) - (told[b] - told[a])) for a, b in pairs]
    if training.case.name.startswith("day-"):  # at one of them the clock was set
        off = sorted(off)[:-1]
    worst = max(off, default=0.0)
    return Cell("pace", f"{worst:.1f} s off", "" if worst < PACE_S else f"more than {PACE_S} s")


def _tracked(training: Training, run: str) -> Cell:
    """A tracker has every epoch, however the training or its server ended."""
    directory, told = training.world.home(training.case.home) / "runs" / run, training.told()
    until(lambda: set(epochs_told(directory)) >= told, 60)
    return replace(compared(epochs_told(directory), told, training.begun_to_tell()), what="wandb")


def compared(found: list[int], told: set[int], perhaps: set[int]) -> Cell:
    """Compare the epochs in a table with those reported for certain, and those that may have been."""
    twice = sorted({epoch for epoch in found if found.count(epoch) > 1})
    lost, made_up = sorted(told - set(found)), sorted(set(found) - perhaps - told)
    kinds = (("lost", lost), ("twice", twice), ("made up", made_up))
    wrong = [f"{what}: {_spans(epochs)}" for what, epochs in kinds if epochs]
    return Cell("epochs", f"{len(found)} of {len(told)}", ", ".join(wrong))


def _spans(numbers: list[int]) -> str:
    """Sorted numbers in short: ``1-3 7``."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][-1] + 1:
            spans[-1] = [spans[-1][0], number]
        else:
            spans.append([number])
    return " ".join("-".join(map(str, span)) for span in spans)


def epochs_in(training: Training, run: str) -> list[int]:
    """The column of the run's table."""
    return [row["epoch"] for row in _rows(training, run)]


def _rows(training: Training, run: str) -> list[dict[str, Any]]:
    files = metrics_files(training.world.home(training.case.home), run)
    path = files.get(ASSETS[training.case.kind])
    return metrics.read(path) if path else []


def again(training: Training, **more: str) -> Iterator[Cell]:
    """The same command once more: it ends well, and goes on where it stopped."""
    kept = training.tear() if training.case.torn else training.kept()
    starts, before = len(training.starts()), set(training.runs())
    status, out, err = training.world.blut(
        training.command(**training.case.later), training.case.home, **more
    )
    yield Cell("again", str(status), "" if status == 0 else (err or out)[-300:])
    if training.case.torn:
        said = TORN in out + err
        yield Cell(
            "torn", "named" if said else "-", "" if said else "no word of the state that is cut in half"
        )
    if len(kept) == training.epochs:
        return
    if training.case.kind == CODEC:
        yield _codec_went_on(training, kept, before)
    else:
        new, right = training.starts()[starts:], max(kept, default=0)
        yield Cell("went on", str(new), "" if new == [right] else f"not after {right}")
    newest = next(iter(run for run in training.runs() if run not in before), "")
    every = set(range(1, training.epochs + 1))
    yield replace(compared(epochs_in(training, newest), every, every), what="curve")


def _codec_went_on(training: Training, kept: set[int], before: set[str]) -> Cell:
    """The first epoch that its newest run reports is the one behind the newest state, or that once more."""
    home, first = training.world.home(training.case.home), 0
    for run in (run for run in training.runs() if run not in before):
        lines = (home / "runs" / run / "status.jsonl").read_text().splitlines()
        epochs = [event["epoch"] for event in map(json.loads, lines) if event["kind"] == "epoch"]
        first = epochs[0] if epochs else training.epochs + 1
    right = max(kept, default=0) + 1
    return Cell("went on", f"[{first - 1}]", "" if first == right else f"not after {right - 1}")


def aftermath(world: World, homes: dict[str, dict[str, str]]) -> Iterator[Cell]:
    """What is left of the night on the machine: sound databases and artifacts, and nothing besides."""
    yield from (_databases(world, home) for home in homes)
    for home, more in homes.items():
        status, out, err = world.blut(["cache", "verify"], home, **more)
        yield Cell(f"store of {home}", (out or err).strip()[-60:], "" if status == 0 else (out + err)[-500:])
    yield _nothing("processes", world.left())
    yield _nothing("cgroups", [group for group in sorted(world.groups) if Path(group).exists()])
    yield _nothing("leases", _names(world.leases, lambda p: p.name != ".lock"))
    # torch keeps a directory for each user, whoever starts it
    yield _nothing("temporary files", _names(world.temp, lambda p: not p.name.startswith("torchinductor_")))
    for place in world.full.values():
        yield _nothing(f"in {place.name}", _names(place, lambda p: p.name.startswith(("tmp", ".tmp"))))


def _databases(world: World, home: str) -> Cell:
    broken, paths = [], [*world.home(home).rglob("*.db")]
    for path in paths:
        with closing(sqlite3.connect(path)) as database:
            if (said := database.execute("PRAGMA integrity_check").fetchall()) != [("ok",)]:
                broken.append(f"{path}: {said}")
    return Cell(f"databases of {home}", str(len(paths)), "; ".join(broken))


def _nothing(what: str, found: list[Any]) -> Cell:
    return Cell(f"{what} left", str(len(found)), ", ".join(map(str, found))[:500])


def _names(directory: Path, which: Callable[[Path], bool] = lambda _: True) -> list[str]:
    return sorted(path.name for path in directory.iterdir() if which(path)) if directory.is_dir() else []

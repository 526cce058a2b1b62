"""The cockpit over an instance with real runs: it says what the commands say, and waits for nothing."""

import asyncio
import json
import os
import pty
import queue
import re
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
from typer.testing import CliRunner, Result

from blut_assets.cli import _words
from blut_assets.cli.app import app
from blut_assets.cli.cockpit import drawing, starting
from blut_assets.cli.cockpit.board import Cockpit
from blut_assets.cli.cockpit.check import _faults
from blut_assets.cli.cockpit.command import VIEWS
from blut_assets.cli.cockpit.pane import LookWanted
from blut_assets.cli.cockpit.panes import PANES, JobsView
from blut_assets.cli.cockpit.reader import CockpitLook, CockpitReader
from blut_assets.cli.shell.describe import describe
from blut_assets.discovery import Discovered
from blut_assets.recipes import Metric
from blut_resources.runs.status import Status
from tests.conftest import REPOSITORY
from tests.contained import cookbook, recipe, trained
from tests.e2e.box import BLUT
from tests.e2e.scene import Scene, until

DRAWN = """\
blut J jobs
  id       state       recipe               progress
> ID       started     contained            contained/trained epoch=1 loss=0.5
      epoch 1/6  for TIME  loss 0.5 ^_  ETA TIME  holds SIZE and 1 CPU
  ID       failure     contained
      contained/trained: tests.payloads.trains: exit status 3
"""
VARIES = (
    (r"\b[0-9a-f]{8}\b", "ID      "),
    (r"for [\d.:]+( s)?", "for TIME"),
    (r"ETA (passed|[\d.:]+( s)?)", "ETA TIME"),
    (r"  memory [\d.]+ \w+", ""),
    (r"[\d.]+ MiB", "SIZE"),
)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A run that failed, and one that waits behind its second epoch."""
    scene = Scene(tmp_path_factory.mktemp("cockpit") / "scene")
    scene.behave(exit=3)
    assert scene.blut("recipe", "run", "contained", "--set", "epochs=3").returncode == 1
    at_work(scene, 6)
    yield scene
    scene.close()


def at_work(scene: Scene, epochs: int) -> Any:
    """Start a training that waits behind its second epoch; returns its process."""
    scene.behave(gate=str(scene.root / "gate"), gate_at=1)
    process = scene.start(scene.recipe(epochs=epochs))
    planned, reached = f'"epochs":{epochs},', '"kind":"epoch","asset":"contained/trained","epoch":1'
    until(lambda: any(planned in (t := path.read_text()) and reached in t for path in streams_of(scene)))
    return process


def streams_of(scene: Scene) -> list[Path]:
    return [*(scene.home / "runs").glob("*/status.jsonl")]


@pytest.fixture
def own_scene(tmp_path: Path) -> Iterator[Scene]:
    """A place for runs that a test ends: the others look at the scene that stays as it is."""
    scene = Scene(tmp_path / "scene")
    yield scene
    scene.close()


@pytest.fixture
def blut(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Give a command in this process, in the environment of the scene."""
    return commands(scene, monkeypatch)


def commands(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    for name, value in scene.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LC_ALL", "C")
    alone = Discovered(cookbooks=[cookbook()], left_out={})
    monkeypatch.setattr("blut_assets.definitions.discovered", alone)
    monkeypatch.setattr("blut_assets.cli.shell.catalogue.catalogue", lambda: describe(alone))
    return lambda *words: CliRunner().invoke(app, list(words), prog_name="blut")


def same(drawn: list[str]) -> str:
    text = "\n".join(line.rstrip() for line in drawn)
    for pattern, name in VARIES:
        text = re.sub(pattern, name, text)
    # what is told of the memory, once that was measured, leaves no room for the end of its line
    text = re.sub(r"\n {6}(?=holds|SIZE|and 1 CPU|1 CPU|CPU)|(?<=TIME)\n {6}(?=holds)", " ", text)
    return text


def test_each_view_is_what_its_command_prints(scene: Scene, blut: Callable[..., Result]) -> None:
    def printed(*words: str) -> list[dict[str, Any]]:
        return json.loads(blut(*words, "--json").stdout)

    def read(pane: str, run: str = "", events: bool = False) -> list[dict[str, Any]]:
        rows = CockpitReader(print).look(LookWanted(pane, run, events)).rows
        assert rows
        return rows

    reader, jobs = CockpitReader(print), read("J")
    assert [{k: v for k, v in row.items() if k != "live"} for row in jobs] == printed("jobs")
    assert [row["state"] for row in jobs] == ["started", "failure"]
    for options, events in (((), False), (("--events",), True)):
        lines = blut("log", jobs[1]["id"], "--json", *options).stdout.splitlines()
        assert [{k: v for k, v in row.items() if k != "run"} for row in read("L", jobs[1]["id"], events)] == [
            json.loads(line) for line in lines
        ]
    assert read("V") == printed("results")
    assert read("R") == printed("recipe", "list")
    failed = jobs[1]["id"]
    *totals, free = read("A")
    held = json.loads(blut("cache", "show", "--json").stdout)
    assert totals == held["totals"] and free["store"] == held["store"]
    past = [{k: v for k, v in row.items() if k != "live"} for row in read("H", failed)]
    assert past == printed("jobs", "--recipe", "contained")
    again = [{k: v for k, v in row.items() if k != "group"} for row in read("G", failed)]
    assert again == printed("plan", "contained", "--set", "epochs=3")
    (lineage,) = read("I", failed)
    assert [lineage] == printed("lineage", lineage["digest"], "--down")
    found = reader.look(LookWanted("C", asked=f"{failed} {jobs[0]['id']}")).rows or []
    differ = [{k: v for k, v in row.items() if k != "runs"} for row in found]
    assert differ == printed("runs", "diff", failed, jobs[0]["id"])
    assert {"about": "args", "what": "epochs", "a": 3, "b": 6} in differ and read("C") == found
    system = read("Y")
    held = [row for row in system if "about" not in row]
    assert [(row["state"], row["asset"], row["run"]) for row in held] == [
        ("holds", "contained/trained", jobs[0]["id"])
    ]
    findings = [(row["about"], row["state"]) for row in system if "about" in row]
    assert findings == [(row["about"], row["state"]) for row in printed("doctor")]


def test_check_draws_each_view_and_says_what_is_wrong(blut: Callable[..., Result], tmp_path: Path) -> None:
    done = blut("tui", "--check", "--view", "J")
    assert done.exit_code == 0, done.stderr
    *drawn, ruler = done.stdout.splitlines()
    assert same(drawn).startswith(DRAWN) and ruler == "-" * 80
    assert len(drawn) == 24 and max(map(len, drawn)) <= 80
    every = blut("tui", "--check", "--size", "40x10")
    assert every.exit_code == 0, every.stderr
    assert (
        len(every.stdout.splitlines()) == (len(VIEWS) + 1) * 11
        and max(map(len, every.stdout.splitlines())) == 40
    )
    assert blut("tui", "--check", "--size", "wide").exit_code == 2
    assert blut("tui", "--view", "Q").exit_code == 2 and tuple(PANES)[: len(VIEWS)] == VIEWS


def test_a_policy_is_off_waits_or_retrains_as_its_check_says(
    blut: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BLUT_TRAIN_POLICY", str(file := tmp_path / "policy.toml"))
    reader = CockpitReader(print)

    def drawn() -> str:
        found = reader.look(LookWanted("S"))
        assert found.rows == json.loads(blut("policy", "check", "--json").stdout)
        return " ".join(
            " ".join(line for one in PANES["S"].draw(found.rows, 76, False) for line in one.lines).split()
        )

    assert drawn() == ""
    assert "nothing retrains by itself" in blut("tui", "--check", "--view", "S").stdout
    file.write_text('recipe = "contained"\nschedule = "0 3 29 2 *"\nstart_hours = []\nenabled = false\n')
    assert drawn() == "default: off why: off: `blut policy enable` turns it on"
    file.write_text(
        f"instance = {json.dumps(os.environ['DAGSTER_HOME'])}\n" + file.read_text().replace("false", "true")
    )
    waits = drawn()
    assert (
        waits.startswith("default: waits why: a person goes first") and "-02-29 03:00:00, scheduled" in waits
    )
    (row,) = reader.look(LookWanted("S", anew=True)).rows or []
    lines = PANES["S"].draw([{**row, "run": True, "recipe": "contained"}], 76, False)[0].lines
    assert lines[0] == "default: retrains (contained)" and "    next start: now" in lines
    file.write_text("enabled = maybe")
    assert str(file) in reader.look(LookWanted("S")).said


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("", "it is blank"),
        ("x" * 81, "wider than 80 columns"),
        ("epoch None of 3", "says None"),
        ("fine", ""),
    ],
)
def test_check_finds_the_faults_of_a_view(body: str, fault: str) -> None:
    found = _faults(["blut J jobs", "", body, "1 row", "keys"], 80)
    assert len(found) == bool(fault) and fault in "".join(found)


def test_check_is_status_1_where_a_view_cannot_be_read(
    blut: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: object) -> None:
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(JobsView, "read", locked)
    done = blut("tui", "--check", "--view", "J")
    assert done.exit_code == 1 and "database is locked; end the process that does" in done.stderr


def test_what_has_not_changed_is_not_read_again(blut: Callable[..., Result]) -> None:
    run = json.loads(blut("jobs", "--json").stdout)[-1]["id"]
    reader = CockpitReader(print)
    assert reader.look(LookWanted("L", run)).rows
    until(lambda: reader.look(LookWanted("L", run)).rows is None, 30)  # once the run at work has settled
    assert reader.look(LookWanted("L", run, anew=True)).rows


def test_what_is_not_there_is_told(
    blut: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    del blut
    gone = CockpitReader(print).look(LookWanted("L", "0" * 32))
    assert gone.rows is None and gone.said == "run 00000000 is not there any more: it was deleted"
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "nowhere"))
    nobody = CockpitReader(print)
    found = nobody.look(LookWanted("J"))
    assert found.rows == [] and str(tmp_path / "nowhere") in found.said
    assert "no run yet" in nobody.look(LookWanted("L")).said
    assert not (tmp_path / "nowhere").exists()


class Keyed:
    """A cockpit whose looks are given by the test, under keys."""

    def __init__(self, found: dict[str, CockpitLook]) -> None:
        self.now, self.found, self.asked = 100.0, found, list[LookWanted]()
        self.app = Cockpit(clock=lambda: self.now)
        self.app.reader.start = lambda: None  # type: ignore[method-assign]
        self.app.reader.ask = self._ask  # type: ignore[method-assign]

    def _ask(self, wanted: LookWanted) -> bool:
        self.asked.append(wanted)
        return True

    async def press(self, pilot: Any, *keys: str) -> list[str]:
        await pilot.press(*keys)
        self.app.take(self.found[self.app.pane])
        await pilot.pause()
        return self.app.board.text()


def test_keys_open_filter_go_back_and_resize(blut: Callable[..., Result]) -> None:
    del blut
    reader = CockpitReader(print)
    found = {"J": reader.look(LookWanted("J"))}
    run = found["J"].rows[1]["id"]  # type: ignore[index]
    found["L"] = reader.look(LookWanted("L", run))

    async def use() -> None:
        keyed = Keyed(found)
        async with keyed.app.run_test(size=(80, 24)) as pilot:
            assert "reading ..." in "\n".join(keyed.app.board.text())
            lines = await keyed.press(pilot, "down")
            assert lines[2].startswith("> ")
            lines = await keyed.press(pilot, "down", "enter")
            assert lines[0] == f"blut L log  run {run[:8]}" and "exit status 3" in "\n".join(lines)
            lines = await keyed.press(pilot, "slash", "B", "e", "g", "enter")
            assert lines[0].endswith("filter: Beg") and all(
                "begins" in line for line in lines[2:-3] if line.strip()
            )
            lines = await keyed.press(pilot, "escape")
            assert "filter" not in lines[0] and "exit status 3" in "\n".join(lines)
            lines = await keyed.press(pilot, "escape")
            assert lines[0] == "blut J jobs"
            await pilot.resize_terminal(40, 10)
            lines = await keyed.press(pilot, "up")
            assert len(lines) == 10 and max(map(len, lines)) <= 40
            lines = await keyed.press(pilot, "question_mark")
            assert lines[0] == "blut ? keys"
            keyed.found["M"] = CockpitLook(LookWanted("M", run), [])
            await keyed.press(pilot, "J", "space")
            assert keyed.app.board.text()[2].startswith(">*") and "1 run marked" in keyed.app.board.text()[0]
            await keyed.press(pilot, "M", "l")
            assert keyed.asked[-1] == LookWanted("M", keyed.app.run_id, True, keyed.app.run_id)
            sweep = {**found["J"].rows[0], "id": "5" * 32, "recipe": "sweep", "live": None, "trials": {}}
            keyed.found["J"] = CockpitLook(LookWanted("J"), [sweep])
            keyed.found["trials"] = CockpitLook(LookWanted("trials", asked="5" * 32), found["J"].rows)
            await keyed.press(pilot, "J")
            lines = await keyed.press(pilot, "enter")
            assert lines[0].startswith("blut trials of sweep 55555555")
            assert keyed.asked[-1].asked == "5" * 32
            suspended = []
            keyed.app.action_suspend_process = lambda: suspended.append(1)  # type: ignore[method-assign]
            await keyed.press(pilot, "ctrl+z")
            assert suspended

    found["?"] = reader.look(LookWanted("?"))
    asyncio.run(use())


def test_a_run_is_cancelled_by_two_keys_within_the_time_and_not_otherwise(
    own_scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands(scene := own_scene, monkeypatch)
    at_work(scene, 6)
    found = {"J": CockpitReader(print).look(LookWanted("J"))}
    run = found["J"].rows[0]["id"]  # type: ignore[index]

    def state() -> str:
        with scene.instance() as instance:
            return instance.get_run_by_id(run).status.value  # type: ignore[union-attr]

    async def use() -> None:
        keyed = Keyed(found)
        async with keyed.app.run_test(size=(100, 24)) as pilot:
            keyed.app.take(found["J"])
            text = "\n".join(await keyed.press(pilot, "c"))
            lost = rf"cancel {run[:8]} contained: contained/trained, epoch 1/6: [\d.:]+( s)? since its last\s"
            assert re.search(lost, text), text
            keyed.now += 3.1
            assert "not cancelled" in "\n".join(await keyed.press(pilot, "enter"))
            assert "not cancelled" in "\n".join(await keyed.press(pilot, "c", "down"))
            assert state() == "STARTED"
            keyed.now += 20
            await keyed.press(pilot, "c")
            assert "is ending" in "\n".join(await keyed.press(pilot, "enter"))
            ended = f"run {run[:8]} is cancelled"
            while ended not in "\n".join(keyed.app.board.text()):
                await asyncio.sleep(0.05)
            assert state() == "CANCELED"
            keyed.found = {"J": CockpitReader(print).look(LookWanted("J"))}
            keyed.now += 20
            await keyed.press(pilot, "home")
            assert "nothing to cancel" in "\n".join(await keyed.press(pilot, "c"))

    asyncio.run(asyncio.wait_for(use(), 180))


def test_a_run_is_started_by_keys_and_goes_on_without_the_cockpit(
    own_scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, blut = own_scene, commands(own_scene, monkeypatch)
    scene.behave(gate=str(scene.root / "gate"), gate_at=1)

    async def use() -> None:
        app = Cockpit()
        async with app.run_test(size=(80, 24)) as pilot:

            async def shown(*words: str) -> list[str]:
                while not all(word in "\n".join(app.board.text()) for word in words):
                    await asyncio.sleep(0.05)
                return app.board.text()

            await pilot.press("R")
            await shown("> contained")
            await pilot.press("n", "t", "d", "x")
            await shown("nothing contains 'ntdx'")
            await pilot.press("backspace", "enter")
            lines = await shown("[ plan ]  Enter shows the plan")
            assert lines[0] == "blut R run contained" and lines[2].split() == [
                ">",
                "epochs",
                "3",
                "default",
                "int",
            ]
            await pilot.press("enter", "ctrl+u", "q")
            await shown("> epochs                 q_", "! contained: argument 'epochs' = 'q'")
            await pilot.press("enter", "p")
            await shown("first mend this: contained: argument 'epochs' = 'q'")
            await pilot.press("enter", "backspace", "5", "enter", "down", "down", "left")
            lines = await shown("[ plan ]  Enter shows the plan", "typed", "> reuse                  require")
            await pilot.press("d")
            await shown("> reuse                  auto", "default")
            await pilot.press("end", "enter")
            lines = await shown("contained/trained", "stale", "Enter runs it")
            assert lines[0] == "blut R plan of contained" and "never materialized" in "\n".join(lines)
            plan = app._rows["plan"]
            assert plan == json.loads(blut("plan", "contained", "--set", "epochs=5", "--json").stdout)
            await pilot.press("enter")
            await shown("blut J jobs", "goes on in the background", "epoch 1/5")
            await pilot.press("R", "enter")
            await shown("epochs                 5", "run ")

    asyncio.run(asyncio.wait_for(use(), 180))
    with scene.instance() as instance:
        (run,) = instance.get_runs()
    assert run.status is dg.DagsterRunStatus.STARTED and run.run_config["epochs"] == 5
    (scene.root / "gate").touch()
    until(lambda: scene.status() == "SUCCESS")
    scene.behave()
    assert scene.run(scene.recipe(epochs=2)) == 0
    show_results(run.run_id, scene.root / "report.html", monkeypatch)


def show_results(longer: str, report: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs that ended, of 5 and of 2 epochs, by the epochs that they trained, and their curves."""
    ranked = replace(recipe, metric=Metric(trained, "epochs", "highest"))
    book = replace(cookbook(), recipes=[ranked])
    monkeypatch.setattr("blut_assets.definitions.discovered", Discovered(cookbooks=[book]))
    reader = CockpitReader(print)
    best = reader.look(LookWanted("B")).rows or []
    told = [(one["place"], one["value"], one["args"], one["recipe"]) for one in best]
    assert told == [(1, 5, {"epochs": 5}, "contained"), (2, 2, {"epochs": 2}, "contained")]
    assert best[0]["run"] == longer
    for _ in range(2):  # the second time nothing is at work, and no run has begun or ended
        assert len(reader.look(LookWanted("J")).rows or []) == len(best)
        assert reader.look(LookWanted("?")).rows
    both = " ".join(one["run"] for one in best)
    (row,) = reader.look(LookWanted("M", other=True, asked=both)).rows or []
    assert (row["metric"], row["logarithmic"]) == ("loss", True)
    assert [len(one["points"]) for one in row["curves"]] == [5, 2]
    (row,) = reader.look(LookWanted("M", longer)).rows or []
    assert [one["run"] for one in row["curves"]] == [longer] and not row["logarithmic"]
    assert "was deleted" in reader.look(LookWanted("M", "0" * 32)).said
    asyncio.run(asyncio.wait_for(use_results(longer, report), 180))
    assert longer[:8] in report.read_text()


async def use_results(longer: str, report: Path) -> None:
    """From the best result to its plan, a report of it, what it was made of, and whether that is intact."""
    app = Cockpit("B")
    async with app.run_test(size=(80, 24)) as pilot:

        async def shown(*words: str) -> str:
            while not all(word in (text := " ".join(" ".join(app.board.text()).split())) for word in words):
                await asyncio.sleep(0.05)
            return text

        await shown("contained: epochs, highest first", "epochs=5")
        await pilot.press("p")
        await shown("plan of contained", "contained/trained reusable", "Enter runs it")
        assert json.loads(app.flow.draft.chosen)[:2] == ["contained", app._rows["B"][0]["all_args"]]
        await pilot.press("escape", "x")
        await shown("export 1 run: type FILE.html")
        await pilot.press("escape")
        await shown("not exported")
        await pilot.press("x", *str(report), "enter")
        await shown(" kB")  # its size
        await pilot.press("I")
        text = await shown("blut I lineage", "contained/judged")
        assert [text.index(f"contained/{name}") for name in ("judged", "trained", "raw")] == sorted(
            text.index(f"contained/{name}") for name in ("judged", "trained", "raw")
        )
        assert f"run {longer[:8]} of contained" in text and "made of it" not in text
        await pilot.press("down", "I")
        assert (await shown("made of it:", "as trained: contained/judged")).count("contained/trained") == 1
        await pilot.press("v")
        await shown("1 artifacts looked at, 0 damaged")
        await pilot.press("escape")
        assert "made of it" not in await shown("contained/judged", "contained/raw")
        await pilot.press("P")
        await shown("blut R run a recipe", "contained")
        await pilot.press("J")
        await shown("blut J jobs")


def test_what_a_run_was_refused_for_is_told(own_scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    commands(own_scene, monkeypatch)
    told = queue.SimpleQueue[tuple[str, str]]()
    starting.start("contained", {"epochs": "x"}, None, lambda run, said: told.put((run, said)))
    run, said = told.get(timeout=180)
    assert run == "" and said.startswith("not started: contained: argument 'epochs' = 'x'")


def test_a_run_whose_process_is_gone_is_told_of_and_left_as_it_is(
    own_scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, blut = own_scene, commands(own_scene, monkeypatch)
    process = at_work(scene, 7)
    reader = CockpitReader(print)
    assert reader.look(LookWanted("J")).rows
    (stream,), listed = streams_of(scene), reader._seen.listed_of
    Status(stream).write("epoch", "contained/trained", epoch=2, metrics={"loss": 0.25})
    (row,) = reader.look(LookWanted("J")).rows or []
    assert row["live"]["at"] == "epoch 2/7" and reader._seen.listed_of == listed != ()
    (pid, *_) = scene.tree()
    os.kill(scene.owner(pid), signal.SIGKILL)
    process.wait()
    found = CockpitReader(print).look(LookWanted("J"))
    assert found.rows and found.rows[0]["live"]["gone"]
    with scene.instance() as instance:
        assert instance.get_runs(limit=1)[0].status is dg.DagsterRunStatus.STARTED
    assert "its process is gone" in blut("tui", "--check", "--view", "J").stdout


def on_terminal(
    environment: dict[str, str], end: Callable[[int, subprocess.Popen[bytes]], object]
) -> tuple[int, bytes]:
    """Give `blut` alone on a terminal, and end it once it shows its keys; its status and what it wrote."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        BLUT,
        cwd=REPOSITORY,
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    written, ended = b"", False
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the terminal's other side is closed
            break
        written += piece
        if b"q quit" in written and not ended:
            ended = True
            end(ours, process)
    os.close(ours)
    return process.wait(), written


def terminal(**extra: str) -> dict[str, str]:
    words = {name: value for name, value in os.environ.items() if name != "CI"}
    return {**words, "COLUMNS": "80", "LINES": "24", **extra}


def test_blut_alone_is_its_help_where_nobody_sits_at_a_terminal(home: Path) -> None:
    piped = subprocess.run(
        BLUT, cwd=REPOSITORY, env=terminal(TERM="xterm"), stdin=subprocess.DEVNULL, capture_output=True
    )
    assert b"Usage: blut" in piped.stdout + piped.stderr and piped.returncode == 2
    status, written = on_terminal(terminal(TERM="dumb"), lambda *_: None)
    assert (status, written.replace(b"\r\n", b"\n")) == (piped.returncode, piped.stdout + piped.stderr)
    assert b"\x1b" not in written
    refused = CliRunner().invoke(app, ["tui"], prog_name="blut")
    said = "blut tui needs a terminal; `blut tui --check` prints its views\n"
    assert (refused.exit_code, refused.stderr) == (1, said)


@pytest.mark.parametrize(
    ("variables", "words", "piped"),
    [
        ({"TERM": "xterm"}, ["tui"], ""),
        ({"TERM": "xterm", "CI": "1"}, None, ""),
        ({"TERM": "dumb"}, None, ""),
        ({"TERM": ""}, None, ""),
        *(({"TERM": "xterm"}, None, name) for name in ("stdin", "stdout", "stderr")),
    ],
)
def test_the_cockpit_is_for_terminals(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], words: list[str] | None, piped: str
) -> None:
    monkeypatch.delenv("CI", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(f"sys.{name}", SimpleNamespace(isatty=lambda name=name: name != piped))
    monkeypatch.setattr("sys.argv", ["blut"])
    assert _words() == words
    monkeypatch.setattr("sys.argv", ["blut", "jobs"])
    assert _words() is None


@pytest.mark.parametrize(
    "end",
    [lambda ours, _: os.write(ours, b"q"), lambda _, process: process.send_signal(signal.SIGHUP)],
    ids=["q", "hung up"],
)
def test_blut_alone_is_the_cockpit_on_a_terminal_and_leaves_it_as_it_was(home: Path, end: Any) -> None:
    status, written = on_terminal(terminal(TERM="xterm"), end)
    assert status == 0 and b"blut J jobs" in written
    assert written.rindex(b"\x1b[?1049l") > written.index(b"\x1b[?1049h")
    assert b"Traceback" not in written


def test_a_curve_and_a_bar_are_text() -> None:
    assert drawing.sparkline([3, 2, 1, 0], 10, braille=False) == "^-._"
    assert drawing.sparkline([0, 3], 10, braille=True) == chr(0x2800 + 0x40 + 0x08)
    assert drawing.sparkline([1.0] * 50, 5, braille=False) == "_" * 5
    assert (
        drawing.bar(3, 4, 8) == "[######--]" and drawing.bar(9, 4, 4) == "[####]" and drawing.bar(1, 0) == ""
    )
    assert drawing.cut("\x1b[31mred", 20) == "\\x1b[31mred" and drawing.cut("abcdef", 4) == "abc~"
    assert drawing.speaks_braille({"LANG": "en_GB.UTF-8", "TERM": "xterm"})
    assert not drawing.speaks_braille({"LANG": "en_GB.UTF-8", "LC_ALL": "C", "TERM": "xterm"})
    assert not drawing.speaks_braille({"LANG": "C.UTF-8", "TERM": "linux"})

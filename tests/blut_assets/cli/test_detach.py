"""Runs that need no terminal: begun with all refusals said, followed from elsewhere, ended on request."""

import json
import os
import pty
import select
import shlex
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from blut_assets.cli.run import detach
from blut_assets.terminal.output import LineTimes, ago
from tests.e2e.box import BLUT
from tests.e2e.scene import Scene, until

TYPED = "{blut} recipe run contained --set epochs=8 --detach --json 7>{pipe} >{said}; touch {done}; sleep 99"


@pytest.fixture(scope="module")
def away(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    scene = Scene(tmp_path_factory.mktemp("away") / "scene")
    yield scene
    scene.close()


def states(scene: Scene) -> list[str]:
    """Those of all runs, the newest first."""
    return [row["state"] for row in json.loads(scene.blut("jobs", "--json").stdout)]


def test_a_detached_run_outlives_its_terminal_and_is_followed_from_another(away: Scene) -> None:
    gate = away.root / "gate"
    away.behave(gate=str(gate))
    said, done, place = away.root / "told.json", away.root / "done", away.root / "place"
    place.mkdir()
    reader, writer = os.pipe()
    shell, terminal = pty.fork()
    if shell == 0:
        os.set_inheritable(writer, True)
        os.chdir(place)
        typed = TYPED.format(blut=shlex.join(BLUT), said=said, done=done, pipe=f"&{writer}")
        os.execvpe("bash", ["bash", "-c", typed], away.environment())
    os.close(writer)
    until(done.exists)
    os.kill(shell, signal.SIGKILL)
    os.close(terminal)
    os.waitpid(shell, 0)
    place.rmdir()
    assert select.select([reader], [], [], 60)[0], "what the shell had open is not held any more"
    os.close(reader)
    told = json.loads(said.read_text())
    assert os.getsid(told["pid"]) == told["pid"] and states(away) == ["started"]
    gate.touch()
    followed = away.blut("log", "-f", told["run_id"][:8])
    assert followed.returncode == 0 and "epoch 7" in followed.stdout, followed.stdout + followed.stderr
    assert states(away) == ["success"]
    until(lambda: "contained succeeded: 2 computed" in Path(told["log"]).read_text())
    assert "epoch 7" in Path(told["log"]).read_text()


def test_what_is_refused_is_said_before_a_run_detaches(away: Scene) -> None:
    before = states(away)
    for words, status, reason in (
        (["recipe", "run", "contained", "--set", "epochs=x"], 2, "epochs"),
        (["recipe", "run", "containe"], 2, "no recipe is called"),
        (["stage", "run", "contained/trained", "--output", "-"], 2, "a run that is detached has no standard"),
        (["auto"], 0, ""),
    ):
        done = away.blut(*words, "--detach")
        assert (done.returncode, "goes on" in done.stdout) == (status, False), done
        assert reason in done.stderr
    away.env["TRAINS_FOOTPRINT"] = "900T"
    never = away.blut("recipe", "run", "contained", "--set", "epochs=9", "--detach")
    away.env["TRAINS_FOOTPRINT"] = "64M"
    assert never.returncode == 1 and "contained/trained: needs 900 TiB" in never.stderr, never
    assert away.blut("recipe", "run", "contained", "--json").returncode == 2
    assert states(away) == before


def test_a_detached_run_is_cancelled_and_resumed_and_a_killed_one_is_not_followed_for_ever(
    away: Scene,
) -> None:
    away.behave(gate=str(away.root / "never"))
    first = json.loads(
        away.blut("recipe", "run", "contained", "--set", "epochs=30", "--detach", "--json").stdout
    )
    assert away.blut("cancel", first["run_id"][:8]).returncode == 0
    assert away.blut("log", "-f", first["run_id"]).returncode == 130
    again = away.blut("plan", "resume", first["run_id"], "--detach")
    assert again.returncode == 0 and "blut log -f " in again.stdout, again
    pid, run_id = int(again.stdout.split()[9]), again.stdout.split()[1]
    os.kill(pid, signal.SIGKILL)
    followed = away.blut("log", "-f", run_id)
    assert followed.returncode == 1 and "died" in followed.stdout, followed
    away.behave(gate=str(away.root / "never"))
    third = json.loads(away.blut("plan", "resume", run_id, "--detach", "--json").stdout)
    os.kill(third["pid"], signal.SIGTERM)
    assert away.blut("log", "-f", third["run_id"]).returncode == 130
    manifest = json.loads((away.home / "runs" / third["run_id"] / "manifest.json").read_text())
    assert (
        states(away)[:3]
        == [manifest["outcome"], "failure", "cancelled"]
        == ["cancelled", "failure", "cancelled"]
    )
    assert json.loads(away.blut("results", third["run_id"], "--json").stdout)["state"] == "cancelled"


def test_lines_of_another_day_are_below_its_date_and_what_is_ahead_of_the_clock_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1_800_000_000.0
    monkeypatch.setattr("time.time", lambda: now)
    noon = now - now % 86400 + 43200
    clock = LineTimes(noon)
    lines = [clock.line(t, "x") for t in (noon, noon + 60, noon + 86400, noon - 86400, 1e300)]
    assert [line.count("\n") for line in lines] == [0, 0, 1, 1, 0] and lines[4] == "--:--:-- x"
    assert (ago(now - 120), ago(now + 30), ago(now + 7200)) == ("2 min ago", "0 s ago", "in the future")


@pytest.mark.parametrize(
    ("cgroup", "said", "ends"),
    [
        ("0::/user.slice/user-1000.slice/session-3.scope", "b true", True),
        ("0::/user.slice/user-1000.slice/session-c3.scope/blut", "b true", True),
        ("0::/user.slice/user-1000.slice/session-3.scope", "b false", False),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-3.scope", "b true", False),
    ],
)
def test_whom_systemd_ends_with_the_login_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], cgroup: str, said: str, ends: bool
) -> None:
    monkeypatch.setattr(detach, "read", lambda _: cgroup)
    monkeypatch.setattr(detach, "LOGIND", ("echo", said))
    monkeypatch.setattr(detach, "keep_on", lambda _: None)
    detach._say({"run_id": "1234567890", "log": "/x", "pid": 7}, as_json=True)
    shown = capsys.readouterr()
    assert json.loads(shown.out) == {"run_id": "1234567890", "log": "/x", "pid": 7}
    assert ("or it ends when you log out" in shown.err) is ends


def test_a_terminal_that_waits_is_told_for_what(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(detach, "SILENT_S", 0.5)
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # this process keeps what it heeds
    for seconds, as_json, told in (("2", False, True), ("2", True, False), ("0", False, False)):
        reader, writer = os.pipe()
        os.set_inheritable(writer, True)
        child = os.posix_spawn(
            "/bin/sleep", ["sleep", seconds], os.environ
        )  # holds the pipe as long as it is
        os.close(writer)
        assert detach._see_off(child, reader, as_json) == 0
        assert capfd.readouterr().err.startswith("starting") == told, (seconds, as_json)

"""Alerts at the end of a command, without a daemon: each once, in seconds, and of what began."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from sensors.alerts.scope import AlertScope
from sensors.alerts.sensor import alerts_sensor
from tests import watched
from tests.conftest import REPOSITORY
from tests.databases import shipped
from tests.e2e.box import BLUT
from tests.e2e.scene import until
from tests.forked import RUN, Forked, server
from tests.sensors.kept import tick

BLUT_ITSELF = str(Path(sys.executable).with_name("blut"))


class Desk:
    """A home, an order for the recipe, and a file in which alerts arrive."""

    def __init__(self, root: Path) -> None:
        self.root, self.home, self.told_file = root, root / "home", root / "told here #1.jsonl"
        self.order, self.policy = root / "order", root / "policy.toml"
        self.home.mkdir()
        (self.home / "dagster.yaml").write_text(shipped())
        self.hooks(f'[[hook]]\nname = "desk"\nfile = "{self.told_file}"\n')
        self.env = {
            **os.environ,
            "DAGSTER_HOME": str(self.home),
            "BLUT_ALERTS": str(root / "alerts.toml"),
            "BLUT_TRAIN_POLICY": str(self.policy),
            "PYTHONPATH": os.pathsep.join([watched.install(root / "site"), str(REPOSITORY)]),
            "BLUT_COOKBOOKS": "watched",
        }

    def hooks(self, text: str) -> None:
        (self.root / "alerts.toml").write_text(text)

    def start(self, *words: str) -> Forked:
        return server(*RUN).start([*BLUT[1:], *words], self.env, REPOSITORY, self.root / "said")

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return server(*RUN).run([*BLUT[1:], *words], self.env, REPOSITORY)

    def recipe(self, order: str, name: str = "watched") -> "subprocess.CompletedProcess[str]":
        self.order.write_text(order)
        return self.run("recipe", "run", name, "--set", f"path={self.order}")

    def told(self) -> list[dict[str, Any]]:
        lines = self.told_file.read_text().splitlines() if self.told_file.exists() else []
        return [json.loads(line) for line in lines]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_failure_is_told_once_whoever_is_there_and_with_who_started_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert desk.recipe("well").returncode == 0 and desk.told() == []
    desk.order.write_text("fail 1")
    typed = [sys.executable, BLUT_ITSELF, "recipe", "run", "watched", "--set", f"path={desk.order}"]
    assert subprocess.run(typed, env=desk.env, capture_output=True, check=False).returncode == 1
    (failed,) = desk.told()
    assert failed["event"] == "run-failed" and "no such electrode: fail 1" in failed["message"]
    assert failed["by"].endswith(f"@{socket.gethostname()}: blut recipe run watched")
    assert desk.recipe("refuse 1").returncode == 1
    refused = desk.told()[1:]
    assert [(one["event"], one["message"]) for one in refused] == [("check-failed", "floor of 0.9 missed")]
    assert (desk.home / "alerts" / "state.json").stat().st_mode & 0o077 == 0

    monkeypatch.setenv("BLUT_ALERTS", desk.env["BLUT_ALERTS"])
    with dg.DagsterInstance.from_config(str(desk.home)) as instance:
        tick(instance, alerts_sensor(AlertScope.of([watched.fit], ["watched"], [])), "blut", time.time())
    assert len(desk.told()) == 2, "the daemon tells nobody again"
    assert desk.recipe("well").returncode == 0 and len(desk.told()) == 2


@pytest.mark.heavy
def test_a_run_of_dagsters_own_command_is_told_of_by_its_process(desk: Desk) -> None:
    desk.order.write_text("fail 2")
    (desk.root / "config.yaml").write_text(f"path: {desk.order}\n")
    where = ["-m", "blut_assets.definitions", "-j", "watched", "-c", str(desk.root / "config.yaml")]
    dagster = str(Path(BLUT_ITSELF).with_name("dagster"))
    subprocess.run([sys.executable, dagster, "job", "execute", *where], env=desk.env, capture_output=True)
    (told,) = desk.told()
    assert told["by"].endswith(": dagster job execute") and "fail 2" in told["message"]


def test_who_mistyped_or_stopped_it_alerts_nobody_and_what_was_killed_is_told_by_who_finds_it(
    desk: Desk,
) -> None:
    assert desk.run("recipe", "run", "watched", "--set", "path=/nowhere").returncode == 1
    assert desk.run("recipe", "run", "watched", "--set", "pth=/nowhere").returncode == 2
    desk.order.write_text("wait")
    stopped = desk.start("recipe", "run", "watched", "--set", f"path={desk.order}")
    until(lambda: list(desk.home.glob("runs/*/status.jsonl")) and _works(desk), 60, stopped)
    stopped.send_signal(signal.SIGINT)
    assert stopped.wait(60) == 130 and desk.told() == []
    assert desk.recipe("die").returncode == -signal.SIGKILL and desk.told() == []
    assert desk.run("jobs").returncode == 0
    assert [one["message"].split(".")[0] for one in desk.told()] == ["The process of this run died"]


def _works(desk: Desk) -> bool:
    listed = json.loads(desk.run("jobs", "--running", "--json").stdout)
    return bool(listed) and listed[0]["state"] == "started"


def test_a_dead_server_costs_seconds_and_a_line_and_the_next_command_tells_it(desk: Desk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        desk.env["TOKEN"] = "secret"
        url = f"http://127.0.0.1:{port}/hook?token=hidden"
        desk.hooks(f'[[hook]]\nname = "team"\nwebhook = "{url}"\nsecret_env = "TOKEN"\n')
        started = time.monotonic()
        failed = desk.recipe("fail")
        assert failed.returncode == 1 and time.monotonic() - started < 30
        (line,) = [line for line in failed.stderr.splitlines() if line.startswith("alerts: ")]
        assert "not delivered" in line and "hook team: 127.0.0.1: no answer within 4 s" in line
        assert "hidden" not in failed.stdout + failed.stderr
    state = desk.home / "alerts" / "state.json"
    assert "hidden" not in state.read_text()
    desk.hooks(f'[[hook]]\nname = "team"\nfile = "{desk.told_file}"\n')
    assert desk.recipe("well").returncode == 0
    assert [one["message"] for one in desk.told()] == ["watched/done: ValueError: no such electrode: fail"]


def test_one_hook_may_leave_recipes_out_and_wrong_settings_are_said(desk: Desk) -> None:
    hook = f'[[hook]]\nname = "desk"\nfile = "{desk.told_file}"\nnot_recipes = ["watched_too"]\n'
    desk.hooks(f'{hook}[[hok]]\nname = "x"\n')
    said = desk.recipe("fail", "watched_too")
    assert said.returncode == 1 and desk.told() == []
    assert "alerts.toml:5: hok: no such key (did you mean 'hook'?)" in said.stderr
    assert desk.recipe("fail").returncode == 1 and len(desk.told()) == 1


def test_a_policy_that_cannot_be_acted_on_is_told_once_until_it_changes(desk: Desk) -> None:
    text = 'enabled = true\nrecipe = "watched"\nmax_age = "1d"\nstart_hours = []\n'
    desk.policy.write_text(f'{text}args = {{path = "{desk.root}/gone"}}\n')
    for _ in range(3):
        assert desk.run("auto").returncode == 1
    (blocked,) = desk.told()
    assert (blocked["event"], blocked["job"]) == ("policy-blocked", "default") and "gone" in blocked[
        "message"
    ]
    desk.policy.write_text(f"cooldwn = 3\n{text}")
    for _ in range(2):
        assert desk.run("auto").returncode == 2
    assert [one["job"] for one in desk.told()[1:]] == ["policy file"]
    assert "policy.toml:1: cooldwn = 3: no such field (did you mean 'cooldown'?)" in desk.told()[1]["message"]
    desk.order.write_text("fail")
    desk.policy.write_text(f'{text}args = {{path = "{desk.order}"}}\n')
    assert desk.run("auto").returncode == 1
    (failed,) = desk.told()[2:]
    assert failed["event"] == "retrain-failed" and failed["by"].startswith("policy default (")


def test_hooks_are_listed_and_tried_without_their_secrets(desk: Desk) -> None:
    assert desk.run("alerts", "test").returncode == 0
    (sent,) = desk.told()
    assert sent["event"] == "test" and sent["by"].endswith(": blut alerts test")
    assert desk.recipe("fail").returncode == 1
    desk.env["TOKEN"] = "secret"
    hook = f'[[hook]]\nname = "desk"\nfile = "{desk.told_file}"\n'
    dead = (
        'name = "team"\nwebhook = "http://127.0.0.1:9/hidden"\nsecret_env = "TOKEN"\nrecipes = ["wached"]\n'
    )
    desk.hooks(f"{hook}[[hook]]\n{dead}")
    tried = desk.run("alerts", "test")
    assert tried.returncode == 1 and "hidden" not in tried.stdout + tried.stderr
    lines = tried.stdout.splitlines()
    assert lines[0].startswith(f"desk (file {desk.told_file}): told, in")
    assert (
        "team (webhook http://***): NOT told: hook team: 127.0.0.1: [Errno 111] Connection refused"
        in lines[1]
    )
    assert desk.run("alerts", "test", "desk").returncode == 0 and len(desk.told()) == 4
    refused = desk.run("alerts", "test", "dsk")
    assert refused.returncode == 2 and "no hook is called 'dsk' (did you mean 'desk'?)" in refused.stderr
    checked = desk.run("alerts", "check")
    assert checked.returncode == 0 and "hidden" not in checked.stdout
    assert "no daemon ticks: each command that runs something tells them when it ends" in checked.stdout
    assert "hook team: 'wached' is no recipe, job or policy here (did you mean 'watched'?)" in checked.stderr
    listed = {row["hook"]: row for row in json.loads(desk.run("alerts", "check", "--json").stdout)["hooks"]}
    assert listed["desk"]["told"] and not listed["desk"]["failed"]
    assert not listed["team"]["told"] and "Connection refused" in listed["team"]["reason"]
    desk.hooks("[[hok]]\n")
    assert desk.run("alerts", "check").returncode == 2
    named = [line for line in desk.run("doctor").stdout.splitlines() if "hok: no such key" in line]
    assert len(named) == 1


def test_what_a_policy_would_run_and_cost_is_one_command_also_when_it_waits(desk: Desk) -> None:
    desk.order.write_text("well")
    text = f'enabled = true\nrecipe = "watched"\nargs = {{path = "{desk.order}"}}\nschedule = "0 3 * * *"\n'
    desk.policy.write_text(f'{text}start_hours = ["03:00", "03:00"]\n')
    new = desk.run("policy", "check", "--plan")
    assert new.returncode == 1 and "default: wait: start hours are 03:00 to 03:00" in new.stdout
    assert "watched/done" in new.stdout and "1 would be computed" in new.stdout, new.stdout + new.stderr
    assert desk.recipe("well").returncode == 0
    desk.order.write_text("well again")
    (row,) = json.loads(desk.run("policy", "check", "--plan", "--json").stdout)
    states = {one["asset"]: one["state"] for one in row["plan"]}
    assert states == {"watched/order": "always", "watched/done": "stale"} and not row["run"]
    assert (
        row["seconds"] > 0 and row["seconds_not_known_of"] == [] and row["reason"].startswith("start hours")
    )
    desk.policy.write_text(
        text.replace("enabled = true", "enabled = false").replace(str(desk.order), "/gone")
    )
    off = desk.run("policy", "check", "--plan")
    assert "default: wait: off" in off.stdout and "/gone" in off.stdout and off.returncode == 1

"""What a person sees of the two units: started, used, stopped, started again, killed. In this order."""

import os
import signal

import pytest

from tests.booted import INSIDE_ENV
from tests.deployed.inside import site
from tests.owners import within

assert os.environ[INSIDE_ENV] == "deployed", "only for the booted machine"
UI, DAEMON = "blut-ui", "blut-daemon"
RUNS = "{ runsOrError { ... on Runs { results { runId status } } } }"


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    site.install()


def runs() -> list[dict[str, str]]:
    status, answer = site.ask(RUNS, site.token())
    assert status == 200, answer
    return answer["data"]["runsOrError"]["results"]


def test_the_ui_answers_on_the_loopback_and_its_daemon_beats() -> None:
    begun = site.now()
    site.start(UI)
    word = site.token()
    assert site.ask("{ version }", word)[0] == 200
    assert site.ask("{ version }")[0] == 401, "whoever has no link is let in"
    assert site.listening() == ["0100007F:0BB8"]
    within(site.PATIENCE_S, lambda: site.beats_since(begun))


def test_its_history_is_in_the_database() -> None:
    assert not list((site.STATE / "home").rglob("*.db")), "SQLite"
    site.recipe()
    assert site.sql("SELECT status FROM runs") == "SUCCESS"
    assert [run["status"] for run in runs()] == ["SUCCESS"]


def test_it_stops_with_all_that_it_started_and_knows_its_history_when_it_starts_again() -> None:
    before, pids = runs(), site.processes(UI)
    assert len(pids) > 1, "the server, and what it has started"
    site.run("systemctl", "stop", UI, site.database_unit())
    assert (site.asked(UI, "ActiveState"), site.asked(UI, "Result")) == ("inactive", "success"), site.said(UI)
    assert not site.processes(UI) and not site.listening()
    site.start(site.database_unit(), UI)
    assert runs() == before
    begun = site.now()
    within(site.PATIENCE_S, lambda: site.beats_since(begun))


@pytest.mark.parametrize("unit", [UI, DAEMON])
def test_one_that_dies_is_started_again(unit: str) -> None:
    site.start(unit)
    begun = site.now()
    within(site.PATIENCE_S, lambda: site.beats_since(begun))
    pid = int(site.asked(unit, "MainPID"))
    os.kill(pid, signal.SIGKILL)
    within(site.PATIENCE_S, lambda: site.asked(unit, "NRestarts") == "1")
    within(site.PATIENCE_S, lambda: site.asked(unit, "ActiveState") == "active")
    begun = site.now()
    within(site.PATIENCE_S, lambda: site.beats_since(begun))
    assert pid not in site.processes(unit)


def test_an_instance_has_one_daemon() -> None:
    """The unit of the daemon has ended that of the UI."""
    assert site.asked(UI, "ActiveState") == "inactive" and site.asked(DAEMON, "ActiveState") == "active"
    site.run("systemctl", "stop", DAEMON)
    assert site.asked(DAEMON, "Result") == "success" and not site.processes(DAEMON)

"""Locks of a server: one holder at a time, none after its death, and a holder that lost one is told."""

import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from blut_resources.database.address import parse
from blut_resources.database.locks import held
from tests.databases import Server

pytestmark = pytest.mark.postgres
HOLDS = """
import sys, time
from blut_resources.database.address import parse
from blut_resources.database.locks import held
with held(parse(sys.argv[1]), sys.argv[2], lambda: None, lambda: False) as lost:
    print("held", flush=True)
    sys.stdin.readline()
    print(lost() or "mine", flush=True)
"""


class GaveUp(Exception):
    """Ends a wait."""


@pytest.fixture
def other(server: Server, database: str) -> Iterator["subprocess.Popen[str]"]:
    """Another process, which holds `a`."""
    words = [sys.executable, "-c", HOLDS, database, "a"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = subprocess.Popen(words, **pipes)
    assert process.stdout and process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def give_up() -> None:
    raise GaveUp


def asked(process: "subprocess.Popen[str]") -> str:
    assert process.stdin and process.stdout
    process.stdin.write("\n")
    process.stdin.flush()
    return process.stdout.readline()


def test_one_at_a_time(database: str, other: "subprocess.Popen[str]") -> None:
    address = parse(database)
    with held(address, "b", give_up, bool) as lost:
        assert lost() == ""
        with pytest.raises(GaveUp), held(address, "a", give_up, bool):
            pass
    assert asked(other) == "mine\n"
    other.wait()
    with held(address, "a", give_up, bool):
        pass


def test_a_holder_that_is_killed_holds_nothing(database: str, other: "subprocess.Popen[str]") -> None:
    waits = threading.Event()
    threading.Timer(1.0, other.kill).start()
    with held(parse(database), "a", waits.set, bool) as lost:
        assert waits.is_set() and lost() == ""


def test_a_holder_whose_connection_was_cut_has_it_again_if_nobody_took_it(
    server: Server, database: str, other: "subprocess.Popen[str]"
) -> None:
    server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'blut'")
    assert asked(other) == "mine\n"


def test_it_is_taken_from_a_holder_that_is_not_seen_any_more_and_that_is_told(
    database: str, other: "subprocess.Popen[str]"
) -> None:
    with held(parse(database), "a", lambda: None, lambda: True) as lost:
        assert lost() == ""
        assert "somebody else holds it" in asked(other)

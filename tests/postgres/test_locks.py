"""Locks of a server: one holder at a time, none after its death, and a holder that lost one is told."""

import os
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
        assert "somebody else has taken it" in asked(other)


def cut(server: Server) -> None:
    """End the connections of all who hold or wait for a lock."""
    server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'blut'")


def test_what_was_lost_once_is_not_taken_again_behind_its_back(server: Server, database: str) -> None:
    address = parse(database)
    with held(address, "b", give_up, bool) as lost_b:
        with held(address, "a", give_up, bool) as lost_a:
            cut(server)
            words = [sys.executable, "-c", HOLDS, database, "a"]
            with subprocess.Popen(words, stdin=-1, stdout=-1, text=True) as another:
                assert another.stdout and another.stdout.readline() == "held\n"
                assert "somebody else has taken it" in lost_a() and lost_b() == ""
                assert asked(another) == "mine\n"
            cut(server)
            assert "somebody else has taken it" in lost_a() and lost_b() == ""
        locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        assert server.sql(locks, address.name) == "1", "it is kept from others, and nobody holds it"


def test_a_forked_process_leaves_alone_what_its_parent_holds(database: str) -> None:
    with held(parse(database), "a", give_up, bool) as lost:
        pid = os.fork()
        if not pid:
            status = 1
            try:
                told = "was forked" in lost()
                try:
                    with held(parse(database), "a", give_up, bool):
                        pass
                except GaveUp:
                    status = int(not told)
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert lost() == ""

"""What `blut doctor` says of the database in which a history is."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from blut_resources.dagster_private import postgres_health
from blut_resources.database.address import parse
from tests import forked
from tests.databases import Server, running
from tests.e2e.box import BLUT

pytestmark = pytest.mark.postgres


def found(home: Path, address: str) -> list[dict[str, str]]:
    env = {**os.environ, "BLUT_DATABASE": address, "BLUT_COOKBOOKS": "llm"}
    words = [*BLUT[1:], "doctor", "--json"]
    done: subprocess.CompletedProcess[str] = forked.server(*forked.RUN).run(words, env, home)
    told = [one for one in json.loads(done.stdout) if one["about"] in ("database", "instance")]
    broken = [one for one in told if one["state"] == "broken"]
    assert len(broken) <= 1, "it is said twice"
    return [one for one in told if one["about"] == "database"]


def test_it_is_named_with_its_version_and_what_it_has(home: Path, database: str) -> None:
    (one,) = found(home, database)
    assert one["state"] == "ok" and database in one["found"], one
    assert "PostgreSQL 15" in one["found"] and "no tables yet" in one["found"]


def test_what_does_not_answer_is_broken_with_the_remedy(home: Path, server: Server) -> None:
    (one,) = found(home, "postgresql://blut@127.0.0.1:1/blut")
    assert one["state"] == "broken" and "does not answer" in one["found"]
    assert "start the server" in one["remedy"]
    (one,) = found(home, server.address("not_there"))
    assert "createdb" in one["remedy"]


def test_what_a_run_would_meet_is_said_before(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not server.sql("SELECT 1 FROM pg_roles WHERE rolname = 'weak'"):
        server.sql("CREATE ROLE weak LOGIN")
    told = postgres_health.health(parse(server.database().replace("blut@", "weak@")))
    assert "may not make tables" in told.faults[0][0] and "GRANT CREATE" in told.faults[0][1]
    address = parse(server.database())
    assert postgres_health.health(address).faults == []
    with monkeypatch.context() as patched:
        patched.setattr(postgres_health.time, "time", lambda: 0.0)
        assert "its clock is" in postgres_health.health(address).faults[0][0]


def test_a_server_with_few_places_is_said(tmp_path: Path) -> None:
    for above in (tmp_path, *list(tmp_path.parents)[:3]):
        above.chmod(0o755)
    with running(tmp_path / "server", "-c", "max_connections=7") as small:
        address = small.database()
        told = postgres_health.health(parse(address))
        assert "connections are free" in told.faults[0][0], told


def test_eight_commands_at_once_need_no_more_than_forty_places(tmp_path: Path, home: Path) -> None:
    for above in (tmp_path, *list(tmp_path.parents)[:3]):
        above.chmod(0o755)
    with running(tmp_path / "server", "-c", "max_connections=40") as server:
        env = {**os.environ, "BLUT_DATABASE": server.database(), "BLUT_COOKBOOKS": "llm"}
        start = forked.server(*forked.RUN).start
        many = [start([*BLUT[1:], "jobs"], env, home, tmp_path / f"said{n}") for n in range(8)]
        assert [process.wait(timeout=120) for process in many] == [0] * 8

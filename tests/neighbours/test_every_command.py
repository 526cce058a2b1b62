"""Every command of `blut` in homes that are somebody else's, older, or read only."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from typer.main import get_command

from blut_assets.cli.app import app
from tests.blut_assets.cli.test_command import commands
from tests.conftest import REPOSITORY
from tests.databases import Server, on_postgres
from tests.e2e.box import BLUT
from tests.forked import RUN, server
from tests.lacking import lacking
from tests.neighbours.asked import ASKED, ELSEWHERE, EMPTY, LISTED, REFUSED, TOLD
from tests.neighbours.homes import ANNA, BY_ANNA, MADE, STOCK, nothing, with_yaml
from tests.neighbours.toy import install

ALL_ARE_ASKED_IN = "plain"
QUICK = ("plain", "of another project", "read only", "that is not there")
ON_POSTGRES = "on Postgres"
NOWHERE = "that is not there"
LONGEST = 25
"""Lines in which a command says why it did nothing."""
Told = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    """A place that another user reaches."""
    if os.geteuid():
        lacking("only root can act as another user")
    root = Path(tempfile.mkdtemp(prefix="blut-neighbours-", dir="/tmp"))
    root.chmod(0o755)
    install(root / "site")
    yield root
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def quick(root: Path) -> dict[str, Told]:
    """What each command did in these homes: its status, what it said, the files that it changed."""
    return _asked(root, {name: MADE.get(name, nothing) for name in QUICK})


@pytest.fixture(scope="module")
def slow(root: Path) -> dict[str, Told]:
    """The same in all others."""
    return _asked(root, {name: make for name, make in MADE.items() if name not in QUICK})


def _asked(root: Path, homes: Mapping[str, Callable[[Path], str]]) -> dict[str, Told]:
    orders, asked = [], []
    for name, make in homes.items():
        place = root / f"place {name}"
        scratch = place / "scratch"
        scratch.mkdir(parents=True)
        scratch.chmod(0o777)
        (scratch / "rows.jsonl").write_text('{"instruction": "Say a.", "output": "a"}\n')
        run_id = make(place / name)
        for command, one in ASKED.items():
            if name == NOWHERE and command not in EMPTY:
                continue
            if not one.everywhere and name != ALL_ARE_ASKED_IN:
                continue
            words = one.words.format(run=run_id, scratch="{scratch}").split() if run_id else []
            env = {
                **{key: os.environ[key] for key in ("PATH", "LANG", "BLUT_LEASES") if key in os.environ},
                "HOME": str(scratch),
                "DAGSTER_HOME": str(place / name),
                "TMPDIR": str(scratch),
                "BLUT_TRAIN_POLICY": str(scratch / "policy.toml"),
                "BLUT_ALERTS": str(scratch / "alerts.toml"),
            }
            words = [*command.split(), *(word.replace("{scratch}", str(scratch)) for word in words)]
            who = ANNA if name in BY_ANNA else 0
            orders.append(
                {"words": words, "env": env, "cwd": str(scratch), "home": str(place / name), "user": who}
            )
            asked.append((name, command))
    (root / "orders").write_text(json.dumps(orders))
    found_first = filter(None, [os.environ.get("PYTHONPATH")])
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(root / "site"), str(REPOSITORY), *found_first]),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    words = ["-m", "tests.neighbours.every", str(root / "orders"), str(root / "results")]
    done = server(*RUN).run(words, env, REPOSITORY)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Told] = {}
    for (name, command), result in zip(asked, json.loads((root / "results").read_text()), strict=True):
        found.setdefault(name, {})[command] = result
    return found


def test_each_command_is_asked() -> None:
    there = {" ".join(path) for path, _ in commands(get_command(app))}
    assert there - ELSEWHERE == ASKED.keys(), "a new command needs a line in tests/neighbours/asked.py"


def _faults(name: str, told: Told) -> Iterator[str]:
    read_only = name in BY_ANNA
    for command, result in told.items():
        one, status, said = ASKED[command], result["status"], result["said"]
        changed = [path for path in result["changed"] if not path.startswith("scratch")]
        allowed = one.statuses
        if read_only and one.writes:
            allowed = {*REFUSED, *(TOLD if one.statuses == TOLD else ())}
        if name == "of another user":
            allowed = (*LISTED, *REFUSED)
        last = said[-600:]
        if "Traceback" in said or status not in (0, 1, 2):
            yield f"{command}: status {status}, {last}"
        elif status not in allowed:
            yield f"{command}: status {status}, not {allowed}: {last}"
        elif status and not 0 < len(said.strip().splitlines()) <= LONGEST and one.statuses != TOLD:
            yield f"{command}: status {status}, and says {len(said.splitlines())} lines: {last}"
        if changed and (read_only or not one.writes):
            yield f"{command}: changed {changed[:5]}"
        if name in (*STOCK, ON_POSTGRES) and "dagster.yaml" in changed:
            yield f"{command}: changed somebody's dagster.yaml"
        if not result["runs"]:
            yield f"{command}: changed the state of somebody's run"


@pytest.mark.parametrize("name", QUICK)
def test_no_command_breaks_or_is_broken_by_a_home(name: str, quick: dict[str, Told]) -> None:
    found = list(_faults(name, quick[name]))
    assert not found, "\n" + "\n".join(found)


@pytest.mark.heavy
@pytest.mark.parametrize("name", [name for name in MADE if name not in QUICK])
def test_nor_by_other_homes(name: str, slow: dict[str, Told]) -> None:
    found = list(_faults(name, slow[name]))
    assert not found, "\n" + "\n".join(found)


def test_a_command_of_its_own_process_opens_a_home_with_a_storage_of_dagsters(root: Path) -> None:
    """Nothing is imported yet there, and what puts imports off must not meet Dagster's own."""
    with_yaml(root / "fresh")
    yaml = (root / "fresh" / "dagster.yaml").read_text()
    for words, expected in ((["jobs"], "success"), (["stage", "run", "neighbour/line"], "1 computed")):
        done = _fresh(root, root / "fresh", *words)
        assert done.returncode == 0 and expected in done.stdout, done.stdout + done.stderr
    assert (root / "fresh" / "dagster.yaml").read_text() == yaml


def _fresh(root: Path, home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    found_first = filter(None, [os.environ.get("PYTHONPATH")])
    path = os.pathsep.join([str(root / "site"), str(REPOSITORY), *found_first])
    env = {**os.environ, "DAGSTER_HOME": str(home), "HOME": str(root), "PYTHONPATH": path}
    env["BLUT_COOKBOOKS"] = "neighbour"
    return subprocess.run([*BLUT, *words], env=env, cwd=root, capture_output=True, text=True)


@pytest.mark.heavy
@pytest.mark.postgres
def test_nor_by_a_history_in_postgres(root: Path, server: Server) -> None:
    found = _asked(root, {ON_POSTGRES: lambda home: on_postgres(home, server)})[ON_POSTGRES]
    faults = list(_faults(ON_POSTGRES, found))
    assert not faults, "\n" + "\n".join(faults)
    home = root / f"place {ON_POSTGRES}" / ON_POSTGRES
    for expected in ("1 computed", "1 reused"):
        done = _fresh(root, home, "stage", "run", "neighbour/line")
        assert done.returncode == 0 and expected in done.stdout, done.stdout + done.stderr
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert {run.status for run in instance.get_runs()} == {dg.DagsterRunStatus.SUCCESS}
    assert not (home / "history").exists(), "all of it is in the database"

"""Who may look into an instance: its owner from birth, or a group on request; with two other users."""

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from blut_resources.files.modes import make_private, open_to
from blut_resources.instance.instance import open_instance, store_of
from tests.conftest import REPOSITORY

ANNA, BERT, GROUP = 12345, 12346, "users"
two_users = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setpriv"), reason="only root can act as two other users"
)
MATERIALIZE = """
import dagster as dg
from blut_resources.instance.instance import open_instance

@dg.asset
def thing() -> int:
    return 1

with open_instance() as instance:
    assert dg.materialize([thing], instance=instance).success
    print(instance.get_runs_count())
"""


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory that every user can write, as /srv on many machines."""
    folder = Path(tempfile.mkdtemp(prefix="blut-test-modes-", dir="/tmp"))
    folder.chmod(0o1777)
    yield folder
    shutil.rmtree(folder)


def act(user: int, home: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run something as a member of the group; it may read this Python, and write what its user may."""
    ids = [f"--reuid={user}", f"--regid={user}", "--groups=100"]
    caps = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    environment = {
        "PATH": os.environ["PATH"],
        "DAGSTER_HOME": str(home),
        "HOME": str(home.parent),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return subprocess.run(
        ["setpriv", *ids, *caps, sys.executable, *command],
        env=environment,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )


def blut(user: int, home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return act(user, home, "-c", "from blut_assets.cli import main; main()", *words)


def test_an_instance_and_its_store_are_private_from_birth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "new" / "home"))
    monkeypatch.setenv("BLUT_STORE", str(tmp_path / "disk" / "store"))
    with open_instance() as instance:
        store = store_of(instance).root
    assert [mode(path) for path in (tmp_path / "new", tmp_path / "new/home", store)] == [0o700] * 3


def test_the_instance_of_a_checkout_is_closed_at_its_birth_and_an_older_one_is_left(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.chmod(0o755)
    with open_instance():
        pass
    assert mode(home) == 0o700
    home.chmod(0o755)  # as one of an older version
    with open_instance():
        pass
    assert mode(home) == 0o755 and open_to(home) == "everybody"


@pytest.mark.heavy
@two_users
def test_a_group_shares_a_home_and_what_one_does_the_other_can_go_on_with(public: Path) -> None:
    home = public / "lab" / ".dagster"
    made = act(
        ANNA,
        home,
        "-c",
        "from blut_assets.cli import main; main()",
        "init",
        str(home.parent),
        "--group",
        GROUP,
    )
    assert made.returncode == 0, made.stderr
    assert f"export DAGSTER_HOME={home}" in made.stdout and mode(home) == 0o2770
    for count, user in enumerate((ANNA, BERT, ANNA), 1):
        done = act(user, home, "-c", MATERIALIZE)
        assert (done.returncode, done.stdout) == (0, f"{count}\n"), done.stderr
        listed = blut(BERT if user == ANNA else ANNA, home, "jobs")
        assert listed.returncode == 0, listed.stderr
    closed = [path for path in home.rglob("*.db*") if mode(path) & 0o660 != 0o660 or mode(path) & 0o007]
    assert not closed


@two_users
def test_another_users_home_is_read_and_refused_before_anything_is_written(public: Path) -> None:
    home = public / "anna"
    assert act(ANNA, home, "-c", MATERIALIZE).returncode == 0
    home.chmod(0o777)  # whatever the modes are: what he made there she could not write
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*")}
    listed = blut(BERT, home, "jobs", "--json")
    assert listed.returncode == 0 and json.loads(listed.stdout)[0]["state"] == "success", listed.stderr
    refused = act(BERT, home, "-c", MATERIALIZE)
    assert refused.returncode == 1
    assert f"{home} belongs to user {ANNA}, and is not a group's" in refused.stderr
    assert "blut init DIR --group NAME" in refused.stderr
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*")} == before
    assert act(ANNA, home, "-c", MATERIALIZE).stdout == "2\n"


@two_users
def test_a_group_must_be_there_and_ones_own(public: Path) -> None:
    for group, why in (("no-such-group", "no such group"), ("root", "you are no member of it")):
        refused = blut(ANNA, public / "x", "init", str(public / "x"), "--group", group)
        assert refused.returncode == 1 and f"--group {group}: {why}" in refused.stderr
    assert not (public / "x").exists()


def test_a_private_directory_in_a_groups_is_the_groups(tmp_path: Path) -> None:
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab").chmod(0o2770)
    before = os.umask(0o007)
    try:
        assert mode(make_private(tmp_path / "lab" / "store")) == 0o2770
    finally:
        os.umask(before)
    assert mode(make_private(tmp_path / "own" / "store")) == 0o700

"""What `deploy/` ships: a compose file and units that keep UI and password to those who may have them."""

import fnmatch
import re
import shutil
import subprocess
import tomllib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from blut_resources.database.address import parse
from tests.conftest import REPOSITORY
from tests.lacking import lacking

DEPLOY = REPOSITORY / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
EXPOSED = 50
"""Tenths of systemd's measure of what a unit may do: 0 is nothing, 100 all."""


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "docker-compose.yml").read_text())


def test_the_services_are_reached_from_this_machine_only(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {"postgres", "ui"}
    published = [port for one in compose["services"].values() for port in one.get("ports", ())]
    assert published == ["127.0.0.1:3000:3000"]
    for name, one in compose["services"].items():
        assert "no-new-privileges:true" in one["security_opt"], name
        assert "privileged" not in one and "network_mode" not in one, name


def test_the_password_is_in_files_of_its_own(compose: dict[str, Any]) -> None:
    declared = compose["secrets"]
    asked = {name for one in compose["services"].values() for name in one["secrets"]}
    assert asked == declared.keys() and all(list(how) == ["file"] for how in declared.values())
    for one in compose["services"].values():
        for name, value in one["environment"].items():
            assert "PASS" not in name or value.startswith("/run/secrets/"), name
    assert parse(compose["services"]["ui"]["environment"]["BLUT_DATABASE"]).host == "postgres"
    assert "/deploy/secrets/" in (REPOSITORY / ".gitignore").read_text().splitlines()


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def sent(rules: Sequence[str], path: str) -> bool:
    """Whether a file of the checkout is sent to whoever builds the image: the last rule that fits counts."""
    found = True
    for rule in rules:
        pattern = rule.removeprefix("!")
        around = [path, *map(str, PurePosixPath(path).parents)][
            :-1
        ]  # a rule for a directory is for all in it
        tried = map(_name, around) if pattern.startswith("**/") else [one for one in around if "/" not in one]
        if any(fnmatch.fnmatchcase(one, pattern.removeprefix("**/")) for one in tried):
            found = rule.startswith("!")
    return found


def test_nothing_is_in_the_image_but_what_is_installed() -> None:
    """Every builder reads this file; one beside the Dockerfile only BuildKit does."""
    assert not (DEPLOY / "Dockerfile.dockerignore").exists()
    lines = (REPOSITORY / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    for path in (
        *(
            ".env",
            "deploy/.env",
            "deploy/secrets/pgpass",
            ".dagster/history/runs.db",
            ".git/config",
            "blut.yaml",
        ),
        *("configs/keys.yaml", "data/a.edf", ".venv/bin/python", "tests/conftest.py", "id_rsa", "notes.txt"),
        *("cookbooks/lamquant/.env", "cookbooks/mine/signing.key", "sensors/prod.env"),
    ):
        assert not sent(rules, path), path
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True)
    if tracked.returncode:
        lacking("git, and a checkout")
    needed = [
        *tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"][
            "wheel"
        ]["packages"],
        "requirements",
        "LICENSE",
        "README.md",
        "pyproject.toml",
        "constraints.txt",
    ]
    for path in filter(None, tracked.stdout.split("\0")):
        assert sent(rules, path) == (path.split("/")[0] in needed), path


def test_the_secrets_are_made_once_and_for_their_owner(tmp_path: Path, compose: dict[str, Any]) -> None:
    shutil.copy(DEPLOY / "make-secrets", tmp_path)
    subprocess.run([tmp_path / "make-secrets"], check=True, capture_output=True)
    for how in compose["secrets"].values():
        assert (tmp_path / how["file"]).stat().st_mode & 0o777 == 0o600
    password = (tmp_path / "secrets" / "postgres_password").read_text()
    assert len(password) == 48
    assert (tmp_path / "secrets" / "pgpass").read_text() == f"postgres:5432:blut:blut:{password}\n"
    again = subprocess.run([tmp_path / "make-secrets"], capture_output=True, text=True)
    assert again.returncode == 1 and "begin anew" in again.stderr
    assert (tmp_path / "secrets" / "postgres_password").read_text() == password


def test_the_image_is_made_of_what_is_there(compose: dict[str, Any]) -> None:
    build = compose["services"]["ui"]["build"]
    assert (DEPLOY / build["context"]).resolve() == REPOSITORY
    text = (REPOSITORY / build["dockerfile"]).read_text()
    for file in re.findall(r"--(?:requirement|constraint) (\S+)", text):
        assert (REPOSITORY / file).is_file(), file
    extras = re.search(r"EXTRAS=(\S+)", text)
    known = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert extras and {"ui", "postgres"} <= set(extras[1].split(",")) <= known.keys()
    assert re.search(r"^USER blut$", text, re.MULTILINE), "it runs as root"


def on_this_machine(unit: Path, directory: Path) -> Path:
    """A unit that starts what is installed here."""
    program = REPOSITORY / ".venv" / "bin"
    made = directory / unit.name
    made.write_text(unit.read_text().replace("/opt/blut/.venv/bin", str(program)))
    return made


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_takes_the_units_and_they_may_do_little(unit: Path, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        lacking("systemd-analyze: apt-get install systemd")
    made = on_this_machine(unit, tmp_path)
    for words in (["verify", "--man=no"], ["security", "--offline=true", f"--threshold={EXPOSED}"]):
        done = subprocess.run([analyze, *words, str(made)], capture_output=True, text=True)
        assert done.returncode == 0 and "Unknown" not in done.stderr, done.stdout[-500:] + done.stderr
    assert "Delegate=yes" in made.read_text(), "payloads could not be contained below it"


def test_the_units_name_a_database_without_a_password() -> None:
    (line,) = [x for x in (DEPLOY / "systemd" / "blut.env").read_text().splitlines() if x[:1] != "#"]
    name, _, address = line.partition("=")
    assert name == "BLUT_DATABASE" and parse(address).host == "localhost"
    for unit in UNITS:
        text = unit.read_text()
        assert "LoadCredential=pgpass:" in text and "PGPASSFILE=%t/%N/pgpass" in text
        # libpq reads it only where neither group nor ACL gives it to anybody else
        assert "ExecStartPre=/usr/bin/install -m 600 %d/pgpass %t/%N/pgpass" in text
        assert {"RuntimeDirectory=%N", "RuntimeDirectoryMode=0700"} <= set(text.splitlines())

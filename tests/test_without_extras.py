"""What only the UI and alerts need is not needed elsewhere, and who asks for it is told what to install."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.conftest import REPOSITORY

GONE = ("dagster_webserver", "dagster_graphql", "dagster_dg_cli", "graphql", "starlette", "uvicorn")
CODE = """
import sys
sys.modules.update(dict.fromkeys(sys.argv[1].split(), None))
from blut_assets.cli.app import app
app(sys.argv[2:], prog_name="blut")
"""


def blut(*words: str) -> subprocess.CompletedProcess[str]:
    """A command in an environment without the packages."""
    command = [sys.executable, "-c", CODE, " ".join(GONE), *words]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ})


def test_the_ui_says_in_a_sentence_what_it_lacks(home: Path) -> None:
    done = blut("ui", "--port", "0")
    said = "blut ui needs the extra `ui`: uvicorn is not installed: pip install 'blut[ui]'\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", said)


def test_definitions_load_without_them(home: Path) -> None:
    done = blut("recipe", "list")
    assert done.returncode == 0 and "lamquant_joint_codec" in done.stdout, done.stderr


@pytest.mark.parametrize("extra", ["ui", "alerts"])
def test_what_an_extra_brings_is_asked_for_nowhere_else(extra: str) -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    always = {Requirement(one).name for one in project["dependencies"]}
    brought = {Requirement(one).name for one in project["optional-dependencies"][extra]}
    assert brought and not brought & always


def test_dagster_is_a_range_here_and_one_version_among_the_constraints() -> None:
    """Whoever has a Dagster already could not install Blut beside it otherwise."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *project["optional-dependencies"]["ui"]]
    ranges = {one.name: one.specifier for one in map(Requirement, lines) if one.name.startswith("dagster")}
    pinned = {
        one.name: str(one.specifier).removeprefix("==")
        for line in (REPOSITORY / "constraints.txt").read_text().splitlines()[1:]
        if (one := Requirement(line)).name in ranges
    }
    assert pinned.keys() == ranges.keys() and len(set(pinned.values())) == 1
    for name, allowed in ranges.items():
        assert all(allowed.contains(version) for version in ("1.13.20", pinned[name], "1.13.99")), name
        assert not allowed.contains("1.14.0")

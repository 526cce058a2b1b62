"""A virtual environment of a test's own, in which Blut is installed as a wheel beside what it depends on.

The dependencies are those of the interpreter that runs the tests: their files get another name, and nothing
is downloaded. What Blut's extras bring is not among them.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

from tests.conftest import REPOSITORY


class Fresh:
    """A virtual environment in ``root``, with a home directory beside it."""

    def __init__(self, root: Path, *more: str) -> None:
        """Make it, with Blut, its dependencies and ``more`` distributions that are installed here."""
        self.root, self.home = root, root.with_name("home")
        self.home.mkdir()
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(root)], check=True)
        self.python = root / "bin" / "python"
        packages = sysconfig.get_path("purelib", vars={"base": str(root), "platbase": str(root)})
        for needed in _closure(["blut", *more]):
            if needed.name != "blut":
                _link(needed, Path(packages))
        self.install(built(REPOSITORY, root.with_name("dist")))

    def environment(self, **more: str) -> dict[str, str]:
        """Variables of a user who has nothing but this environment."""
        told = {name: os.environ[name] for name in ("LANG", "TMPDIR", "BLUT_CI") if name in os.environ}
        told |= {"HOME": str(self.home), "PATH": f"{self.root / 'bin'}{os.pathsep}{os.defpath}"}
        return {**told, "BLUT_LEASES": str(self.root.with_name("leases")), **more}

    def install(self, wheel: Path) -> None:
        """Install a wheel, and nothing that it depends on."""
        options = ("--quiet", "--no-deps", "--no-index", "--disable-pip-version-check")
        pip = [sys.executable, "-m", "pip", "--python", str(self.python), "install", *options, str(wheel)]
        subprocess.run(pip, check=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})

    def run(self, *words: str, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
        """What ``python WORDS`` says."""
        command = [str(self.python), *words]
        return subprocess.run(command, cwd=cwd, env=self.environment(**more), capture_output=True, text=True)

    def start(self, *words: str, cwd: Path, env: Mapping[str, str]) -> "subprocess.Popen[str]":
        """Start ``python WORDS`` and do not wait."""
        command = [str(self.python), *words]
        return subprocess.Popen(
            command, cwd=cwd, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True
        )


def built(project: Path, into: Path) -> Path:
    """The wheel of a project."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(into)]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    return next(into.glob("*.whl"))


def _closure(roots: Iterable[str]) -> list[Distribution]:
    """What is installed here of these, and of what they require."""
    left, seen = [Requirement(name) for name in roots], {}
    while left:
        wanted = left.pop()
        key = (wanted.name, frozenset(wanted.extras))
        try:
            found = seen.get(key) or distribution(wanted.name)
        except PackageNotFoundError:
            continue
        if key in seen:
            continue
        seen[key] = found
        for requirement in map(Requirement, found.requires or []):
            asked = [{"extra": extra} for extra in ("", *wanted.extras)]
            if requirement.marker is None or any(map(requirement.marker.evaluate, asked)):
                left.append(requirement)
    return list({found.name: found for found in seen.values()}.values())


def _link(found: Distribution, target: Path) -> None:
    for file in found.files or []:
        source = Path(str(found.locate_file(file)))
        if ".." in file.parts or not source.exists():
            continue
        place = target / file
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, place)
        except OSError:  # another filesystem
            shutil.copy(source, place)

"""Runs tests with another version of Dagster: ``python -m tests.dagsters newest [pytest arguments]``.

The packages are put into a directory of their own, before those of the environment, which stays as it is.
What is tested by default leans on Dagster most: its private parts as far as they are used, stages and reuse,
the instance, sensors.
"""

import os
import subprocess
import sys
import tempfile
import tomllib
from importlib.metadata import distributions
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
CORE = ("dagster", "dagster-pipes", "dagster-shared")
UI = ("dagster-webserver", "dagster-graphql", "dagster-dg-cli", "dagster-dg-core")
TESTS = (
    "tests/blut_resources/dagster_private/test_door.py",
    "tests/blut_resources/dagster_private/test_birth.py",
    "tests/blut_resources/instance",
    "tests/blut_assets/test_building.py",
    "tests/blut_assets/stages/test_stage.py",
    "tests/blut_assets/stages/test_partitions.py",
    "tests/sensors/test_turns.py",
)


def allowed() -> Requirement:
    """The range of versions that the package asks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return next(one for one in map(Requirement, project["dependencies"]) if one.name == "dagster")


def install(which: str, directory: Path) -> str:
    """Puts a version into a directory; returns it.

    Args:
        which: ``newest`` or ``oldest`` of the range, or a version.
    """
    oldest = min(str(one.version) for one in allowed().specifier if one.operator == ">=")
    wanted = {"newest": str(allowed()), "oldest": f"dagster=={oldest}"}.get(which, f"dagster=={which}")
    _pip(directory, [wanted])
    (version,) = (one.version for one in distributions(path=[str(directory)]) if one.name == "dagster")
    _pip(directory, [f"{name}=={version}" for name in CORE[1:]])
    # an index may have the one before the other
    if not _pip(directory, [f"{name}=={version}" for name in UI], quiet=True):
        print(f"the packages of the UI are not there yet as {version}: those of the environment are used")
    return version


def _pip(directory: Path, packages: list[str], quiet: bool = False) -> bool:
    words = ["install", "--quiet", "--no-deps", "--disable-pip-version-check", "--target", str(directory)]
    where = subprocess.DEVNULL if quiet else None
    done = subprocess.run([sys.executable, "-m", "pip", *words, *packages], stderr=where, check=not quiet)
    return done.returncode == 0


def main(which: str, *words: str) -> int:
    """Install, and run the tests."""
    with tempfile.TemporaryDirectory(prefix="blut-dagster-") as directory:
        print(f"Dagster {install(which, Path(directory))}", flush=True)
        path = os.pathsep.join([directory, *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = {**os.environ, "PYTHONPATH": path}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *(words or TESTS)]
        return subprocess.run(command, cwd=ROOT, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

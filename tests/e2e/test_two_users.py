"""Two users with a home each and a store that is their group's: what one computes the other does not."""

import json
import os
import shutil
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.databases import shipped
from tests.e2e.scene import until
from tests.installed import install

ANN, BEN, GROUP = 4001, 4002, 4100
SYSTEM = Path("/usr/bin/python3")
ENTRY = "import sys; sys.argv[0] = 'blut'; from blut_assets.cli.app import app; app()"

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.heavy,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="only root can be others"),
]


class Lab:
    """A place that others may enter, a Python that they can start, and a store of their group's."""

    def __init__(self, root: Path) -> None:
        self.root, self.store, self.log = root, root / "store", root / "log"
        root.chmod(0o755)
        subprocess.run([SYSTEM, "-m", "venv", "--without-pip", root / "venv"], check=True)
        (site,) = (root / "venv" / "lib").glob("python*/site-packages")
        if site.parent.name != f"python{sysconfig.get_python_version()}":
            pytest.skip(f"{SYSTEM} is another version than this Python")
        site.joinpath("ours.pth").write_text(f"{sysconfig.get_path('purelib')}\n{REPOSITORY}\n")
        install(root / "site")
        self.store.mkdir()
        os.chown(self.store, -1, GROUP)
        self.store.chmod(0o2770)
        (root / "leases").mkdir()
        (root / "leases").chmod(0o1777)
        self.log.touch()
        self.log.chmod(0o666)
        self.behave()
        for user in (ANN, BEN):
            home = self.home(user)
            home.mkdir(mode=0o700)
            (home / "dagster.yaml").write_text(shipped())
            for path in (home, home / "dagster.yaml"):
                os.chown(path, user, user)

    def home(self, user: int) -> Path:
        return self.root / f"home-{user}"

    def behave(self, **how: object) -> None:
        (self.root / "how.json").write_text(json.dumps({"log": str(self.log), **how}))

    def start(self, user: int, *words: str) -> "subprocess.Popen[str]":
        home = str(self.home(user))
        env = {
            **{name: home for name in ("HOME", "TMPDIR", "DAGSTER_HOME")},
            "PATH": f"{self.root}/venv/bin:/usr/bin:/bin",
            "PYTHONPATH": os.pathsep.join([str(self.root / "site"), str(REPOSITORY)]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "BLUT_STORE": str(self.store),
            "BLUT_LEASES": str(self.root / "leases"),
            "BLUT_PAYLOAD_ENV": "TRAINS",
            "TRAINS": str(self.root / "how.json"),
        }
        who = ["setpriv", "--reuid", str(user), "--regid", str(user), "--groups", str(GROUP)]
        python = self.root / "venv" / "bin" / "python"
        return subprocess.Popen(
            [*who, str(python), "-c", ENTRY, *words],
            env=env,
            cwd="/",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def blut(self, user: int, *words: str) -> str:
        said, _ = self.start(user, *words).communicate()
        return said


@pytest.fixture
def lab() -> Iterator[Lab]:
    root = Path(tempfile.mkdtemp(prefix="blut-lab-", dir="/tmp"))
    yield Lab(root)
    shutil.rmtree(root)


def train(epochs: int) -> tuple[str, ...]:
    return ("recipe", "run", "contained", "--set", f"epochs={epochs}")


def test_each_reuses_what_the_other_computed_and_goes_on_where_the_other_died(lab: Lab) -> None:
    assert "2 computed, 0 reused" in lab.blut(ANN, *train(3))
    said = lab.blut(BEN, *train(3))
    assert "0 computed, 2 reused" in said and f"in {lab.home(ANN)}" in said
    assert "2 computed, 0 reused" in lab.blut(BEN, *train(4))
    assert f"in {lab.home(BEN)}" in lab.blut(ANN, *train(4))

    lab.behave(hang=True)
    dies = lab.start(ANN, *train(5))
    until(lambda: "epoch-4 " in lab.log.read_text(), process=dies)
    time.sleep(0.5)
    dies.kill()  # setpriv has become it
    dies.wait()
    lab.behave()
    until(lambda: "saved " in lab.log.read_text())
    assert "`blut jobs` clears it up" in lab.blut(BEN, *train(5))
    lab.blut(ANN, "jobs")
    assert "2 computed" in lab.blut(BEN, *train(5)) and "resumed-at-5 " in lab.log.read_text()


def test_a_store_that_can_only_be_read_is_reused_and_said_to_be_so(lab: Lab) -> None:
    lab.blut(ANN, *train(3))
    for path in [lab.store, *lab.store.rglob("*")]:
        path.chmod(path.stat().st_mode & ~0o022)
    said = lab.blut(BEN, *train(3))
    assert "make it writable for this user, or choose another place" in said and "Traceback" not in said

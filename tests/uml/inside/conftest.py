"""Who owns the units of these tests: two managers for root, one for a user, and cgroups without a manager."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.booted import INSIDE_ENV
from tests.owners import CGROUPS, PATIENCE_S, USER, Who, add_user, within

DELEGATED = "delegated"
assert os.environ[INSIDE_ENV] == "uml" and Path("/run/boot").exists(), "only for the booted machine"

WHO = {
    "system": Who("system", "systemd"),
    "root-user": Who("root-user", "systemd", env={"BLUT_SYSTEMD_MANAGER": "user"}),
    "user": Who("user", "systemd", user=USER),
    "cgroup2": Who("cgroup2", "cgroup2"),
    "cgroup2-user": Who("cgroup2-user", "cgroup2", user=USER, cgroup=DELEGATED),
}


@pytest.fixture(scope="session", autouse=True)
def _machine() -> None:
    """A user with a manager, root's own manager, and a cgroup that the user may divide up."""
    add_user()
    subprocess.run(["systemctl", "start", "user@0.service"], check=True)
    cgroup = CGROUPS / DELEGATED
    (CGROUPS / "cgroup.subtree_control").write_text("+memory +pids +cpu")
    cgroup.mkdir()
    for file in ("", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"):
        shutil.chown(cgroup / file, USER)
    within(PATIENCE_S, Path("/run/user/0/systemd/private").exists)


OTHERS = [pytest.param(name, marks=pytest.mark.heavy) for name in ("root-user", "cgroup2-user")]
"""Those that hold like another one: a second manager, a second cgroup."""


@pytest.fixture(params=["system", "user", "cgroup2", *OTHERS])
def who(request: pytest.FixtureRequest) -> Iterator[Who]:
    """Each of them in turn; at the end nothing of its units is left."""
    who = WHO[request.param]
    yield who
    if who.backend == "systemd":
        listed = ("list-units", "--all", "--no-legend", "blut-*")
        within(PATIENCE_S, lambda: "blut-" not in who.systemctl(*listed))
    assert not list(CGROUPS.rglob("blut-test-*"))

"""Root and a user, each with a systemd manager on cgroup v1."""

import os
from pathlib import Path

import pytest

from tests.booted import INSIDE_ENV
from tests.owners import add_user

assert os.environ[INSIDE_ENV] == "hybrid" and Path("/run/boot").exists(), "only for the booted machine"


@pytest.fixture(scope="session", autouse=True)
def _machine() -> None:
    add_user()

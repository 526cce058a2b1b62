"""What a script starts with make ends when it is told to, and all that it started."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def session(leader: int) -> list[str]:
    """The processes of a session that are not dead, as a person names them."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text().rpartition(")")
        except OSError:
            continue
        state, _, _, of = rest.split()[:4]
        if int(of) == leader and state != "Z":
            found.append(name)
    return found


@pytest.mark.usefixtures("home")
def test_make_ui_in_the_background_of_a_script_ends_by_sigterm(tmp_path: Path) -> None:
    """There SIGINT is ignored, by it and by all that it starts."""
    make = f"make -o setup ui PORT=0 VENV={sys.prefix}"
    script = f"{make} >{tmp_path}/said 2>&1 & echo $!; wait"
    shell = subprocess.Popen(
        ["sh", "-c", script], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert shell.stdout
    pid, said = int(shell.stdout.readline()), tmp_path / "said"
    try:
        deadline = time.monotonic() + 300
        while not (said.exists() and "the UI: http://" in said.read_text()):
            assert shell.poll() is None and time.monotonic() < deadline, said.read_text()
            time.sleep(0.1)
        assert len(session(shell.pid)) > 2, "make, the server, and the code server of the definitions"
        os.kill(pid, signal.SIGTERM)
        shell.wait(60)
        deadline = time.monotonic() + 60  # for the code server, which goes when it misses its heartbeat
        while session(shell.pid):
            assert time.monotonic() < deadline, session(shell.pid)
            time.sleep(0.1)
    finally:
        if session(shell.pid):
            os.killpg(shell.pid, signal.SIGKILL)

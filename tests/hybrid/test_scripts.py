"""The scripts that boot a machine leave nothing of it behind, and hand on how the command ended."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.lacking import lacking
from tests.owners import PATIENCE_S

HYBRID = Path(__file__).with_name("boot.sh")
UML = HYBRID.parent.parent / "uml" / "boot.sh"
pytestmark = pytest.mark.systemd


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a script keeps its files: short, because a socket's path may not be long."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def boot(script: Path, *words: str) -> tuple[int, int]:
    """Returns the exit status, and the process id of the script."""
    process = subprocess.Popen([script, *words], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    _, said = process.communicate()
    if process.returncode == 69:
        lacking(said)
    return process.returncode, process.pid


def left(scratch: Path, pid: int) -> list[str]:
    """Returns files, cgroups and processes of the machine that this process booted from here."""
    found = [str(path) for path in scratch.iterdir()]
    found += [str(path) for path in Path("/sys/fs/cgroup").glob(f"*/boot.{pid}.*")]
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            if str(scratch).encode() in (directory / "cmdline").read_bytes():
                found.append(f"{directory} {(directory / 'cmdline').read_bytes()!r}")
        except OSError:
            continue
    return found


@pytest.mark.parametrize(("command", "status"), [("exit 0", 0), ("exit 7", 7), ("kill -SEGV $$", 139)])
def test_status(scratch: Path, command: str, status: int) -> None:
    ended, pid = boot(HYBRID, "--", "bash", "-c", command)
    assert ended == status
    assert not left(scratch, pid)


def test_writable_directories(scratch: Path) -> None:
    """Only these: everything else is volatile."""
    shared = scratch / "a b"
    shared.mkdir()
    outside = scratch / "outside"
    outside.write_text("as it was")
    command = f"echo inside > '{outside}'; echo kept > '{shared}/file'"
    assert boot(HYBRID, "-w", str(shared), "--", "bash", "-c", command)[0] == 0
    assert outside.read_text() == "as it was"
    assert (shared / "file").read_text() == "kept\n"


def test_out_of_time(scratch: Path) -> None:
    ended, pid = boot(HYBRID, "-t", "2", "--", "sleep", "300")
    assert ended == 124
    assert not left(scratch, pid)


@pytest.mark.parametrize(
    ("script", "number"),
    [
        pytest.param(HYBRID, signal.SIGTERM, id="hybrid-SIGTERM"),
        pytest.param(HYBRID, signal.SIGKILL, id="hybrid-SIGKILL"),
        pytest.param(UML, signal.SIGKILL, id="uml-SIGKILL", marks=pytest.mark.slow),
    ],
)
def test_script_killed(scratch: Path, script: Path, number: signal.Signals) -> None:
    up = scratch / "up"
    up.mkdir()
    words = ["-w", str(up), "--", "bash", "-c", f"touch '{up}/file'; sleep 300"]
    process = subprocess.Popen([script, *words], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while not (up / "file").exists():
        if process.poll() is not None:
            lacking(process.stderr.read() if process.stderr else "")
        time.sleep(0.1)
    os.kill(process.pid, number)
    process.wait()
    (up / "file").unlink()
    up.rmdir()
    deadline = time.monotonic() + PATIENCE_S
    while left(scratch, process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left(scratch, process.pid)

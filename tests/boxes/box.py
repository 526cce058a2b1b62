"""Another box: a kernel of its own as far as it can tell, processes, names and leases; it shares the disk."""

import os
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

SCRIPT = """\
set -e
mount --make-rprivate /
hostname "$1"
mount --bind "$2/boot_id" /proc/sys/kernel/random/boot_id
mount --bind "$2/machine-id" /etc/machine-id
shift 2
exec "$@"
"""


class Box:
    """A machine named ``name``, whose own files are in ``root``.

    Commands of one box are of one boot, each with a process namespace of its own.
    """

    def __init__(self, root: Path, name: str = "boxb", machine: str = "") -> None:
        self.root, self.name = root, name
        root.mkdir(parents=True)
        self.machine = machine or uuid.uuid4().hex
        (root / "boot_id").write_text(f"{uuid.uuid4()}\n")
        (root / "machine-id").write_text(f"{self.machine}\n")

    def command(self, words: Sequence[str]) -> list[str]:
        """What runs a command there."""
        space = ["unshare", "--pid", "--fork", "--kill-child", "--mount", "--uts", "--mount-proc"]
        return [*space, "sh", "-c", SCRIPT, "sh", self.name, str(self.root), *words]

    def environment(self, env: Mapping[str, str] | None = None) -> dict[str, str]:
        """Variables of this box, with its own leases and temporary files."""
        own = {"TMPDIR": str(self.root), "BLUT_LEASES": str(self.root / "leases")}
        return {**os.environ, **(env or {}), **own}

    def start(
        self, words: Sequence[str], env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> "subprocess.Popen[str]":
        """Start a command there, and a session with it."""
        return subprocess.Popen(
            self.command(words),
            env=self.environment(env),
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(
        self, words: Sequence[str], env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command there to its end."""
        environment = self.environment(env)
        return subprocess.run(
            self.command(words), env=environment, cwd=cwd, capture_output=True, text=True, check=False
        )


def processes(session: int) -> list[int]:
    """All processes of a box that was started as this session leader, as this kernel counts them."""
    found, todo = [], [session]
    while todo:
        pid = todo.pop()
        found.append(pid)
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            todo += map(int, task.read_text().split())
    return found


def signal_all(session: int, number: int) -> None:
    """Send a signal to all of them: the whole box stops, goes on, or dies."""
    for pid in processes(session):
        os.kill(pid, number)

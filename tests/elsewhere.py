"""A process in another container, or on another machine, as far as it can tell: it shares only the disk."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

SCRIPT = """\
set -e
mount --make-rprivate /
hostname "$1"
if [ "$2" = other ]; then
    cat /proc/sys/kernel/random/uuid > "$3/boot_id"
    mount --bind "$3/boot_id" /proc/sys/kernel/random/boot_id
fi
shift 3
exec "$@"
"""


def command(words: Sequence[str], scratch: Path, *, boot: str = "same", host: str = "boxb") -> list[str]:
    """What runs a command with its own processes, host name and, for ``other``, boot."""
    scratch.mkdir(parents=True, exist_ok=True)
    space = ["unshare", "--pid", "--fork", "--kill-child", "--mount", "--uts", "--mount-proc"]
    return [*space, "sh", "-c", SCRIPT, "sh", host, boot, str(scratch), *words]


def run(
    words: Sequence[str],
    scratch: Path,
    *,
    boot: str = "same",
    host: str = "boxb",
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """The same to its end; it has a directory for temporary files and leases of its own."""
    own = {"TMPDIR": str(scratch), "BLUT_LEASES": str(scratch / "leases")}
    return subprocess.run(
        command(words, scratch, boot=boot, host=host),
        env={**os.environ, **(env or {}), **own},
        capture_output=True,
        text=True,
        check=False,
    )


def demand() -> None:
    """Skip the test where namespaces cannot be made."""
    done = subprocess.run(
        ["unshare", "--pid", "--fork", "--mount", "--uts", "--mount-proc", "true"], capture_output=True
    )
    if done.returncode:
        pytest.skip(f"no namespaces here, they take root: {done.stderr.decode().strip()}")

"""A command gets exactly what it was given; what it writes is kept; nobody else sees its environment."""

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.blut_resources.containment.units import ENV, PYTHON, output, shell, start
from tests.owners import PATIENCE_S, within

AWKWARD = [
    "$HOME",
    "${X} $$",
    "%n %% 100%",
    "a b",
    "",
    'quo"te',
    "it's",
    "back\\slash",
    "new\nline",
    "-x",
    "é",
]
REPORT = """
import json, os, signal, sys
json.dump({
    "words": sys.argv[1:], "env": dict(os.environ), "cwd": os.getcwd(), "umask": os.umask(0),
    "fds": sorted(os.listdir("/proc/self/fd")), "stdin": os.readlink("/proc/self/fd/0"),
    "session": os.getsid(0) == os.getpid(), "mask": sorted(signal.pthread_sigmask(0, [])),
}, sys.stdout)
"""


def test_unchanged(place: Path, backend: str, tmp_path: Path) -> None:
    env = {**ENV, **{f"AWKWARD_{number}": word for number, word in enumerate(AWKWARD)}, "BYTES": "\udcff"}
    os.set_inheritable(leak := os.open("/dev/null", os.O_RDONLY), True)
    before = os.umask(0o027)
    try:
        unit = start(place, [*PYTHON, "-c", REPORT, *AWKWARD, "\udcfe"], backend, env=env, cwd=tmp_path)
    finally:
        os.umask(before)
        os.close(leak)
    with unit:
        assert unit.wait(PATIENCE_S).ok, output(unit)
        found = json.loads(output(unit))
    assert found["words"] == [*AWKWARD, "\udcfe"]
    found["env"].pop("LC_CTYPE", None)  # of Python's own making
    found["env"].pop("BLUT_UNIT", None)
    assert found["env"] == env
    assert (found["cwd"], found["umask"], found["stdin"]) == (str(tmp_path), 0o027, "/dev/null")
    assert found["fds"] == ["0", "1", "2", "3"]  # the last one lists them
    assert found["session"] and not found["mask"]


def test_output_of_both_kinds_is_in_the_log(place: Path) -> None:
    with start(place, shell("echo one; echo two >&2; echo three"), "none") as unit:
        unit.wait(PATIENCE_S)
    assert output(unit) == "one\ntwo\nthree\n"


def test_a_broken_pipe_kills_as_usual(place: Path) -> None:
    """Python ignores SIGPIPE, its payloads' tools may not."""
    with start(place, shell("kill -PIPE $$; echo still here"), "none") as unit:
        assert unit.wait(PATIENCE_S).signal == signal.SIGPIPE


def test_secrets_are_for_this_user_only(place: Path) -> None:
    with start(place, shell("sleep 300", "hunter1"), "none", env={**ENV, "TOKEN": "hunter2"}) as unit:
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
        assert {stat.S_IMODE(path.stat().st_mode) for path in place.iterdir()} == {0o600}
        supervisor = json.loads((place / "unit.json").read_text())["pid"]
        words = Path(f"/proc/{supervisor}/cmdline").read_bytes()
        assert b"hunter" not in words and b"supervisor/forks.py" in words
        assert unit.name.startswith("blut-kept-")


@pytest.mark.parametrize(
    "bad", [{"command": ["echo", "a\0b"]}, {"env": {"A=B": "x"}}, {"env": {"A": "a\0b"}}, {"env": {"": "x"}}]
)
def test_what_no_program_can_be_given(place: Path, bad: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="cannot be handed to a program"):
        start(place, **{"command": ["true"], "backend": "none", **bad})  # pyright: ignore[reportArgumentType]


def test_fifty_launches_leave_nothing(tmp_path: Path, backend: str) -> None:
    """No descriptor, no child (see the fixture of all these tests), no cgroup."""
    for number in range(50):
        with start(tmp_path / str(number), ["true"], backend) as unit:
            assert unit.wait(PATIENCE_S).ok


def test_the_supervisor_imports_next_to_nothing() -> None:
    """It starts before every payload: `typing` alone would double its time."""
    entry = Path(__file__).parents[3] / "blut_resources/containment/supervisor/entry.py"
    command = [sys.executable, "-I", "-S", "-X", "importtime", entry, "/no/such/spec"]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if "|" in line}
    assert "blut_resources.containment.supervisor.main" in loaded
    assert not loaded & {"typing", "json", "re", "enum", "ctypes", "subprocess", "contextlib", "importlib"}


def test_no_file_holds_what_is_in_the_environment(place: Path, backend: str) -> None:
    """A unit that outlives its owner keeps its directory for days; a token would lie there."""
    secret = "hunter2-" * 16_000  # more than a pipe holds at once
    script = "import os, time; print(len(os.environ['TOKEN']), flush=True); time.sleep(300)"
    with start(place, [*PYTHON, "-c", script], backend, env={**ENV, "TOKEN": secret}) as unit:
        within(PATIENCE_S, lambda: output(unit) == f"{len(secret)}\n")
        files = [path for path in place.rglob("*") if path.is_file()]
        assert {"spec.json", "unit.json"} <= {path.name for path in files}
        assert not any(b"hunter2" in path.read_bytes() for path in files)

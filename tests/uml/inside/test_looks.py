"""What a running unit looks like: to the kernel, to ``systemctl`` and ``ps``, and to its own command."""

import json
import re
import time
from pathlib import Path
from typing import Any

from tests.owners import CGROUPS, PATIENCE_S, Owner, Who
from tests.uml.inside.scenes import MIB, PYTHON, start

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
import json, os, sys, time
with open("/proc/self/cgroup") as file:
    cgroup = file.read().rpartition("0::")[2].strip()
with open(sys.argv[1] + ".new", "w") as file:
    json.dump({"words": sys.argv[2:], "env": dict(os.environ), "cwd": os.getcwd(), "cgroup": cgroup}, file)
os.rename(sys.argv[1] + ".new", sys.argv[1])
time.sleep(300)
"""


def test_running(who: Who) -> None:
    place = who.place("looks")
    seen = place / "seen"
    limits = {"memory_max": 64 * MIB, "memory_high": 48 * MIB, "tasks_max": 50, "cpu_weight": 50}

    def act(owner: Owner) -> Any:
        command = [*PYTHON, "-c", REPORT, str(seen), *AWKWARD]
        with start(who, place, command, name="looks/at me", **limits):
            deadline = time.monotonic() + PATIENCE_S
            while not seen.exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            owner.tell("up")
            time.sleep(300)

    owner = Owner(who, act)
    try:
        assert owner.told() == "up"
        payload = json.loads(seen.read_text())
        unit = Path(payload["cgroup"]).name.removesuffix(".service")
        assert payload["words"] == AWKWARD
        assert payload["cwd"] == "/"
        assert payload["env"].pop("SECRET") == "hunter2"
        assert not {"INVOCATION_ID", "JOURNAL_STREAM", "MAINPID"} & set(payload["env"])
        assert re.fullmatch(r"blut-looks.at.me-[0-9a-f]{6}", unit), unit
        _check_limits(CGROUPS / payload["cgroup"].lstrip("/"))
        _check_secrecy()
        if who.backend == "systemd":
            assert f"{unit}.service" in who.systemctl("list-units")
            shown = who.systemctl("show", f"{unit}.service")
            assert "hunter2" not in shown and "ActiveState=active" in shown
            assert "/blut.slice/" in shown
    finally:
        owner.kill()


def _check_limits(cgroup: Path) -> None:
    wanted = {
        "memory.max": str(64 * MIB),
        "memory.high": str(48 * MIB),
        "memory.swap.max": "0",
        "memory.oom.group": "1",
        "pids.max": "50",
        "cpu.weight": "50",
    }
    # without swap in the kernel there is nothing to limit, and no file
    found = {file: (cgroup / file).read_text().strip() for file in wanted if (cgroup / file).exists()}
    assert found == {file: value for file, value in wanted.items() if file in found}
    assert set(wanted) - set(found) <= {"memory.swap.max"}


def _check_secrecy() -> None:
    for words in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert b"hunter2" not in words.read_bytes()
        except OSError:
            continue

"""What it costs to contain a command: from the launch of a unit that runs ``true`` until its end is known and
nothing of it is left, in the milliseconds that each backend adds to ``subprocess.run`` or to the supervisor.

Where systemd does not run, it is measured where the tests boot it: on this machine's kernel (cgroup v1), at
full speed, and in User-Mode Linux (cgroup v2), where all is many times slower, ``subprocess.run`` too.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from pathlib import Path

from bench.measure import REPOSITORY, in_turns, median, timed
from bench.table import Quantity, Row, Target, skipped
from blut_resources.containment import Limits, launch
from blut_resources.containment.backends.choose import backend

BARE = "subprocess.run"
SUPERVISED = "none"
LIMIT = 1 << 30
BOOTS = {
    "this kernel, cgroup v1": REPOSITORY / "tests" / "hybrid" / "boot.sh",
    "User-Mode Linux, cgroup v2": REPOSITORY / "tests" / "uml" / "boot.sh",
}
BOOT_TIMEOUT_S = 240
Samples = dict[str, list[float]]
"""Milliseconds by contender, round by round."""


def bare() -> None:
    subprocess.run(["/bin/true"], check=True)


def contained(name: str, places: Path, numbers: count) -> None:
    """From the call until the outcome is known and nothing of the unit is left."""
    place = places / f"{name}-{next(numbers)}"
    limits = Limits(backend=name, memory_max=None if name == SUPERVISED else LIMIT)  # pyright: ignore[reportArgumentType]
    with launch(["/bin/true"], env={}, limits=limits, place=place, name="bench") as unit:
        outcome = unit.wait(30)
    if not outcome.ok:
        raise RuntimeError(f"{name}: {outcome.describe()}")


def measure(names: Sequence[str], rounds: int) -> Samples:
    """Every backend and the bare subprocess in turns, on this machine."""
    with tempfile.TemporaryDirectory() as directory:
        contenders: dict[str, Callable[[], None]] = {BARE: bare}
        for name in names:
            contenders[name] = partial(contained, name, Path(directory), count())
        turns = {name: partial(timed, call) for name, call in contenders.items()}
        in_turns(1, turns)
        found = in_turns(rounds, turns)
    return {name: [run.wall * 1000 for run in runs] for name, runs in found.items()}


def booted(script: Path, rounds: int) -> Samples:
    """The same for systemd in a machine of its own; raises RuntimeError with the reason if there is none."""
    inside = [sys.executable, "-m", "bench.containment", str(rounds), SUPERVISED, "systemd"]
    command = [script, "-t", str(BOOT_TIMEOUT_S), "--", *inside]
    done = subprocess.run(command, cwd=REPOSITORY, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError((done.stderr or done.stdout).strip()[-300:])
    return json.loads(done.stdout.splitlines()[-1])


def rows(quick: bool) -> list[Row]:
    """The supervisor alone, then what each backend adds to it or to the bare subprocess; or why it cannot."""
    rounds = 5 if quick else 15
    reasons = {name: backend(name).unavailable() for name in ("cgroup2", "cgroup1", "systemd")}
    here = measure([SUPERVISED, *(name for name, reason in reasons.items() if not reason)], rounds)
    found = [_added("supervised, not contained", here, SUPERVISED, BARE)]
    for name, reason in reasons.items():
        found += [skipped("containment", name, reason)] if reason else _rows(name, here, "")
    if reasons["systemd"]:
        for where, script in BOOTS.items():
            found += _booted_rows(where, script, 3 if quick else 9)
    return found


def _booted_rows(where: str, script: Path, rounds: int) -> list[Row]:
    try:
        return _rows("systemd", booted(script, rounds), f" ({where})")
    except RuntimeError as error:
        return [skipped("containment", f"systemd ({where})", str(error))]


def _rows(name: str, samples: Samples, where: str) -> list[Row]:
    if name == "systemd":
        # no target was meant for a kernel that is itself a process
        target = None if "User-Mode" in where else Target("ours", "<=", 150)
        return [_added(f"systemd{where}", samples, name, BARE, target)]
    return [_added(f"{name}, beyond the supervisor", samples, name, SUPERVISED, Target("ours", "<=", 10))]


def _added(case: str, samples: Samples, name: str, against: str, target: Target | None = None) -> Row:
    """Milliseconds more than the other, round by round; what both took is in the note."""
    added = [mine - other for mine, other in zip(samples[name], samples[against], strict=True)]
    taken = {what: round(median(samples[what]), 1) for what in (name, against)}
    note = f"{name} {taken[name]} ms - {against} {taken[against]} ms"
    return Row("containment", case, Quantity("ms", added), f"more than {against}", target=target, note=note)


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[2:], int(sys.argv[1]))))

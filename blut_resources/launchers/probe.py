"""Asks a node of a profile what it sees: the share, which code, which environment, and what time it is.

On the node: ``python -P -m blut_resources.launchers.probe DIRECTORY``.
"""

import json
import os
import shlex
import shutil
import sys
import tempfile
import time
from hashlib import blake2b
from pathlib import Path
from typing import Any

from blut_resources.launchers.node import FRAMEWORK, environment
from blut_resources.launchers.profiles import Profile
from blut_resources.launchers.ray import Ray
from blut_resources.launchers.schedulers import scheduler_by
from blut_resources.launchers.transport import NoAnswer, ask
from blut_resources.machine import wire

ANSWER = "answer.json"
PATIENCE_S, POLL_S, LATE_S = 20.0, 0.1, 5.0
"""Seconds for which a node is waited for, between two looks, and for an answer after its job has ended."""
SKEW_S = 1.0
"""Seconds by which the clock of a node may differ: more, and ages of files and locks mean little."""
MEMORY = "--mem=128M"
UNSEEN = "did not see"
"""The words for a share that is not there on a node."""


def probe(profile: Profile, source: Path, share: Path) -> str:
    """Says what is wrong with the nodes of a profile, by a job that only looks; empty if nothing is.

    Args:
        source: where nodes have the source.
        share: a directory that they are to see.
    """
    place = Path(tempfile.mkdtemp(prefix=".blut-probe-", dir=share))
    try:
        return _probe(profile, source, place)
    except NoAnswer as error:
        return f"{profile.kind.capitalize()}: {error}"
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _probe(profile: Profile, source: Path, place: Path) -> str:
    words = [profile.python or sys.executable, "-P", "-m", __name__, str(place)]
    command = f"PYTHONPATH={shlex.quote(str(source))} exec {shlex.join(words)}"
    asked, scheduler = time.time(), scheduler_by(profile)
    job = scheduler.look_around(command) if isinstance(scheduler, Ray) else _sbatch(profile, command, place)
    sight, ends = scheduler.look([job])[job], time.monotonic() + PATIENCE_S
    while (said := wire.read(place / ANSWER)) is None and time.monotonic() < ends:
        time.sleep(POLL_S)
        if sight.state != "ended" and (sight := scheduler.look([job])[job]).state == "ended":
            ends = min(ends, time.monotonic() + LATE_S)
    if said:
        return _judge(said, asked, time.time())
    if sight.state == "ended":
        printed = (place / "log").read_text(errors="replace").strip() if (place / "log").exists() else ""
        ended = f"it ended as {sight.word}, and left no file ({sight.reason or 'it does not say why'})"
        last = printed.splitlines()[-1] if printed else ended
        return f"a job on {sight.node or 'a node'} {UNSEEN} {place.parent}, or could not start: {last}"
    scheduler.end(job, at_once=True)
    return f"no node has begun a job within {PATIENCE_S:g} s ({sight.reason or sight.state})"


def _sbatch(profile: Profile, command: str, place: Path) -> str:
    """Returns the id of a job that runs a line of shell. Raises NoAnswer, with the words of Slurm."""
    named = [(name, getattr(profile, name)) for name in ("partition", "account", "qos", "constraint")]
    options = [f"--{name}={value}" for name, value in named if value]
    words = ["sbatch", "--parsable", "--job-name=blut-doctor", f"--output={place / 'log'}", "--time=1"]
    words += [MEMORY, *options, *profile.options, "--export=PATH,HOME"]
    answer = ask(words, PATIENCE_S, f"#!/bin/sh\n{command}\n")
    if answer.status:
        raise NoAnswer(f"it takes no job: {answer.err}")
    return answer.out.strip().partition(";")[0]


def _judge(said: dict[str, Any], asked: float, heard: float) -> str:
    node, wrong = said["node"], []
    if said["code"] != code_digest(Path(FRAMEWORK)):
        wrong.append(f"{node} has other code, in {said['source']}")
    here = environment()
    for name in sorted({*said["environment"], *here}):
        there = said["environment"].get(name)
        if there != here.get(name):
            wrong.append(f"{name} is {there} on {node} and {here.get(name)} here")
    if not asked - SKEW_S <= said["time"] <= heard + SKEW_S:
        wrong.append(f"the clock of {node} is {said['time'] - heard:+.1f} s off")
    return "; ".join(wrong)


def code_digest(source: Path) -> str:
    """Returns one digest over the Python files of Blut in a directory."""
    found = blake2b(digest_size=20)
    for package in ("blut_assets", "blut_resources"):
        for path in sorted((source / package).rglob("*.py")):
            found.update(f"{path.relative_to(source)}\n".encode() + path.read_bytes())
    return found.hexdigest()


def main() -> None:
    """Write down what is seen here."""
    seen = {"node": os.uname().nodename, "time": time.time(), "source": FRAMEWORK}
    seen |= {"code": code_digest(Path(FRAMEWORK)), "environment": environment()}
    wire.write(Path(sys.argv[1]) / ANSWER, json.loads(json.dumps(seen)))


if __name__ == "__main__":
    main()

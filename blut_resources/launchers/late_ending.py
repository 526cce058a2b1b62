"""Ends a job that nobody waits for any more, as soon as its scheduler answers: a process of its own.

A controller that is away when a run ends does not hear of that. When it is back it may hold the job for one
that waits, and start it again: that one would find no order, but stay in the queue for good.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

from blut_resources.launchers.node import FRAMEWORK
from blut_resources.launchers.transport import NoAnswer

PATIENCE_S = 24 * 3600.0
FIRST_S, MOST_S = 1.0, 30.0
"""Seconds between two tries: of the first, and at most."""
SURE = 3
"""How often in a row it must be seen to be over: a controller that has just started remembers slowly."""


def end_later(launch: Mapping[str, Any]) -> None:
    """Start a process that ends the job of an order when its scheduler answers; it outlives this one."""
    told = json.dumps({name: launch[name] for name in ("scheduler", "where", "comment")})
    command = [sys.executable, "-P", "-m", "blut_resources.launchers.late_ending", told]
    env, null = {**os.environ, "PYTHONPATH": FRAMEWORK}, subprocess.DEVNULL
    subprocess.Popen(command, env=env, cwd="/", start_new_session=True, stdin=null, stdout=null, stderr=null)


def main() -> None:
    """Try until the job is known to have ended."""
    from blut_resources.launchers.schedulers import scheduler_of

    launch = json.loads(sys.argv[1])
    scheduler, ends, pause, over = scheduler_of(launch), time.monotonic() + PATIENCE_S, FIRST_S, 0
    while over < SURE and time.monotonic() < ends:
        try:
            job = scheduler.find(launch["comment"])
            over = over + 1 if job is None or scheduler.look([job])[job].state in ("ended", "unknown") else 0
            if job and not over:
                scheduler.end(job, at_once=True)
            pause = FIRST_S
        except NoAnswer:
            over, pause = 0, min(2 * pause, MOST_S)
        time.sleep(pause)


if __name__ == "__main__":
    main()

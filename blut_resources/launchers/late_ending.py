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
from blut_resources.launchers.scheduler import Scheduler
from blut_resources.launchers.transport import NoAnswer

PATIENCE_S = 24 * 3600.0
FIRST_S, MOST_S = 1.0, 30.0
"""Seconds between two tries: of the first, and at most."""
MARGIN_S = 30.0
"""Seconds beyond the grace period after which a job is ended at once."""
SURE = 3
"""How often in a row it must be seen to be over: a controller that has just started remembers slowly."""


def end_later(launch: Mapping[str, Any], grace_s: float) -> None:
    """Start a process that ends the job of an order when its scheduler answers; it outlives this one.

    Args:
        grace_s: seconds that the job has for that, if it runs.
    """
    known = {name: launch[name] for name in ("scheduler", "where", "comment")}
    told = json.dumps({**known, "grace_s": grace_s})
    command = [sys.executable, "-P", "-m", "blut_resources.launchers.late_ending", told]
    env, null = {**os.environ, "PYTHONPATH": FRAMEWORK}, subprocess.DEVNULL
    subprocess.Popen(command, env=env, cwd="/", start_new_session=True, stdin=null, stdout=null, stderr=null)


def main() -> None:
    """End the job that an order, given as JSON, has become."""
    from blut_resources.launchers.schedulers import scheduler_of

    launch = json.loads(sys.argv[1])
    end_job(scheduler_of(launch), launch["comment"], launch["grace_s"])


def end_job(scheduler: Scheduler, comment: str, grace_s: float) -> None:
    """Try until a job is known to have ended, for a day at most.

    Args:
        comment: by which it is found.
        grace_s: seconds from when it was first asked, while it ran, to when it is ended at once.
    """
    ends, pause, over = time.monotonic() + PATIENCE_S, FIRST_S, 0
    at_once_from = float("inf")
    while over < SURE and time.monotonic() < ends:
        try:
            job = scheduler.find(comment)
            state = scheduler.look([job])[job].state if job else "ended"
            over = over + 1 if state in ("ended", "unknown") else 0
            if job and not over:
                at_once = state == "waiting" or time.monotonic() > at_once_from
                scheduler.end(job, at_once=at_once)
                at_once_from = min(at_once_from, time.monotonic() + grace_s + MARGIN_S)
            pause = FIRST_S
        except NoAnswer:
            over, pause = 0, min(2 * pause, MOST_S)
        time.sleep(pause)


if __name__ == "__main__":
    main()

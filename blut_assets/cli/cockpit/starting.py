"""Starts a run from the cockpit, as a process that needs neither it nor its terminal."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

COMMAND = (sys.executable, "-P", "-c", "from blut_assets.cli import main; main()")
TOLD_LINES = 6
"""Lines of what a refused run was told that are shown, the last."""


def start(
    recipe: str, args: Mapping[str, Any], partition: str | None, tell: Callable[[str, str], object]
) -> None:
    """Start a run as `blut recipe run --detach` does, and tell from another thread what became of it.

    Args:
        args: what goes with the run; files of settings and variables say the rest, as for the command.
        tell: gets the id of the run, empty where it was refused, and a sentence.
    """
    words = [*COMMAND, "recipe", "run", recipe, "--args", json.dumps(args)]
    words += [] if partition is None else ["--partition", partition]
    words += ["--detach", "--json"]
    threading.Thread(target=_start, args=(words, tell), name="blut-start", daemon=True).start()


def said_by(words: list[str]) -> str:
    """Returns in one line what a command of `blut` says, once it has ended."""
    try:
        done = _done([*COMMAND, *words])
    except OSError as error:
        return f"it could not be started: {error}"
    said = [*done.stdout.split("\n"), *done.stderr.splitlines()[-TOLD_LINES:]]
    return "; ".join(filter(None, said)) or f"it ended with status {done.returncode}"


def _start(words: list[str], tell: Callable[[str, str], object]) -> None:
    try:
        done = _done(words)
        said = done.stderr.strip()
        if done.returncode == 0:
            run = json.loads(done.stdout)["run_id"]
            goes_on = f"run {run[:8]} goes on in the background, whatever becomes of this"
            tell(run, "; ".join([goes_on, *said.splitlines()]))
            return
    except (OSError, ValueError, KeyError) as error:
        tell("", f"it could not be started: {error}")
        return
    told = said.splitlines()[-TOLD_LINES:] or [f"it ended with status {done.returncode}"]
    tell("", "not started: " + "\n".join(told))


def _done(words: list[str]) -> "subprocess.CompletedProcess[str]":
    # of a session of its own: no key that is typed here, and no end of this terminal, is meant for it
    return subprocess.run(
        words, stdin=subprocess.DEVNULL, capture_output=True, text=True, start_new_session=True, check=False
    )

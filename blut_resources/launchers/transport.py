"""Runs the commands of a scheduler, each within a time: a controller that is away lets them hang."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from typing import NamedTuple

OURS = ("SBATCH_", "SLURM_", "SQUEUE_", "SCANCEL_", "SINFO_")
"""Variables that would change what a command is asked: of a job around this process, or of its user."""
KEPT = ("SLURM_CONF", "SLURM_TIME_FORMAT")


class NoAnswer(Exception):
    """Says that a scheduler did not answer; what it does now is not known."""


class CommandAnswer(NamedTuple):
    """Holds what a command has said."""

    status: int
    out: str
    err: str


def ask(
    words: Sequence[str], limit_s: float, text: str = "", more: Mapping[str, str] | None = None
) -> CommandAnswer:
    """Run a command of a scheduler, with text for its standard input; returns what it says.

    Args:
        limit_s: seconds after which it is given up.
        more: variables that it gets besides.

    Raises:
        NoAnswer: it said nothing in time, or there is no such program.
    """
    env = {k: v for k, v in os.environ.items() if k in KEPT or not k.startswith(OURS)}
    env |= {**(more or {}), "LC_ALL": "C"}
    try:
        done = subprocess.run(
            words,
            input=text,
            env=env,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit_s,
            process_group=0,  # Ctrl-C on the terminal is not for it
        )
    except subprocess.TimeoutExpired:
        raise NoAnswer(f"{words[0]} has said nothing for {limit_s:g} s") from None
    except OSError as error:
        raise NoAnswer(f"{words[0]} cannot be run: {error.strerror}") from None
    return CommandAnswer(done.returncode, done.stdout, done.stderr.strip())

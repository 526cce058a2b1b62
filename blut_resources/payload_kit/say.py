"""Says things to whoever reads the log of its run. Figures go through the session's events."""

import sys


def say(text: str) -> None:
    """Write a line to the log of the run, at once."""
    print(text, file=sys.stderr, flush=True)

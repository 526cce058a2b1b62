"""What a long history costs: the commands that look at it, after 2000 runs against after 20."""

import os
import sys
from functools import partial

from bench.homes import make_home, scratch
from bench.measure import in_turns, python, run
from bench.startup import cli
from bench.table import Row, Target, wall

COMMANDS = (("cache", "show"), ("doctor",), ("jobs",))
SHORT = 20


def rows(quick: bool) -> list[Row]:
    """One line a command. Most runs reuse what the first ones computed."""
    long, found = 200 if quick else 2000, []
    with scratch() as directory:
        # the cache of the user, whose size a command may add up, would weigh more
        own = {"XDG_CACHE_HOME": str(directory / "cache"), "BLUT_LEASES": str(directory / "leases")}
        homes = {n: {**os.environ, **make_home(directory / str(n)), **own} for n in (SHORT, long)}
        for number, env in homes.items():
            run([sys.executable, "-m", "bench.history_graph", str(number)], env=env)
        for words in COMMANDS:
            ask = {str(n): partial(python, cli(*words), env=env, expect=None) for n, env in homes.items()}
            in_turns(1, ask)
            runs = in_turns(3 if quick else 5, ask)
            after = [wall(runs[str(number)]) for number in (long, SHORT)]
            name = f"blut {' '.join(words)}, {long} runs"
            limit = Target("ratio", "<=", 1.2)
            found.append(Row("history", name, after[0], f"{SHORT} runs", after[1], limit))
    return found

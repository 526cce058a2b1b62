"""How long it takes until Blut can answer, against the floor of every Dagster command: ``import dagster``."""

from functools import partial

from bench.measure import in_turns, median, python
from bench.table import Quantity, Row, Target, peak, wall

FLOOR = "import dagster"
QUIET_FLOOR_S = 0.63
"""What the floor took on the idle machine on which the targets in seconds were set."""

CLI = "import sys; sys.argv = ['blut', *{args!r}]; from blut_assets.cli import main; main()"


def cli(*args: str) -> str:
    """Python code that is the `blut` command with these arguments, of this checkout."""
    return CLI.format(args=list(args))


def on_quiet_machine(ours: Quantity, floor: Quantity) -> str:
    """A wall time scaled to that machine, because a target in seconds says little about a busy one."""
    ratio = median([a / b for a, b in zip(ours.values, floor.values, strict=True)])
    return f"where {FLOOR} takes {QUIET_FLOOR_S} s: {ratio * QUIET_FLOOR_S:.2f} s"


def rows(quick: bool) -> list[Row]:
    """Definitions load and ``blut recipe list``."""
    contenders = {
        FLOOR: partial(python, FLOOR),
        "definitions": partial(python, "import blut_assets.definitions"),
        "list": partial(python, cli("recipe", "list")),
    }
    in_turns(1, contenders)  # byte code is compiled and files are read once
    runs = in_turns(3 if quick else 7, contenders)
    if "lamquant_joint_codec" not in runs["list"][-1].stdout:
        raise RuntimeError("the cookbook is left out: a load without it measures nothing")
    base, load, listing = (runs[name] for name in contenders)
    ratio, memory = Target("ratio", "<=", 1.6), Target("ours", "<=", 200)
    return [
        Row("startup", "load definitions", wall(load), FLOOR, wall(base), ratio),
        Row("startup", "load definitions, peak memory", peak(load), FLOOR, peak(base), memory),
        Row("startup", "blut recipe list", wall(listing), FLOOR, wall(base)),
        Row("startup", "blut recipe list, peak memory", peak(listing), FLOOR, peak(base)),
    ]

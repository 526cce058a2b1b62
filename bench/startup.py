"""How long it takes until Blut can answer, against the floor of every Dagster command: ``import dagster``."""

from functools import partial

from bench.measure import in_turns, python
from bench.table import Row, Target, peak, wall

FLOOR = "import dagster"
CLI = "import sys; sys.argv = ['blut', *{args!r}]; from blut_assets.cli import main; main()"


def cli(*args: str) -> str:
    """Python code that is the `blut` command with these arguments, of this checkout."""
    return CLI.format(args=list(args))


def rows(quick: bool) -> list[Row]:
    """Definitions load and ``blut recipe list``."""
    contenders = {
        FLOOR: partial(python, FLOOR),
        "definitions": partial(python, "import blut_assets.definitions"),
        "list": partial(python, cli("recipe", "list")),
    }
    in_turns(1, contenders)  # byte code is compiled and files are read once
    runs = in_turns(3 if quick else 7, contenders)
    base, load, listing = (runs[name] for name in contenders)
    ratio, memory = Target("ratio", "<=", 1.6), Target("ours", "<=", 200)
    return [
        Row("startup", "load definitions", wall(load), FLOOR, wall(base), ratio),
        Row("startup", "load definitions, peak memory", peak(load), FLOOR, peak(base), memory),
        Row("startup", "blut recipe list", wall(listing), FLOOR, wall(base)),
        Row("startup", "blut recipe list, peak memory", peak(listing), FLOOR, peak(base)),
    ]

"""Declares the options of a sweep, and reads them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from blut_assets.terminal.output import wrong

if TYPE_CHECKING:
    from blut_assets.cli.sweep.order import SweepOrder
    from blut_assets.layers.resolve import Layered

PANEL = "Sweeps"
Axes = Annotated[
    list[str] | None,
    typer.Option(
        "--sweep", metavar="KEY=VALUES", help="A run for each of these values: A,B, range(START,STOP,STEP),"
        " choice(A,B) or glob(PATTERN). Any number of times, each with each.",
    ),
]  # fmt: skip
GridFile = Annotated[
    Path | None,
    typer.Option(
        "--sweep-file", metavar="FILE", help="YAML with axes, zip (axes that advance together), include and"
        " exclude.",
    ),
]  # fmt: skip
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs", "-j", min=1, max=256, help="Of a sweep: so many runs at once; by default as many as this"
        " machine has memory, CPUs and GPUs for.",
    ),
]  # fmt: skip
FailFast = Annotated[bool, typer.Option("--fail-fast", help="Of a sweep: end it when a run fails.")]
RetryFailed = Annotated[
    Literal["yes", "no"],
    typer.Option("--retry-failed", help="Of a sweep that goes on: whether what had failed runs again."),
]
RunAsJson = Annotated[
    bool,
    typer.Option("--json", help="With --detach: print as JSON what goes on alone; with --dry-run: the plan."),
]


def sweep_given(
    found: "Layered",
    sets: Sequence[str] | None,
    axes: Sequence[str] | None,
    file: Path | None,
    partitions: "Sequence[str | None]",
    resolved: "Callable[[Sequence[str]], Mapping[str, Any]]",
) -> "SweepOrder":
    """Returns the sweep that the options stand for; else ends the command with status 2.

    Args:
        found: what the layers of settings say, which all trials share.
        sets: what ``--set`` says of it.
        resolved: what they say where ``--config`` chooses these options of groups too.
    """
    from blut_assets.cli.sweep.groups import with_options
    from blut_assets.cli.sweep.order import grid_given, ordered

    grid = grid_given(found.recipe, axes or (), file, sets or ())
    told = [*(axes or ()), *([f"{file}"] if file else ())]
    values, grid = with_options(found.recipe, found.values, grid, resolved)
    return ordered(found.recipe, values, grid, partitions, told)


def refuse_alone(**given: Any) -> None:
    """End the command with status 2 if an option is given that only a sweep has."""
    for name, value in given.items():
        if value:
            wrong(f"--{name.replace('_', '-')} is for a sweep: give it with --sweep or --sweep-file")

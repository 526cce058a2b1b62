"""Implements `blut tui`: the cockpit, or with --check its views as text."""

import sys
from typing import Annotated

import typer

from blut_assets.terminal.lazy import single
from blut_assets.terminal.output import failed, wrong
from blut_resources.screen import is_plain

app = single()
OPENS, CLEAR = "blut: opening the cockpit ...", "\r\x1b[K"
VIEWS = ("J", "L", "M", "B", "V", "R", "D", "G", "I", "C", "A", "H", "Y", "S", "?")


@app.command()
def tui(
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Print each view as text instead; status 1 if something is wrong with one."
        ),
    ] = False,
    size: Annotated[
        str, typer.Option("--size", metavar="WxH", help="Columns and lines of the screen of --check.")
    ] = "80x24",
    view: Annotated[
        str,
        typer.Option("--view", metavar="KEY", help="Begin with this view, or check it alone, such as J."),
    ] = "",
) -> None:
    """Open the cockpit: runs as they go on, their logs, verdicts, and this machine, by keys.

    It only reads, but for four keys: `c` cancels a run and says before what is lost, `R` starts one as a
    process of its own, `p` in `D` promotes a model whose name you type, and `x` writes runs to where you
    type. `q` ends no run. `blut` alone opens it too, on a terminal. `?` lists the keys.
    """
    if view and view not in VIEWS:
        wrong(f"--view {view!r} is none of {', '.join(VIEWS)}")
    if check:
        raise typer.Exit(_check([view] if view else [*VIEWS], _size(size)))
    if is_plain():
        failed("blut tui draws its screen anew, which --plain forbids: `blut tui --check` prints its views")
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):  # it draws on the last
        failed("blut tui needs a terminal; `blut tui --check` prints its views")
    _say(OPENS)  # what draws takes longer to import than anybody waits without a word
    from blut_assets.cli.cockpit.board import Cockpit

    Cockpit(view or "J").run(mouse=False)
    _say(CLEAR)


def _say(text: str) -> None:
    """Write to the terminal itself: the stream of the command obeys nothing that clears a line."""
    if sys.__stderr__ is not None:
        sys.__stderr__.write(text)
        sys.__stderr__.flush()


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) >= 20 and 6 <= int(height) <= 1000):
        wrong(f"--size {text!r}: give columns and lines, such as 80x24; 20x6 at least")
    return int(width), int(height)


def _check(views: list[str], size: tuple[int, int]) -> int:
    from blut_assets.cli.cockpit.check import check

    lines, faults = check(views, size)
    typer.echo("\n".join(lines))
    for fault in faults:
        typer.echo(fault, err=True)
    return 1 if faults else 0

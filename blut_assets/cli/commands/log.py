"""Implements `blut log ID`:
what happened in a run, a line per event, from its own stream or Dagster's log.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blut_assets.cli.shell.completion import RunId
from blut_assets.terminal.lazy import single
from blut_assets.terminal.output import LineTimes
from blut_assets.terminal.output import as_json as json_line
from blut_resources.text import output

if TYPE_CHECKING:
    import dagster as dg

app = single()
POLL_S, REAP_S = 0.5, 3.0
Event = dict[str, Any]


@app.command()
def log(
    run_id: RunId,
    tail: Annotated[int, typer.Option("--tail", "-n", min=0, help="Only the last so many; 0 for all.")] = 0,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run has ended.")] = False,
    events: Annotated[
        bool, typer.Option("--events", help="The run's own event stream: also steps and gauges.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object a line.")] = False,
    printed: Annotated[bool, typer.Option("--output", help="What its processes printed.")] = False,
) -> None:
    """Show what happened in a run.

    One line per event, oldest first. Also of one that runs in another terminal, in the UI or in the
    background: --follow goes on until it ends, and ends with its status: 0 if it succeeded, 124 if its
    deadline came, 130 if it was cancelled or interrupted, else 1. Ctrl-C ends only the following.
    """
    from blut_assets.cli.run.lookup import run_named, status_of
    from blut_assets.cli.views.log import RunLog, RunStream, event_line
    from blut_resources.instance.instance import home_of, open_instance
    from blut_resources.runs.files import status_path
    from blut_resources.runs.hang_up import end_on_hang_up

    end_on_hang_up()  # as Ctrl-C does: a terminal that is closed leaves no temporary directory
    with open_instance(write=False) as instance:
        run = run_named(instance, run_id)
        if printed:
            _print_output(home_of(instance), run.run_id)
            return
        source = (
            RunStream(status_path(home_of(instance), run.run_id)) if events else RunLog(instance, run.run_id)
        )
        clock = LineTimes()
        show = json_line if as_json else lambda event: event_line(event, clock)
        for event in _events(instance, run.run_id, source, tail, follow):
            typer.echo(show(event))
        status = status_of(instance, run.run_id) if follow else 0
    raise typer.Exit(status)


def _events(
    instance: "dg.DagsterInstance", run_id: str, more: Callable[[], Iterator[Event]], tail: int, follow: bool
) -> Iterator[Event]:
    from blut_assets.cli.run.alerting import reap_and_tell

    found = list(more())
    yield from found[-tail:] if tail else found
    look_at = time.monotonic()
    while follow:
        if time.monotonic() >= look_at:  # else one that was killed would be followed for ever
            reap_and_tell(instance)
            look_at = time.monotonic() + REAP_S
        run = instance.get_run_by_id(run_id)  # asked first: nothing comes after what is read then
        yield from more()
        if run is None or run.is_finished:
            return
        time.sleep(POLL_S)


def _print_output(home: Path, run_id: str) -> None:
    """Print standard output and error of each step, under its name."""
    for path in sorted((home / "storage" / run_id / "compute_logs").glob("*.*")):
        if path.suffix in (".out", ".err") and path.stat().st_size:
            typer.echo(f"==> {path.name} <==")
            typer.echo(output(path.read_bytes().decode(errors="backslashreplace")))

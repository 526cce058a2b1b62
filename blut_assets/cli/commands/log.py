"""Implements `blut log ID`:
what happened in a run, a line per event, from its own stream or Dagster's log.
"""

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blut_assets.cli.shell.completion import RunId
from blut_assets.terminal.lazy import single
from blut_assets.terminal.output import LineTimes, numbers
from blut_assets.terminal.output import as_json as json_line
from blut_resources.text import output

if TYPE_CHECKING:
    import dagster as dg

app = single()
POLL_S, REAP_S = 0.5, 3.0
PAGE = 500
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
    from blut_resources.instance.instance import home_of, open_instance
    from blut_resources.runs.files import status_path
    from blut_resources.runs.hang_up import end_on_hang_up

    end_on_hang_up()  # as Ctrl-C does: a terminal that is closed leaves no temporary directory
    with open_instance(write=False) as instance:
        run = run_named(instance, run_id)
        if printed:
            _print_output(home_of(instance), run.run_id)
            return
        source = _Stream(status_path(home_of(instance), run.run_id)) if events else _Log(instance, run.run_id)
        clock = LineTimes()
        show = json_line if as_json else lambda event: _line(event, clock)
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


class _Log:
    """Reads Dagster's log of a run, as far as it says something to a person."""

    def __init__(self, instance: "dg.DagsterInstance", run_id: str) -> None:
        self._instance, self._run_id, self._cursor = instance, run_id, None

    def __call__(self) -> Iterator[Event]:
        records: list[dg.EventLogRecord] = []
        while True:
            page = self._instance.get_records_for_run(self._run_id, cursor=self._cursor, limit=PAGE)
            self._cursor = page.cursor
            records.extend(page.records)
            if not page.has_more:
                break
        if records and records[0].storage_id < 0:  # copied from SQLite: the numbers do not tell the order
            records.sort(key=lambda record: record.timestamp)
        return (event for r in records if (event := _told(r.event_log_entry)))


def _told(entry: Any) -> Event | None:
    from blut_assets.history.failures import asset_of, not_reached

    event, base = entry.dagster_event, {"t": entry.timestamp}
    step = asset_of(entry.step_key or "")
    if skipped := event is None and not_reached(entry.user_message):
        return {**base, "kind": "step_skipped", "asset": skipped, "text": "not reached"}
    if event is None:
        level = logging.getLevelName(entry.level)
        return {**base, "kind": level.lower(), "asset": step, "text": entry.user_message}
    said = _said(event)
    return {**base, "kind": event.event_type_value.lower(), "asset": step, "text": said} if said else None


def _said(event: Any) -> str:
    from blut_assets.cli.run.lookup import check_word
    from blut_assets.history.failures import failed_words

    kind = event.event_type_value
    if event.is_step_failure:
        return failed_words(event)
    if kind in ("ASSET_MATERIALIZATION", "ASSET_OBSERVATION"):
        of_step = event.event_specific_data
        made = of_step.materialization if kind == "ASSET_MATERIALIZATION" else of_step.asset_observation
        if kind == "ASSET_OBSERVATION" and "reused" not in made.metadata:
            return ""
        reused = made.metadata.get("reused")
        digest = (made.tags or {}).get("dagster/data_version", "")[:12]
        return f"{'reused' if reused and reused.value else 'made'} {digest}".rstrip()
    if kind == "ASSET_CHECK_EVALUATION":
        check = event.event_specific_data
        return f"check {check.check_name} {check_word(check)}: {check.description or ''}"
    words = {"STEP_START": "begins", "STEP_UP_FOR_RETRY": "will be tried again"}
    plain = ("RUN_START", "RUN_SUCCESS", "RUN_FAILURE", "RUN_CANCELED", "RUN_CANCELING", "PIPELINE_")
    return words.get(kind) or (event.message if kind.startswith(plain) else "")


class _Stream:
    """Reads the run's own stream of events."""

    def __init__(self, path: Path) -> None:
        self._path, self._after = path, 0

    def __call__(self) -> Iterator[Event]:
        from blut_resources.runs import status

        for event in status.read(self._path, self._after):
            self._after = event.pop("offset")
            yield event


def _line(event: Event, clock: LineTimes) -> str:
    rest = {k: v for k, v in event.items() if k not in ("t", "kind", "asset", "text")}
    text = event["text"] if "text" in event else f"{event['kind']} {_flat(rest)}"
    asset = event.get("asset", "")
    name = f"{asset}: " if asset and not text.startswith(asset) else ""
    level = f"{event['kind'].upper()}: " if event["kind"] in ("warning", "error", "critical") else ""
    return clock.line(event["t"], f"{level}{name}{text}").rstrip()


def _flat(values: dict[str, Any]) -> str:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= value if isinstance(value, dict) else {name: value}
    return numbers(flat)


def _print_output(home: Path, run_id: str) -> None:
    """Print standard output and error of each step, under its name."""
    for path in sorted((home / "storage" / run_id / "compute_logs").glob("*.*")):
        if path.suffix in (".out", ".err") and path.stat().st_size:
            typer.echo(f"==> {path.name} <==")
            typer.echo(output(path.read_bytes().decode(errors="backslashreplace")))

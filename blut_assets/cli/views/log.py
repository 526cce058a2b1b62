"""Reads what happened in a run, an event at a time, for `blut log` and the cockpit."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blut_assets.terminal.output import LineTimes, numbers

if TYPE_CHECKING:
    import dagster as dg

PAGE = 500
Event = dict[str, Any]


class RunLog:
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


class RunStream:
    """Reads the run's own stream of events."""

    def __init__(self, path: Path) -> None:
        self._path, self._after = path, 0

    def __call__(self) -> Iterator[Event]:
        from blut_resources.runs import status

        for event in status.read(self._path, self._after):
            self._after = event.pop("offset")
            yield event


def event_line(event: Event, clock: LineTimes) -> str:
    """Returns what a person reads of an event, with its time of day; lines of a message stay."""
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

"""Says who started a run, and whether it began before it failed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from blut_resources.dagster_private.names import RETRY_NUMBER_TAG
from blut_resources.instance.damage import is_of_database
from blut_resources.instance.instance import home_of
from blut_resources.runs import manifest
from blut_resources.runs.files import manifest_path
from sensors.alerts.scope import AlertScope
from sensors.policy.history import POLICY_TAG

SCHEDULE, SENSOR, BACKFILL = "dagster/schedule_name", "dagster/sensor_name", "dagster/backfill"
CONDITION = "dagster/from_automation_condition"
WILL_RETRY = "dagster/will_retry"
RETRIED_AS = "dagster/auto_retry_run_id"
PROGRAMS = ("blut", "dagster", "dg")
WORDS = 4
"""Words of a command line that are repeated: what comes after them may be a secret."""
_KIND = dg.DagsterEventType


def started_by(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """Returns text such as ``policy nightly (me@box: blut auto)``, ``the UI (me@box)``."""
    known = _manifest(instance, run)
    person = "@".join(part for part in (known.get("user"), known.get("host")) if part)
    command = _command(known.get("argv") or [])
    by_itself = _by_itself(run.tags)
    if not command:  # a process that Dagster started, on behalf of whoever asked it to
        return _with(by_itself or ("the UI" if known else ""), person)
    told = f"{person}: {command}" if person else command
    return _with(by_itself, told) if by_itself else told


def again(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """Returns what is to be said of attempts before and after this one; empty if it was the only one."""
    steps = _manifest(instance, run).get("assets", {}).values()
    times = sum(len(asset.get("retried", ())) for asset in steps) + int(run.tags.get(RETRY_NUMBER_TAG) or 0)
    tried = [f"after {times} {'retry' if times == 1 else 'retries'}"] if times else []
    return "; ".join(
        [*tried, *(["Dagster is to run it again"] if run.tags.get(WILL_RETRY) == "true" else [])]
    )


def is_run_again(run: dg.DagsterRun) -> bool:
    """Says whether Dagster has started the next attempt already, which is told of if it fails too."""
    return RETRIED_AS in run.tags


def _with(what: str, more: str) -> str:
    return f"{what} ({more})" if what and more else what or more


def _by_itself(tags: Mapping[str, str]) -> str:
    """Returns what of Dagster's or Blut's started a run; empty for a person's."""
    if name := tags.get(POLICY_TAG):
        return f"policy {name}"
    for tag, kind in ((SCHEDULE, "schedule"), (SENSOR, "sensor"), (BACKFILL, "backfill")):
        if name := tags.get(tag):
            return f"{kind} {name}"
    return "an automation condition" if tags.get(CONDITION) else ""


def _manifest(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dict[str, Any]:
    try:
        return manifest.read(manifest_path(home_of(instance), run.run_id))
    except (OSError, ValueError):
        return {}


def _command(argv: list[str]) -> str:
    """Returns the first words of what a person typed; empty for a worker of Dagster's."""
    names = [Path(word).name for word in argv]
    start = next((n for n, name in enumerate(names) if name in PROGRAMS), None)
    if start is None:
        return next((name for word, name in zip(argv[1:], names[1:], strict=True) if word[0] != "-"), "")
    if "api" in argv[start:]:
        return ""
    words = [names[start]]
    for word in argv[start + 1 : start + WORDS]:
        if word.startswith("-"):
            break
        words.append(word)
    return " ".join(words)


def began(instance: dg.DagsterInstance, run: dg.DagsterRun, scope: AlertScope) -> bool:
    """Says whether a failed run is worth telling of: one that started by itself always is.

    What a person mistyped ends at the inputs, before anything is made of them, and whoever typed it sees it.
    """
    if _by_itself(run.tags):
        return True
    kinds = {_KIND.RUN_START, _KIND.STEP_START, _KIND.STEP_FAILURE}
    try:
        events: list[Any] = [entry.dagster_event for entry in instance.all_logs(run.run_id, of_type=kinds)]
    except Exception as error:
        if not is_of_database(error):
            raise
        return True
    if not any(event.event_type is _KIND.RUN_START for event in events):
        return False
    steps = {event.step_key.replace("__", "/") for event in events if event.step_key}
    failed = any(event.event_type is _KIND.STEP_FAILURE for event in events)
    return not failed or bool(steps - set(scope.sources))

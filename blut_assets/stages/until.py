"""Says whether the deadline of a run has come, to whatever works or waits for it."""

from pathlib import Path
from typing import Any

import dagster as dg

from blut_assets.stages.spec import StageConfig
from blut_resources.dagster_private.names import RETRY_NUMBER_TAG
from blut_resources.files.documents import DocumentError
from blut_resources.runs import manifest
from blut_resources.runs.deadline import DeadlinePassed, RunDeadline, parse_deadline, uptime
from blut_resources.runs.files import manifest_path

_started: dict[str, float] = {}
"""Run -> its start, as this process has seen it first."""


class Until:
    """Looks at the deadline that the config of a stage asset carries; one that has none lasts for ever."""

    def __init__(self, home: Path, context: dg.AssetExecutionContext, config: StageConfig, name: str) -> None:
        self._name = name
        self._ends = _deadline(home, context, config.deadline) if config.deadline else None

    def words(self) -> str:
        """Returns that it has come, and what is to be done; empty as long as it has not."""
        return self._ends.words() if self._ends else ""

    def left(self) -> float:
        """Returns the seconds until then; infinite without one."""
        return self._ends.left() if self._ends else float("inf")

    def refuse(self) -> None:
        """Refuse to begin, or to wait any longer, after it.

        Raises:
            DeadlinePassed: it has come.
        """
        if words := self.words():
            raise DeadlinePassed(f"{self._name}: {words}")


def _deadline(home: Path, context: dg.AssetExecutionContext, said: str) -> RunDeadline:
    """Returns the deadline of the run of a step; a run that Dagster tries again has that of the first."""
    run = context.run
    first = run.root_run_id if run.root_run_id and RETRY_NUMBER_TAG in run.tags else run.run_id
    record: Any = context.instance.get_run_record_by_id(first)
    asked = record.create_timestamp.timestamp() if record else 0.0
    return RunDeadline(parse_deadline(said), asked, _start(home, first))


def _start(home: Path, run_id: str) -> float:
    """Returns the uptime at which a run started: its other steps may have processes of their own."""
    if run_id not in _started:
        try:
            known = manifest.read(manifest_path(home, run_id)).get("started_uptime")
        except (OSError, DocumentError):
            known = None
        now = uptime()
        _started[run_id] = known if isinstance(known, int | float) and known <= now else now
    return _started[run_id]

"""Defines the storage that a home's ``dagster.yaml`` names: Dagster's, under a lock, with its runs' files.

Apart from `instance`, for its slow import.
"""

from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg

from blut_resources.alive import complete_manifest, hold_in, let_go, note_made
from blut_resources.dagster_private.events import was_terminated
from blut_resources.dagster_private.storage import PooledEventLog, PooledRuns, PooledStorage, with_origin
from blut_resources.files.durable import file_lock
from blut_resources.files.modes import prepare_home
from blut_resources.instance.damage import MAIN, refuse_emptied, told
from blut_resources.runs import manifest
from blut_resources.runs.removal import remove_files
from blut_resources.store.results import SPEC

ENDS = (
    *(dg.DagsterEventType.RUN_SUCCESS, dg.DagsterEventType.RUN_FAILURE),
    dg.DagsterEventType.RUN_CANCELED,
)
HANDLES = "blut_handles"
"""The I/O manager of stage assets, whose handles are in their materializations."""
PASSED = (dg.DagsterEventType.HANDLED_OUTPUT, dg.DagsterEventType.LOADED_INPUT)


class Runs(PooledRuns):
    """Stores the runs, each of which is held by its process for as long as it is shown as started."""

    @property
    def _home(self) -> Path:
        return self.directory.parent

    def add_run(self, dagster_run: dg.DagsterRun) -> dg.DagsterRun:
        """Keep a new run, which the UI shows under its job wherever it was started."""
        if dagster_run.status is dg.DagsterRunStatus.NOT_STARTED:
            note_made(self._home, dagster_run.run_id)
        return super().add_run(with_origin(dagster_run))

    def delete_run(self, run_id: str) -> None:
        """Delete a run and its files; those of one that works go when it has ended."""
        super().delete_run(run_id)
        remove_files(self._home, run_id)

    def wipe(self) -> None:
        """Delete every run and its files."""
        known = [run.run_id for run in self.get_runs()]
        super().wipe()
        for run_id in known:
            remove_files(self._home, run_id)

    def handle_run_event(
        self, run_id: str, event: dg.DagsterEvent, update_timestamp: datetime | None = None
    ) -> None:
        """Take down what an event, which the process of the run reports, says about its state."""
        home = self._home
        if event.event_type is dg.DagsterEventType.RUN_START:
            hold_in(home, run_id)
            for run in self.get_runs(dg.RunsFilter([run_id])):
                manifest.begin(home, run)
        super().handle_run_event(run_id, event, update_timestamp)
        if event.event_type in ENDS:
            ended = self.get_runs(dg.RunsFilter([run_id]))
            for run in ended:
                # Ctrl-C came while Dagster had an event in hand: the step cannot tell then
                complete_manifest(home, run, interrupted=was_terminated(event))
            let_go(run_id)
            if not ended:  # it was deleted while it worked
                remove_files(home, run_id)


class EventLog(PooledEventLog):
    """Stores the events, without what nobody reads; the files of a run go with its events."""

    def kept(self, entry: dg.EventLogEntry) -> dg.EventLogEntry | None:
        """Returns an event without what nobody reads, or None if that is all of it.

        The tags of log lines repeat the names of run, job and step. The output of a stage asset is without
        the metadata of its materialization, which directly follows it: a picture among them weighs more than
        all other events of a run. That a handle went through its I/O manager says nothing at all.
        """
        event = entry.dagster_event
        if event is None:
            return entry
        said: Any = event.event_specific_data
        if event.event_type in PASSED and said.manager_key == HANDLES and not said.metadata:
            return None
        kept: dict[str, Any] = {"logging_tags": {}}
        if event.event_type is dg.DagsterEventType.STEP_OUTPUT and SPEC in said.metadata:
            kept["event_specific_data"] = said._replace(metadata={})
        return entry._replace(dagster_event=event._replace(**kept))

    def delete_events(self, run_id: str) -> None:
        """Delete the events of a run, and its files."""
        super().delete_events(run_id)
        remove_files(self.directory.parents[1], run_id)


class LockedSqliteStorage(PooledStorage):
    """Keeps Dagster's SQLite storage, created under a file lock.

    Dagster migrates a new database without one: eight first commands at once fail, and can leave a
    schedule database with two alembic heads that no later command opens.
    """

    runs, event_log = Runs, EventLog

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> "LockedSqliteStorage":
        base = Path(config_value["base_dir"])
        prepare_home(base)
        with file_lock(base / ".instance.lock"), told(base):
            for name in MAIN:
                refuse_emptied(base / name)
            return cls(str(base), inst_data)

"""Writes events of OpenLineage into a file, or sends them to a server by OpenLineage's own client.

A file takes no package; what is sent takes `openlineage-python`.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from blut_assets.cli.exports.exported import ExportFault
from blut_assets.cli.exports.openlineage import Event
from blut_resources.files.durable import explained, write_atomic
from blut_resources.text import one_line

KEY = "OPENLINEAGE_API_KEY"
"""In which every tool that tells OpenLineage looks for the key that a server wants."""


def write_openlineage(events: Mapping[str, Sequence[Event]], target: str) -> dict[str, str]:
    """Write the events of each run to ``target``; returns where, empty if they were there.

    A file has an event a line. It is replaced by a longer one: it has all of a run or nothing. A server is
    told again what it may know already, by the same ids.

    Raises:
        ExportFault: the file has other lines; the package is not installed; the server refuses.
        StoreError: the directory refuses, or the disk is full.
    """
    if "://" not in target:
        return _into_file(events, Path(target))
    _send([event for of_run in events.values() for event in of_run], target)
    return dict.fromkeys(events, target)


def _into_file(events: Mapping[str, Sequence[Event]], file: Path) -> dict[str, str]:
    with explained(file):
        old = file.read_text() if file.exists() else ""
    there = {_run_in(file, number, line) for number, line in enumerate(old.splitlines(), 1)}
    new = {run: of_run for run, of_run in events.items() if run not in there}
    lines = [json.dumps(event, allow_nan=False) for of_run in new.values() for event in of_run]
    if lines:
        write_atomic(file, "\n".join([*old.splitlines(), *lines, ""]).encode())
    return {run: str(file) if run in new else "" for run in events}


def _run_in(file: Path, number: int, line: str) -> str:
    try:
        return json.loads(line)["run"]["runId"]
    except (ValueError, LookupError, TypeError):
        raise ExportFault(f"-o {file}: line {number} is no event of OpenLineage: name a new file") from None


def _send(events: Sequence[Event], url: str) -> None:
    try:
        from openlineage.client.transport import http  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ExportFault(
            f"-o {url}: {error.name} is not installed; `pip install 'blut[openlineage]'`, or name a file"
        ) from None
    key = os.environ.get(KEY)
    auth = {"auth": {"type": "api_key", "apiKey": key}} if key else {}
    # not the client around it: that adds what it finds around this command, which may be long after the run
    transport = http.HttpTransport(http.HttpConfig.from_dict({"type": "http", "url": url, **auth}))
    for number, event in enumerate(events):
        try:
            transport.emit(_typed(event))
        except (OSError, ValueError) as error:
            said = one_line(str(error), 500)
            done = f"{number} of {len(events)} events were taken; the same command sends them again"
            raise ExportFault(f"-o {url}: {said}; {done}") from None
    transport.close()


def _typed(event: Event) -> Any:
    """Returns an event in the types of the client, which looks at ids, times and addresses."""
    from openlineage.client import event_v2 as types  # pyright: ignore[reportMissingImports]

    return types.RunEvent(
        eventType=types.RunState(event["eventType"]),
        eventTime=event["eventTime"],
        producer=event["producer"],
        run=types.Run(**event["run"]),
        job=types.Job(**event["job"]),
        inputs=[types.InputDataset(**one) for one in event["inputs"]],
        outputs=[types.OutputDataset(**one) for one in event["outputs"]],
    )

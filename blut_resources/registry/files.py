"""Says where the model registry keeps what it knows.

On disk, below a root directory that the caller gives::

    <name>/versions.jsonl       one line per registration, only ever appended to
    <name>/history.jsonl        one line per promotion, rollback or drop, only ever appended to
    <name>/retired.jsonl        one line per retirement of a version, only ever appended to
    <name>/tries.jsonl          one line per candidate and sealed set that it was judged on
    <name>/governed.jsonl       one line per pinning of an alias's floors, or its release
    <name>/aliases/<alias>.json what the alias stands for now, for people and other tools
    <name>/lock                 taken by whoever appends

The logs are the truth and the alias files follow from them, so a crash between them loses nothing: the
next writer restores the file.
"""

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from blut_resources.boxes.locks import Hold, hold
from blut_resources.files.durable import write_atomic
from blut_resources.instance.home import find_home
from blut_resources.registry.log import RecordLog
from blut_resources.registry.records import Entry, Governance, Registration, Try
from blut_resources.registry.retirement import Retirement


class RegistryFiles:
    """Names the files of the models in one directory."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def logs(self, kind: str) -> Iterable[Path]:
        """Yields the files of one kind, of every model."""
        return self.root.glob(f"*/{kind}.jsonl")

    def version_log(self, name: str) -> RecordLog[Registration]:
        """Returns every registration of a model."""
        return RecordLog(self.root / name / "versions.jsonl", Registration)

    def promotion_log(self, name: str) -> RecordLog[Entry]:
        """Returns every promotion, rollback and drop."""
        return RecordLog(self.root / name / "history.jsonl", Entry)

    def retirement_log(self, name: str) -> RecordLog[Retirement]:
        """Returns every retirement."""
        return RecordLog(self.root / name / "retired.jsonl", Retirement)

    def try_log(self, name: str) -> RecordLog[Try]:
        """Returns every candidate that was judged, by the set it was judged on."""
        return RecordLog(self.root / name / "tries.jsonl", Try)

    def governance_log(self, name: str) -> RecordLog[Governance]:
        """Returns every pinning of an alias's floors, and every release."""
        return RecordLog(self.root / name / "governed.jsonl", Governance)

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[Hold]:
        """Hold the model's lock, among all machines that share the registry or the history.

        Raises:
            StoreError: locks do not hold there, or the server of the history does not answer.
        """
        from blut_resources.instance.database import lock_of_server  # who only reads needs no Dagster

        directory = self.root / name
        (directory / "aliases").mkdir(parents=True, exist_ok=True)
        server = lock_of_server(find_home(), f"registry-{name}")
        with hold(directory / "lock", f"process {os.getpid()} on {os.uname().nodename}", server) as alone:
            yield alone

    def point(self, entry: Entry) -> None:
        """Write what an alias stands for, for people and other tools; nothing after a drop."""
        path = self.root / entry.name / "aliases" / f"{entry.alias}.json"
        if entry.action == "drop":
            path.unlink(missing_ok=True)
            return
        data = (json.dumps(entry.model_dump(mode="json"), sort_keys=True, indent=1) + "\n").encode()
        if not path.exists() or path.read_bytes() != data:
            write_atomic(path, data)

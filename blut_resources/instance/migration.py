"""Gives a home of an older version back to Dagster: its ``dagster.yaml`` names classes of Blut's.

Whoever opened such a home needed Blut. Only these two settings are touched, where they are what Blut wrote;
everything else in the file stays as it is, and the file as it was stays beside it.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from blut_resources.dagster_private.injection import FILES, YAML
from blut_resources.files.durable import StoreError, file_lock, write_atomic
from blut_resources.files.modes import INSTANCE_LOCK

BACKUP = f"{YAML}.before"
OURS = re.compile(r"\bblut_resources\.(instance_storage|compute_logs)\b")
HOME = {"env": "DAGSTER_HOME"}
COMMENTS = (
    "# SQLite created under a lock: several first commands at once must not corrupt a new instance\n",
    "# what a run prints, without four processes beside it\n",
)
"""What older versions wrote above the two settings."""


def migrate(home: Path) -> bool:
    """Let a home's ``dagster.yaml`` name Dagster's own classes, and say so; False where nothing changes."""
    path = (home / YAML).resolve()
    if not path.is_file() or not OURS.search(path.read_text(errors="replace")):
        return False
    try:
        with file_lock(home / INSTANCE_LOCK):
            before = path.read_text()
            after = migrated(before, home)
            if after is None:
                return False
            write_atomic(home / BACKUP, before.encode())
            write_atomic(path, after.encode())
    except (OSError, StoreError, ValueError):  # it cannot be written, and works as it is
        return False
    print(
        f"{path} names Dagster's own storage now, which needs no Blut; as it was: {home / BACKUP}",
        file=sys.stderr,
    )
    return True


def migrated(text: str, home: Path) -> str | None:
    """Returns a ``dagster.yaml`` without Blut's classes, None where it is not plain how."""
    lines = []
    for block in _blocks(text):
        kept = _without(block, home)
        if kept is None:
            return None
        lines.append(kept)
    after = "".join(lines)
    for comment in COMMENTS:
        after = after.replace(comment, "")
    return after if after != text and not OURS.search(after) and _is_same(text, after) else None


def _blocks(text: str) -> Iterator[str]:
    """Yields the settings of the file one by one, with the comments and blank lines that follow."""
    block = ""
    for line in text.splitlines(keepends=True):
        if re.match(r"[^\s#]", line):
            yield block
            block = ""
        block += line
    yield block


def _without(block: str, home: Path) -> str | None:
    if not OURS.search("".join(line for line in block.splitlines() if not line.lstrip().startswith("#"))):
        return block
    tail = re.search(r"(?:^[ \t]*(?:#.*)?\n)*\Z", block, re.MULTILINE)
    after = tail[0] if tail else ""
    try:
        said = yaml.safe_load(block)
    except yaml.YAMLError:
        return None
    for asked, stock in ((_storage, _stock_storage), (_logs, _stock_logs)):
        base = _base_of(said)
        if said == asked(base):
            if base in (HOME, str(home)):  # which is the default
                return after
            return yaml.safe_dump(stock(base), sort_keys=False) + after if isinstance(base, str) else None
    return None


def _base_of(said: Any) -> Any:
    """Returns the directory that a setting names, wherever in it."""
    if not isinstance(said, dict):
        return None
    return said["base_dir"] if "base_dir" in said else next(filter(None, map(_base_of, said.values())), None)


def _storage(base: Any) -> dict[str, Any]:
    named = {"module": "blut_resources.instance_storage", "class": "LockedSqliteStorage"}
    return {"storage": {"custom": {**named, "config": {"base_dir": base}}}}


def _stock_storage(base: str) -> dict[str, Any]:
    return {"storage": {"sqlite": {"base_dir": base}}}


def _logs(base: Any) -> dict[str, Any]:
    named = {"module": "blut_resources.compute_logs", "class": "LocalLogs"}
    return {"compute_logs": {**named, "config": {"base_dir": base}}}


def _stock_logs(base: str) -> dict[str, Any]:
    module, name = FILES
    return {"compute_logs": {"module": module, "class": name, "config": {"base_dir": f"{base}/storage"}}}


def _is_same(before: str, after: str) -> bool:
    """Says whether two files say the same of everything else."""
    known = [yaml.safe_load(text) or {} for text in (before, after)]
    rest = [{key: said[key] for key in said if key not in ("storage", "compute_logs")} for said in known]
    return rest[0] == rest[1]

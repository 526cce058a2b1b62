"""Remembers since when each policy's schedule has been what it is: what it names before that is not due.

The file's time would not do. It changes with a comment, a checkout, a copy; and a night in which the machine
was off would be lost with it.
"""

import datetime as dt
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import dagster as dg

from blut_resources.files.documents import read_json
from blut_resources.files.durable import StoreError, file_lock, write_atomic
from blut_resources.instance.instance import home_of, is_read_only
from sensors.policy.fields import Policy
from sensors.policy.file import PolicyFile

NAME = "schedules.json"
Noted = dict[str, Any]


def standing_since(
    instance: dg.DagsterInstance, file: PolicyFile, now: dt.datetime
) -> Mapping[str, dt.datetime]:
    """Returns since when the schedule of each policy of a file holds; whoever may write notes it down.

    One that nobody has seen before holds since its file was written.
    """
    home = home_of(instance)
    if is_read_only(instance):
        return {name: _moment(one) for name, one in _looked_at(_read(home), file, now).items()}
    return note_standing(home, file, now)


def note_standing(home: Path, file: PolicyFile, now: dt.datetime) -> Mapping[str, dt.datetime]:
    """Write down since when the schedules hold; returns that. What cannot be written is found again."""
    known = _read(home)
    found = _looked_at(known, file, now)
    if home.is_dir() and any(known.get(name) != one for name, one in found.items()):
        with suppress(OSError, StoreError), file_lock(home / f".{NAME}.lock"):
            found = _looked_at(_read(home), file, now)
            write_atomic(home / NAME, json.dumps({**_read(home), **found}, indent=1).encode())
    return {name: _moment(one) for name, one in found.items()}


def _looked_at(known: Noted, file: PolicyFile, now: dt.datetime) -> dict[str, Noted]:
    return {name: _one(known.get(name), policy, file.written, now) for name, policy in file.policies.items()}


def _one(known: Any, policy: Policy, written: dt.datetime | None, now: dt.datetime) -> Noted:
    says, today = [policy.schedule, policy.time_zone, policy.enabled, policy.recipe], now.timestamp()
    before = known.get("since") if isinstance(known, dict) else None
    before = before if isinstance(before, int | float) else None
    # one that is ahead was noted by a wrong clock, and would hold up the schedule until then
    if before is not None and known.get("says") == says and before <= today:
        return known
    changed = written.timestamp() if written else today
    older = before is not None and changed < before  # such as a copy that was put back
    return {"says": says, "since": today if older else min(changed, today)}


def _moment(one: Noted) -> dt.datetime:
    return dt.datetime.fromtimestamp(one["since"], dt.UTC)


def _read(home: Path) -> Noted:
    with suppress(OSError, ValueError):
        found = read_json((home / NAME).read_bytes(), NAME)
        return found if isinstance(found, dict) else {}
    return {}

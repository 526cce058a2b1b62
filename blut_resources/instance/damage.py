"""Says what is wrong with a history that cannot be read or written: the file, the problem, the remedy."""

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from blut_resources.dagster_private.pool import ReadConnection
from blut_resources.database.address import Address
from blut_resources.database.troubles import DatabaseTrouble, is_of_postgres
from blut_resources.database.troubles import told as trouble_of
from blut_resources.files.durable import StoreError, explanation
from blut_resources.files.full import HOME, STORE, full_place, is_nearly_full, refused, remedy
from blut_resources.instance.database import named
from blut_resources.instance.home import store_root

MAIN = {
    "history/runs.db": "move {home}/history aside to begin a new one",
    "history/runs/index.db": "move {home}/history aside to begin a new one",
    "schedules/schedules.db": "remove it, and schedules and sensors begin anew",
}
"""The databases that every command reads, and what there is to do where no backup is."""
EVENTS = "SELECT 1 FROM sqlite_master WHERE name = 'event_logs'"
YOUNG_S = 3.0
"""Seconds in which a process that makes a database writes its first bytes."""


class HistoryDamaged(StoreError):
    """Says that a database of the history cannot be used; the message names it, the problem, the remedy."""


def is_of_database(error: BaseException | None) -> bool:
    """Says whether the history's database is the cause, however it is wrapped."""
    if is_of_postgres(error):
        return True
    while error is not None:
        if isinstance(error, sqlite3.Error) or isinstance(getattr(error, "orig", None), sqlite3.Error):
            return True
        error = error.__cause__ or error.__context__
    return False


def explained(home: Path, error: BaseException) -> StoreError:
    """Returns an error of the database in one sentence."""
    if is_of_postgres(error):
        address = None if isinstance(error, DatabaseTrouble) else named(home).address
        return trouble_of(address or Address("", "", "", ""), error)
    words = str(getattr(error, "orig", None) or error).splitlines()[0]
    if is_nearly_full(home) or "disk is full" in words:
        return HistoryDamaged(
            f"{home}/history: {full_place(home)}; {remedy(home, _both(home))}: what was stored is not lost"
        )
    if "locked" in words:
        return HistoryDamaged(f"{home}/history: {words}; end the process that does (`fuser -v` names it)")
    if "readonly" in words or "unable to open" in words:
        return HistoryDamaged(f"{home}/history: {words}; make its files writable for this user")
    if error_of_disk := "I/O" in words and refused(home / "history"):
        said = explanation(error_of_disk, home / "history")
        return HistoryDamaged(f"{said}; what was stored is not lost")
    for path, what in damages(home):
        return HistoryDamaged(f"{path} {what}; {cure(home, path)}")
    return HistoryDamaged(f"{home}/history: {words}; look at that filesystem, then run the command again")


def _both(home: Path) -> dict[str, Path]:
    return {HOME: home, STORE: store_root(home)}


@contextlib.contextmanager
def told(home: Path) -> Iterator[None]:
    """Turn what a database raises in the block into that sentence."""
    try:
        yield
    except Exception as error:
        if isinstance(error, StoreError) or not is_of_database(error):
            raise
        raise explained(home, error) from error


def refuse_emptied(path: Path) -> None:
    """Refuse a database of no bytes, out of which Dagster would make a new and empty one.

    Raises:
        HistoryDamaged: that is what it is.
    """
    if _is_empty(path):
        home = path.parents[2] if path.parent.name == "runs" else path.parents[1]
        raise HistoryDamaged(f"{path} is empty; {cure(home, path)}")


def _is_empty(path: Path) -> bool:
    """Says whether it has no bytes, and is not just being made by a process of Dagster's own."""
    while path.exists() and not (there := path.stat()).st_size:
        if not 0 <= time.time() - there.st_mtime < YOUNG_S:
            return True
        time.sleep(0.05)
    return False


def damages(home: Path) -> Iterator[tuple[Path, str]]:
    """Yields the databases that cannot be read, each with what is wrong with it; the main ones first."""
    main = [home / name for name in MAIN]
    for path in [*main, *sorted(set((home / "history" / "runs").glob("*.db")) - set(main))]:
        if path.exists() and (what := damage(path)):
            yield path, what


def damage(path: Path) -> str:
    """Returns what is wrong with a database; empty if nothing is."""
    if not path.stat().st_size:
        return "is empty"
    try:
        with contextlib.closing(sqlite3.connect(path, factory=ReadConnection)) as connection:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found == "ok" and path.parent.name == "runs":
                found = "ok" if connection.execute(EVENTS).fetchone() else "it has no table of events"
    except sqlite3.Error as error:
        found = str(error)
    return "" if found == "ok" else f"cannot be read ({' '.join(found.split())})"


def cure(home: Path, path: Path) -> str:
    """Returns how a database that cannot be read is mended, or the disk below it."""
    if error := refused(path.parent):
        return explanation(error, path.parent)
    last = MAIN.get(
        os.fspath(path.relative_to(home)), "remove it: the log of that run is lost, its results not"
    )
    return f"restore it from a backup, or {last.format(home=home)}; artifacts in the store stay"

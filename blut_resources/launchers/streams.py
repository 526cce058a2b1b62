"""Brings what a job says from the files of its attempt to those that its run reads.

The run reads one file of messages and one log, whatever becomes of the job. What an attempt says that
does not count any more stays unread.
"""

import os
from pathlib import Path

from blut_resources.files.durable import remove_tree
from blut_resources.launchers.files import LOG, MESSAGES, attempt_dir, write_durable
from blut_resources.machine import wire

BEGUN = "streams.json"
CHUNK = 1 << 20


class Streams:
    """Follows the messages and the log of the attempt that counts.

    Where each begins in the files of the run is written before anything is copied, so that whoever goes on
    after a death copies nothing twice.
    """

    def __init__(self, place: Path) -> None:
        self._place = place
        self._begun = wire.read(place / BEGUN) or {}
        for name in (MESSAGES, LOG):
            (place / name).touch(mode=0o600)

    def follow(self, number: int, *, to_end: bool = False) -> bool:
        """Copy what is new of an attempt; says whether there is more.

        Args:
            to_end: also of a line that has no end: nobody will write it.
        """
        if self._begun.get("attempt") != number:
            self._begin(number)
        more = self._copy(number, MESSAGES, to_end=to_end)
        return self._copy(number, LOG, to_end=True) or more

    def _begin(self, number: int) -> None:
        starts = {name: (self._place / name).stat().st_size for name in (MESSAGES, LOG)}
        self._begun = {"attempt": number, **starts}
        write_durable(self._place / BEGUN, self._begun)

    def _copy(self, number: int, name: str, *, to_end: bool) -> bool:
        target = self._place / name
        at = target.stat().st_size - self._begun[name]
        try:
            with (attempt_dir(self._place, number) / name).open("rb") as source:
                source.seek(at)
                data = source.read(CHUNK)
        except FileNotFoundError:
            return False
        whole = data if to_end else data[: data.rfind(b"\n") + 1]
        if not whole and len(data) == CHUNK:
            whole = data  # a line that is longer than any may be, which its reader refuses
        if whole:
            fd = os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            try:
                while whole:
                    whole = whole[os.write(fd, whole) :]
            finally:
                os.close(fd)
        return len(data) == CHUNK


def merge(source: Path, target: Path) -> None:
    """Move what is in a directory into another one, in place of what has its name there."""
    target.mkdir(parents=True, exist_ok=True)
    for one in source.iterdir() if source.is_dir() else ():
        there = target / one.name
        if there.is_dir() and not there.is_symlink():
            remove_tree(there)
        one.replace(there)

"""Lets a payload read what was digested: files outside the store are opened once, and read through that.

The payload gets a directory of links to the descriptors that it holds, with the files that were digested and
no others: whoever swaps a path, a directory or a link afterwards swaps nothing for this process or its
children. Whether the bytes of an open file have changed is asked again at the end. Only the standard library
is imported, and blake3 where a file's stamp no longer stands.
"""

from __future__ import annotations

import os
import resource
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

SPARE = 128
"""Descriptors that are left to the payload."""
CHUNK = 1 << 20


class HeldFiles:
    """Holds the files outside the store that a payload reads.

    Raises:
        SystemExit: one of them is not what was digested; the message names it.
    """

    def __init__(self, place: Path) -> None:
        self._place = place
        self._held: list[tuple[str, int | None, str, tuple[int, ...], str]] = []
        self._names: dict[str, str] = {}

    def hold(self, name: str, root: Path, told: dict[str, Any]) -> Path:
        """Open an input's files, and return the path by which they are to be read.

        ``told`` has ``is_file`` and ``files``: relative name to size, digest and stamp (or None).
        """
        files: dict[str, list[Any]] = told["files"]
        shown = self._place / name / root.name
        self._names[str(shown)] = str(root)
        if not _room_for(len(files)) or not self._links():
            shown = root  # by its own path, then; that it stayed what it was is seen at the end
        for relative, (size, digest, stamp) in sorted(files.items()):
            path = root / relative if relative else root
            number = _opened(path, name)
            found = _stamp(os.fstat(number))
            if found != tuple(stamp or ()) and (found[0] != size or _digest(number) != digest):
                raise SystemExit(_refusal(name, str(path)))
            self._held.append((str(path), number if shown != root else None, digest, found, name))
            if shown == root:
                os.close(number)
                continue
            link = shown / relative if relative else shown
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(f"/proc/{os.getpid()}/fd/{number}")
        return shown

    def _links(self) -> bool:
        """Says whether links can be made; a sandbox may forbid it, since others would follow them."""
        probe = self._place / ".link"
        try:
            self._place.mkdir(parents=True, exist_ok=True)
            probe.symlink_to("nothing")
            probe.unlink()
        except OSError:
            return False
        return True

    def named(self, message: object) -> object:
        """Returns a message with the paths by which its reader knows the files."""
        if isinstance(message, str):
            for shown, root in self._names.items():
                message = message.replace(shown, root)
        return message

    def refuse_changed(self) -> None:
        """See that nothing that was read has been written to meanwhile."""
        for path, held, digest, then, name in self._held:
            number = _opened(path, name) if held is None else held
            try:
                if _stamp(os.fstat(number)) != then and _digest(number) != digest:
                    raise SystemExit(_refusal(name, path))
            finally:
                if held is None:
                    os.close(number)


def _room_for(n_files: int) -> bool:
    """Says whether so many files may be held open; as many as the system lets are asked for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = n_files + SPARE + len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    if soft != resource.RLIM_INFINITY and soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            return False
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return True


def _opened(path: Path | str, name: str) -> int:
    try:
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise SystemExit(f"input {name}: {path} cannot be read: {error.strerror}; restore it") from error
    if not stat.S_ISREG(os.fstat(number).st_mode):
        raise SystemExit(_refusal(name, str(path)))
    return number


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns)


def _digest(number: int) -> str:
    import blake3

    hasher, offset = blake3.blake3(), 0
    while data := os.pread(number, CHUNK, offset):
        hasher.update(data)
        offset += len(data)
    return hasher.hexdigest()


def _refusal(name: str, path: str) -> str:
    return (
        f"input {name}: {path} is not what was digested: it was changed or replaced during the run."
        " Nothing is stored; let the writer finish, then run again"
    )

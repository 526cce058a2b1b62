"""Writes durable files and takes locks: the artifact store stands on this.

A file written here is seen whole or not at all, also after a power cut. A lock is a ``flock`` on a file:
the kernel drops it when its holder dies, so there is nothing to clean up after a kill.
"""

import contextlib
import errno
import fcntl
import io
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from blut_resources.files.full import full_code, full_place, remedy
from blut_resources.text import one_line

SYNC_EACH_UP_TO = 32
"""Above this many files one ``syncfs`` is cheaper than a journal commit for each file."""

_REFUSED = {errno.EROFS, errno.EACCES, errno.EPERM}
_ANEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS}
"""What a filesystem without hard links says to one, such as the FAT of a stick."""


class StoreError(Exception):
    """Says that the store cannot do what was asked; the message names path or digest, problem and remedy."""

    def __str__(self) -> str:
        return one_line(super().__str__(), 2 * 4096)  # two paths of the longest kind


class ArtifactMissing(StoreError):
    """Says that the store holds no bytes for a digest."""


class ArtifactElsewhere(ArtifactMissing):
    """Says that bytes outside the store are on another machine, and on which; nothing is wrong with them."""


class ArtifactDamaged(StoreError):
    """Says that the bytes held for a digest are not the bytes it names."""


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn an OSError in the block into a StoreError that says what to do about it."""
    try:
        yield
    except OSError as error:
        raise StoreError(explanation(error, path)) from error


def explanation(error: OSError, path: Path) -> str:
    """Says what a person can do about it; ``path`` is named where the error names none."""
    code = full_code(error)
    where, problem = error.filename or path, os.strerror(code or error.errno or 0)
    if code:
        where = error.filename2 or where  # of a copy or a rename, which way it goes
        return f"{where}: {problem}: {full_place(where, code)}; {remedy(where)}"
    if error.errno in _REFUSED:
        what = "make it writable for this user, or choose another place ($DAGSTER_HOME, $BLUT_STORE)"
    elif error.errno == errno.EIO:
        what = (
            "the disk below it failed (`dmesg` says more): save what is there, and run again on a sound one"
        )
    else:
        what = "look at the filesystem, then run again"
    return f"{where}: {problem}; {what}"


def random_name() -> str:
    """Returns a name that no other process has."""
    return f"{os.getpid()}-{os.urandom(6).hex()}"


def process_tag() -> str:
    """Names this process by number, and where that number holds: this boot, this process namespace."""
    return f"{os.getpid()}-{namespace_tag()}"


def namespace_tag() -> str:
    """Returns a word for the boot and the process namespace."""
    import zlib

    text = b""
    with contextlib.suppress(OSError):
        text = Path("/proc/sys/kernel/random/boot_id").read_bytes()
        text += os.fsencode(Path("/proc/self/ns/pid").readlink())
    return f"{zlib.crc32(text):08x}"


def write_atomic(path: Path, data: bytes, *, durable: bool = True, mode: int = 0o666) -> None:
    """Replace ``path`` by ``data``: a reader sees the old bytes or the new ones, never a mixture.

    The directory is created if need be. ``durable=False`` leaves out the fsync, for what can be rebuilt.
    ``mode`` is what the file is born with, less the umask.

    Raises:
        StoreError: the filesystem is full, read-only, or refuses; ``path`` is as it was before.
    """
    path = Path(path)
    temporary = path.with_name(f".tmp-{random_name()}")
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with os.fdopen(os.open(temporary, _ANEW, mode), "wb") as file:
                file.write(data)
                file.flush()
                if durable:
                    os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        if durable:
            sync(path.parent)


@contextlib.contextmanager
def new_file(path: Path, *, mode: int = 0o666) -> Iterator[BinaryIO]:
    """Yields a file to write in, which is at ``path`` when the block has ended, whole; it replaces nothing.

    ``mode`` is what the file is born with, less the umask.

    Raises:
        FileExistsError: something is at ``path``, or has come to be there meanwhile.
        StoreError: the directory is not there or refuses, or the filesystem is full; nothing is left there.
    """
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    unfinished = path.with_name(f".tmp-{random_name()}")
    try:
        with explained(path), os.fdopen(os.open(unfinished, _ANEW, mode), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        try:
            _put(unfinished, path)
        except FileExistsError:
            raise
        except OSError as error:
            raise StoreError(explanation(error, path)) from error
    finally:
        unfinished.unlink(missing_ok=True)


def _put(unfinished: Path, path: Path) -> None:
    try:
        os.link(unfinished, path)  # unlike a rename it never takes the place of what is there
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        unfinished.rename(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Flush one file or directory to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(files: list[Path], directories: Iterable[Path]) -> None:
    """Flush files and the directories that name them."""
    if len(files) > SYNC_EACH_UP_TO and _sync_filesystem(files[0]):
        return
    for path in [*files, *directories]:
        sync(path)


def _sync_filesystem(path: Path) -> bool:
    import ctypes

    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if syncfs is None:
        return False
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if syncfs(descriptor) == 0:
            return True
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(path))
    finally:
        os.close(descriptor)


def remove_tree(path: Path) -> None:
    """Delete a file or a directory, also where a program left directories that nobody may write.

    Two processes may delete the same one at once.
    """
    import shutil

    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    with contextlib.suppress(FileNotFoundError):
        for base, names, _ in os.walk(path):
            for inner in (Path(base, name) for name in names):
                if not inner.is_symlink() and inner.stat().st_mode & stat.S_IRWXU != stat.S_IRWXU:
                    inner.chmod(0o700)

    def failed(_function: object, _path: str, info: tuple[object, BaseException, object]) -> None:
        if not isinstance(info[1], FileNotFoundError):
            raise info[1]

    shutil.rmtree(path, onerror=failed)


@contextlib.contextmanager
def file_lock(path: Path, *, poll_s: float = 0.05, meanwhile: Callable[[], object] = bool) -> Iterator[None]:
    """Hold ``path`` exclusively. Waits by polling, so that an interrupt gets through; not re-entrant.

    Args:
        meanwhile: called at each poll; what it raises ends the wait.

    Raises:
        StoreError: the lock file cannot be made.
    """
    file = acquire(Path(path), poll_s=poll_s, meanwhile=meanwhile)
    assert file is not None
    try:
        yield
    finally:
        release(file)


def acquire(
    path: Path,
    *,
    shared: bool = False,
    wait: bool = True,
    poll_s: float = 0.05,
    meanwhile: Callable[[], object] = bool,
) -> io.FileIO | None:
    """Returns a file that holds the lock as long as it is open, or None if it is taken and not waited for."""
    mode = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB
    with explained(path):
        while True:
            path.parent.mkdir(parents=True, exist_ok=True)
            # an object: an interrupt between any two lines would lose a number, and keep the lock
            file = io.FileIO(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+")
            try:
                if not _lock(file.fileno(), path, mode, wait, poll_s, meanwhile):
                    file.close()
                    return None
                # Whoever holds a lock may delete its file: a lock on a deleted file excludes nobody.
                if _is_named(file.fileno(), path):
                    return file
            except BaseException:
                file.close()
                raise
            file.close()


def release(file: io.FileIO) -> None:
    """Give a lock back, also where a forked child still has the file open."""
    fcntl.flock(file, fcntl.LOCK_UN)
    file.close()


def _lock(
    descriptor: int, path: Path, mode: int, wait: bool, poll_s: float, meanwhile: Callable[[], object]
) -> bool:
    """Wait for a lock; True also as soon as it is not worth waiting for, since its file has lost its name."""
    while True:
        try:
            fcntl.flock(descriptor, mode)
            return True
        except BlockingIOError:
            if not wait:
                return False
            meanwhile()
            time.sleep(poll_s)
            if not _is_named(descriptor, path):
                return True


def _is_named(descriptor: int, path: Path) -> bool:
    try:
        named = path.stat()
    except FileNotFoundError:
        return False
    held = os.fstat(descriptor)
    return (held.st_dev, held.st_ino) == (named.st_dev, named.st_ino)

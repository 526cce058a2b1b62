"""File systems of a few kilobytes, which a test fills; apart from the tests that do."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.lacking import lacking

FILLER = ".filler"


def mount(*words: str) -> None:
    done = subprocess.run(["mount", *words], capture_output=True, text=True)
    if done.returncode != 0:
        lacking(f"mount {' '.join(words)}: {done.stderr.strip()}; it takes root")


@contextlib.contextmanager
def small(place: Path, size: str = "8M", inodes: int = 0) -> Iterator[Path]:
    """A file system of that size below ``place``, with so many names of files at most."""
    place.mkdir(parents=True, exist_ok=True)
    names = f",nr_inodes={inodes}" if inodes else ""
    mount("-t", "tmpfs", "-o", f"size={size}{names}", "tmpfs", str(place))
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def resize(place: Path, size: str) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", str(place)], check=True)


def fill(place: Path, leave: int = 0) -> None:
    """Leave so many bytes free, and not one more."""
    with (place / FILLER).open("ab") as file:
        for size in (1 << 20, 1 << 16, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while os.write(file.fileno(), b"x" * size) == size:
                    continue
        if leave:
            os.ftruncate(file.fileno(), os.fstat(file.fileno()).st_size - leave)


def fill_names(place: Path) -> None:
    """Leave no name of a file free."""
    with contextlib.suppress(OSError):
        for number in range(1 << 20):
            (place / f"{FILLER}-{number}").touch()


def free(place: Path) -> None:
    """Give back what was filled."""
    for path in place.glob(f"{FILLER}*"):
        path.unlink()

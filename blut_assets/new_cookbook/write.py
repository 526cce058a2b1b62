"""Writes the template under another name: whole, or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from blut_resources.files.durable import sync_tree

TEMPLATE = Path(__file__).parent / "template"
PLACEHOLDER = "toybook"
"""The name that the template has; wherever it stands, in a file or in the name of one, the new name goes."""


class DirectoryRefused(ValueError):
    """Says that a package cannot be written to a place; the message names it, the reason and the remedy."""


def write_cookbook(name: str, directory: Path) -> list[Path]:
    """Write a package called ``name``; returns the paths of its files, relative to ``directory``.

    Args:
        name: one that `naming.check_name` lets pass.
        directory: of the project. It is made, or is there and empty.

    Raises:
        DirectoryRefused: it holds something, or cannot be made. Nothing is written then.
    """
    _check(directory)
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
    except OSError as error:
        raise _refused(directory, f"cannot be made ({error.strerror})", "name another place") from error
    try:
        written = [_write(source, name, unfinished) for source in _template_files()]
        folders = {path.parent for path in written} | {unfinished, *(p.parent.parent for p in written)}
        sync_tree(written, sorted(folders, reverse=True))
        unfinished.chmod(0o777 & ~_umask())
        unfinished.rename(directory)
    except OSError as error:
        raise _refused(directory, f"cannot be written ({error.strerror})", "name another place") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return [path.relative_to(unfinished) for path in written]


def _check(directory: Path) -> None:
    if directory.is_symlink() or (directory.exists() and not directory.is_dir()):
        raise _refused(directory, "is there, and is not a directory", "name one that is not there")
    if directory.is_dir() and any(directory.iterdir()):
        raise _refused(directory, "is not empty", "name one that is empty or not there")
    if directory.exists() and directory.samefile(Path.cwd()):
        raise _refused(directory, "is the working directory", "name a directory below or beside it")


def _refused(directory: Path, reason: str, remedy: str) -> DirectoryRefused:
    return DirectoryRefused(f"DIR = {str(directory)!r}: {reason}; {remedy}")


def _template_files() -> Iterator[Path]:
    """Yields the files without what an installer, an editor or a linter has put among them."""
    for path in sorted(TEMPLATE.rglob("*")):
        folders = path.relative_to(TEMPLATE).parts[:-1]
        if path.is_file() and not any(name.startswith((".", "__")) for name in folders):
            yield path


def _write(source: Path, name: str, root: Path) -> Path:
    target = root / source.relative_to(TEMPLATE).as_posix().replace(PLACEHOLDER, name)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(source.read_text(encoding="utf-8").replace(PLACEHOLDER, name), encoding="utf-8")
    return target


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask

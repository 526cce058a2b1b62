"""Prepares a tree before the store takes it."""

import os
from collections.abc import Container, Iterable
from pathlib import Path
from typing import TypeGuard

from blut_resources.files.digest import Tree, check_name, list_tree
from blut_resources.files.durable import StoreError, random_name, sync_tree
from blut_resources.files.foreign import open_regular


def freeze(root: Path, shared: Container[tuple[int, int]] = ()) -> Tree:
    """Make a tree what will be stored: plain read-only files, no empty directories, on the disk.

    Args:
        root: the file or directory.
        shared: device and inode of files that are stored already; a link to one of them stays one.

    Raises:
        StoreError: a link leads out, or something is neither a file nor a directory.
        OSError: it cannot be written to.
    """
    tree = list_tree(root)
    paths = [root / name for name in tree.names]
    for path in paths:
        if _inode(path) not in shared:
            _settle(path)
    directories = [] if tree.is_file else [Path(base) for base, _, _ in os.walk(root, topdown=False)]
    for directory in directories:
        directory.chmod(directory.stat().st_mode & 0o7777 | 0o700)
        if directory != root and not any(directory.iterdir()):
            directory.rmdir()
    sync_tree(paths, [directory for directory in directories if directory.exists()])
    return tree


def _inode(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_dev, status.st_ino


def _settle(path: Path) -> None:
    """Make a file read-only that has no other name: what is linked is somebody else's, and stays as it is."""
    if path.is_symlink() or path.lstat().st_nlink > 1:
        _replace(path)
    with open_regular(path, follow=False) as file:
        mode = os.fstat(file.fileno()).st_mode
        if mode & 0o7222:
            os.fchmod(file.fileno(), mode & 0o555)
    if path.lstat().st_nlink > 1:  # somebody gave it another name meanwhile
        _replace(path)


def _replace(path: Path) -> None:
    """Put a copy in the place of a link."""
    import shutil

    new = path.with_name(f".tmp-{random_name()}")
    with open_regular(path) as source, new.open("xb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
        os.fchmod(target.fileno(), os.fstat(source.fileno()).st_mode & 0o555)
    new.replace(path)


def copy(tree: Tree, target: Path) -> Path:
    """Copy a tree to a place on another filesystem."""
    import shutil

    if not tree.is_file:
        target.mkdir()
    for name in tree.names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tree.root / name, target / name)
    return target


def relative_names(given: Path, source: Path, files: Iterable[Path | str]) -> list[str]:
    """Returns the sorted relative names of files below ``source``.

    Args:
        given: what ``source`` was before links in it were followed.
        source: the directory.
        files: absolute paths, below either of these, or paths relative to them.

    Raises:
        StoreError: one is not under ``source``.
    """
    names = list(files)
    if not _are_plain(names):
        names = [_relative(given, source, Path(file)) for file in names]
    ordered = sorted(names)  # fast where they are in order already, as those of a listing are
    return ordered if len(unique := set(ordered)) == len(ordered) else sorted(unique)


def _are_plain(names: list[Path | str]) -> TypeGuard[list[str]]:
    """Says whether all are relative names as the store writes them; asked of all at once, of many fast."""
    try:
        text = "\0".join(["", *names, ""])  # type: ignore[list-item]
    except TypeError:  # a path among them
        return False
    strange = ("\0/", "/\0", "//", "..", "\0./", "/./", "/.\0", "\0.\0", "\0\0")
    return text.count("\0") == len(names) + 1 and not any(part in text for part in strange) and _is_utf8(text)


def _is_utf8(text: str) -> bool:
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def _relative(given: Path, source: Path, path: Path) -> str:
    root = next((root for root in (given, source) if path.is_relative_to(root)), None)
    relative = path.relative_to(root) if root else path
    if relative.is_absolute() or not relative.parts or ".." in relative.parts:
        raise StoreError(f"{path}: not under {source}; name files of that directory")
    check_name(source, relative.as_posix())
    return relative.as_posix()

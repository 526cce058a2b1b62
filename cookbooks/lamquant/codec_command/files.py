"""Decides which file becomes which, and puts a finished one in its place without ever showing half of one."""

import contextlib
import errno
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cookbooks.lamquant.formats.edf.discovery import find_recordings

LQC = ".lqc"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
"""Errors that are those of what is written, not of what is read."""


class BadPlace(Exception):
    """Says why something cannot be read from or written to where it was asked for."""


@dataclass(frozen=True)
class FileJob:
    """Names a file and what it becomes; ``problem`` says why it cannot be begun."""

    source: Path
    target: Path
    problem: str = ""


def jobs_of(
    sources: Sequence[Path],
    out: Path | None,
    suffixes: tuple[str, ...],
    written: tuple[str, ...],
    renamed: Callable[[Path], str],
) -> list[FileJob]:
    """Returns what is to be done; of directories everything below them, in the same tree below ``out``.

    Args:
        sources: files and directories.
        out: a file, if there is one source and it is a file; else a directory; beside the sources if None.
        suffixes: of the files that are looked for in directories.
        written: suffixes that ``out`` has if it is a file.
        renamed: returns the name of what a file becomes.

    Raises:
        BadPlace: several files were to become one, or one of another kind.
    """
    found: list[tuple[Path, Path]] = []
    problems: list[FileJob] = []
    for source in sources:
        if not source.is_dir():
            found.append((source, Path(source.name)))
            continue
        listed = find_recordings(source, suffixes)
        found += [(source / name, Path(name)) for name in listed.names]
        problems += [
            FileJob(source / one.file, source / one.file, f"{one.problem}; {one.remedy}")
            for one in listed.passed_over
        ]
    if out is not None and out.suffix and not out.is_dir():
        if len(sources) > 1 or sources[0].is_dir():
            raise BadPlace(f"-o {out}: is a file, and there may be several to be written: name a directory")
        if out.suffix.lower() not in written:
            raise BadPlace(f"-o {out}: must end in {' or '.join(written)}, or name a directory")
        return [FileJob(found[0][0], out)]
    if out is not None and out.exists() and not out.is_dir():
        raise BadPlace(
            f"-o {out}: is a file: name a directory, or a file that ends in {' or '.join(written)}"
        )
    return _placed(found, out, renamed) + problems


def _placed(
    found: Sequence[tuple[Path, Path]], out: Path | None, renamed: Callable[[Path], str]
) -> list[FileJob]:
    places = [source.parent if out is None else out / relative.parent for source, relative in found]
    plain = [place / renamed(source) for place, (source, _) in zip(places, found, strict=True)]
    count = Counter(str(path).casefold() for path in plain)
    jobs = []
    for (source, _), path in zip(found, plain, strict=True):
        if count[str(path).casefold()] > 1:  # a.edf and a.bdf lie side by side
            path = path.with_name(source.name + path.suffix)
        jobs.append(FileJob(source, path))
    return jobs


@contextlib.contextmanager
def finished(target: Path, source: Path, force: bool) -> Iterator[Path]:
    """Yields where a file is to be written; it gets its name when it is whole, and never takes another's.

    Raises:
        BadPlace: it is there already and ``force`` does not allow to replace it, it is the source, or it
            cannot be written.
    """
    if target.exists() and source.exists() and target.samefile(source):
        raise BadPlace(f"{target}: is the file that is read: name another one with -o")
    if target.is_dir():
        raise BadPlace(f"{target}: is a directory")
    if not force and (target.exists() or target.is_symlink()):
        raise BadPlace(f"{target}: exists; --force replaces it")
    part = target.with_name(f".{target.name[:100]}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part.open("wb").close()
    except OSError as error:
        raise _unwritable(target, error) from error
    try:
        try:
            yield part
        except OSError as error:
            raise (_unwritable(target, error) if error.errno in _FULL else error) from error
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        if force:
            part.replace(target)
        else:
            _take(part, target)
    finally:
        part.unlink(missing_ok=True)


def _unwritable(target: Path, error: OSError) -> BadPlace:
    return BadPlace(f"{target}: cannot be written: {error.strerror}; name another place with -o")


def _take(part: Path, target: Path) -> None:
    """Give a file its name unless somebody has taken it meanwhile."""
    try:
        target.hardlink_to(part)
    except FileExistsError:
        raise BadPlace(f"{target}: exists; --force replaces it") from None
    except OSError:  # a file system without links
        part.rename(target)

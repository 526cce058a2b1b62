"""Hands out the bytes of an artifact: as a file, as a directory, or on standard output."""

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import typer

from blut_assets.cli.shell.terminal import writable
from blut_assets.terminal.output import failed, wrong
from blut_resources.files.durable import random_name, remove_tree
from blut_resources.files.full import full_place, says_full
from blut_resources.files.here import here

STDOUT = "-"
SHOWN = 5
"""Files of a directory that a refusal names."""


def refuse_early(output: str) -> str:
    """End the command with status 2 if nothing can be put there, before hours of work; else returns the path
    as it counts from any directory.
    """
    if output == STDOUT:
        if sys.stdout.isatty():
            wrong(
                "--output -: standard output is a terminal, which would obey what is in the bytes: pipe it,"
                " or name a path"
            )
        if not writable(1):
            wrong("--output -: standard output is closed: pipe it, or name a path")
    elif os.path.lexists(output):
        wrong(f"--output {output}: is there already; name a path that is not")
    return str(here() / output) if output not in ("", STDOUT) else output


@contextlib.contextmanager
def kept_clean(output: str) -> Iterator[BinaryIO | None]:
    """Send to standard error what is printed meanwhile, where standard output, given here, is for bytes."""
    if output != STDOUT:
        yield None
        return
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)  # also what libraries and children print
    with contextlib.redirect_stdout(sys.stderr), os.fdopen(kept, "wb") as out:
        yield out


def hand_out(found: Path, output: str, out: BinaryIO | None) -> None:
    """Copy an artifact to a path, or its only file to ``out``."""
    names = (
        [""]
        if found.is_file()
        else sorted(str(p.relative_to(found)) for p in found.rglob("*") if p.is_file())
    )
    if out is not None:
        _write(found, names, out)
        return
    target = Path(output)
    name = _wanted(names, target.suffix)
    part = target.with_name(f".{target.name}.{random_name()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if name is None:
            shutil.copytree(found, part)
        else:
            shutil.copyfile(found / name, part)
        part.rename(target)
    except (OSError, shutil.Error) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        why = f"{why}: {full_place(target)}" if says_full(str(error)) else why
        failed(f"--output {output}: cannot be written: {why}; what it made is kept: name another path")
    finally:
        if os.path.lexists(part):
            remove_tree(part)
    of = f"{name}, one of its {len(names)} files, is" if name and len(names) > 1 else ""
    typer.echo(f"{of} copied to {output}".strip())


def _wanted(names: list[str], suffix: str) -> str | None:
    """Returns the file that a path with this suffix asks for; None for the whole directory."""
    if names == [""] or (suffix and len(names) == 1):
        return names[0]
    same = [name for name in names if suffix and Path(name).suffix == suffix]
    return same[0] if len(same) == 1 else None


def _write(found: Path, names: list[str], out: BinaryIO) -> None:
    if len(names) != 1:
        more = ", ..." if len(names) > SHOWN else ""
        failed(
            f"--output -: it is a directory of {len(names)} files ({', '.join(names[:SHOWN])}{more}), and"
            " standard output takes one: name a path, and it is copied there, without being computed again"
        )
    try:
        with (found / names[0]).open("rb") as file:
            shutil.copyfileobj(file, out, 1 << 20)
        out.flush()
    except BrokenPipeError:
        failed("--output -: nobody reads standard output any more")
    except OSError as error:
        failed(f"--output -: cannot be written: {error.strerror}")

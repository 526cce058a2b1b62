"""Gives a directory a name that can be pasted into an address.

Dagster writes the path of an instance into the URL of each database and into a glob, as it is. In a directory
that is called ``a%20b`` or ``a?b`` its storage opens other files than those that are there, beside the
directory or nowhere; where one is called ``a[b]``, it finds none. A link with a plain name leads there.
"""

import atexit
import contextlib
import os
import re
import shutil
import tempfile
from pathlib import Path

from blut_resources.files.digest import digest_bytes
from blut_resources.files.durable import random_name
from blut_resources.files.modes import make_private
from blut_resources.files.named import user_data

PASTED_WRONGLY = re.compile(r"[?%#*\[\]\x00-\x1f\x7f]")
"""What means something in a URL or a glob, or ends one."""
LINKS = "links"
"""Where the links of a user are, among the data of Blut."""


def is_plain(path: str | Path) -> bool:
    """Says whether a path means in a URL and in a glob what it means to the file system."""
    return PASTED_WRONGLY.search(str(path)) is None


def plain_path(directory: Path) -> Path:
    """Returns a directory's path, or that of a link to it where the path itself cannot be pasted.

    The link is kept with the user's data: processes that are started with it may outlive this one. Where
    that cannot be written, it lasts as long as this process.
    """
    if is_plain(directory):
        return directory
    links = user_data() / LINKS
    if is_plain(links):
        with contextlib.suppress(OSError):
            return _link(make_private(links) / digest_bytes(os.fsencode(directory))[:16], directory)
    passing = next(base for base in (tempfile.gettempdir(), "/tmp") if is_plain(base))  # noqa: S108
    made = tempfile.mkdtemp(prefix="blut-home-", dir=passing)
    atexit.register(_remove, made, os.getpid())
    return _link(Path(made) / "home", directory)


def _link(path: Path, directory: Path) -> Path:
    if not path.is_symlink() or path.readlink() != directory:
        temporary = path.with_name(f".{random_name()}")
        temporary.symlink_to(directory, target_is_directory=True)
        temporary.replace(path)
    return path


def _remove(made: str, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(made, ignore_errors=True)

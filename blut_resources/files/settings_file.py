"""Reads a file of settings in TOML that others must not be able to write: what it names is done."""

from pathlib import Path
from typing import Any

from blut_resources.files.documents import DocumentError, read_toml
from blut_resources.files.private import NotBelieved, open_believed


def read_settings(path: Path, at_most: int, error: type[Exception]) -> tuple[str, dict[str, Any]]:
    """Returns the text of a file and the tables in it; nothing of either without the file.

    Args:
        at_most: bytes that it may have.
        error: what is raised where it is malformed, or others can write it, with the file and the remedy.
    """
    try:
        with open_believed(path, f"chmod 600 {path}, or write one of your own") as file:
            data = file.read(at_most + 1)
            document = read_toml(data, str(path), at_most)
            return data.decode("utf-8-sig"), document
    except FileNotFoundError:
        return "", {}
    except NotBelieved as problem:
        raise error(str(problem)) from None
    except (OSError, DocumentError) as problem:
        raise error(f"{problem}; correct it or delete it") from None

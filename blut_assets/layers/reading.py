"""Reads a file of settings: its values, the line of each key, and from where its paths count."""

import re
from collections.abc import Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, NamedTuple

from blut_assets.layers.values import KeyPath
from blut_assets.recipes.args import ArgsError
from blut_resources.files.documents import MOST, read_json, read_yaml
from blut_resources.files.private import NotBelieved, open_believed
from blut_resources.files.yaml_places import lines_of

_ASSIGNMENT = re.compile(r"[A-Za-z_][\w.]*=")
"""What `--set` takes, and `--args` does not."""


class SettingsFile(NamedTuple):
    """Holds what a file says.

    Attributes:
        path: by which it is named in messages.
        values: by key, as they stand in it.
        lines: of each key, counted from 1.
        directory: from which a relative path in it counts; None for a file inside an archive.
    """

    path: str
    values: Mapping[str, Any]
    lines: Mapping[KeyPath, int]
    directory: Path | None

    def place(self, path: KeyPath) -> str:
        """Returns the file with the line of a key, or of the nearest key around it."""
        line = self.line(path)
        return f"{self.path}:{line}" if line else self.path

    def line(self, path: KeyPath) -> int:
        """Returns the line of a key, or of the nearest key around it; 0 if there is none."""
        return next((self.lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.lines), 0)


def read_settings(file: Traversable, *, believe: bool) -> SettingsFile:
    """Returns what a file says.

    Args:
        believe: whether it may be anybody's; what is found and not named must be this user's or root's, and
            nobody else may write it.

    Raises:
        ArgsError: it cannot be read, is not an object in YAML or JSON, or is not believed.
        FileNotFoundError: there is none.
    """
    path = str(file)
    try:
        text = _text(file, believe)
        values = read_yaml(text, path, MOST, as_json=True)
    except FileNotFoundError:
        raise
    except NotBelieved as error:
        raise ArgsError(str(error)) from None
    except OSError as error:
        raise ArgsError(
            f"{path}: cannot be read: {error.strerror or error}; make it readable, or take it away"
        ) from None
    except ValueError as error:
        raise ArgsError(f"{error}; correct that line") from None
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise ArgsError(
            f"{path}: expected names and values, such as `seed: 1`, found {type(values).__name__}"
        )
    _refuse_other_keys(path, values)
    lines = lines_of(text.decode("utf-8-sig"))
    return SettingsFile(path, values, lines, file.resolve().parent if isinstance(file, Path) else None)


def read_object(text: str, option: str) -> tuple[dict[str, Any], SettingsFile | None]:
    """Returns a JSON object, or what is in @FILE, and then the file too; its paths count from nowhere in it.

    Raises:
        ArgsError: it is neither; the message begins with the option.
    """
    values: Any
    file = None
    try:
        if text.startswith("@"):
            path = Path(text[1:])
            with path.open("rb") as opened:
                data = opened.read(MOST + 1)
            values = read_yaml(data, str(path), MOST, as_json=True)
            file = SettingsFile(str(path), {}, lines_of(data.decode("utf-8-sig")), None)
        else:
            values = read_json(text, "the text", MOST)
    except (OSError, ValueError) as error:
        like = f"--set {text}" if option == "--args" and _ASSIGNMENT.match(text) else ""
        meant = f" (did you mean `{like}`?)" if like else ""
        raise ArgsError(
            f"{option} {text}: {error}{meant}; give a JSON object such as '{{\"seed\": 1}}', or @FILE"
        ) from None
    if not isinstance(values, dict):
        raise ArgsError(
            f"{option} {text}: expected an object with argument names, found {type(values).__name__}"
        )
    return values, file


def _text(file: Traversable, believe: bool) -> bytes:
    if isinstance(file, Path) and not believe:
        remedy = f"chmod go-w {file} if it is yours, or else take a copy of your own"
        with open_believed(file, remedy) as opened:
            return opened.read(MOST + 1)
    with file.open("rb") as opened:
        return opened.read(MOST + 1)


def _refuse_other_keys(path: str, values: Any, around: str = "") -> None:
    if isinstance(values, list):
        for one in values:
            _refuse_other_keys(path, one, around)
    for key, value in values.items() if isinstance(values, dict) else ():
        if not isinstance(key, str):
            raise ArgsError(f'{path}: {around}{key!r}: a key is text; write "{key}": with quotes')
        _refuse_other_keys(path, value, f"{around}{key}.")

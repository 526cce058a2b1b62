"""Applies what ``--set`` says: ``K=V``, ``K=@file``, ``+K=V`` and ``~K``."""

from pathlib import Path
from typing import Any

from blut_assets.layers.directories import SUFFIXES
from blut_assets.layers.values import KeyPath, ValueOrigin, Values
from blut_assets.recipes.args import ArgsError
from blut_resources.files.documents import MOST, read_json, read_yaml

FORMS = "write KEY=VALUE, such as seed=1 or limits.memory_max=4G"


def value_of(text: str) -> Any:
    """Returns the value that a text stands for: JSON if it can be read as that, and else the text."""
    try:
        return read_json(text, "the text")
    except ValueError:
        return text


def changed(values: Values, change: str) -> tuple[KeyPath, Any]:
    """Put one change over the values; returns the key and its value, None where it is a default again.

    Raises:
        ArgsError: it has another form, sets something inside a text or a number, or adds what is there.
    """
    said = f"--set {change}"
    if change.startswith("~"):
        path = _key(change[1:], said, "write ~KEY, such as ~seed, for what is its default")
        values.drop(path)
        return path, None
    adds = change.startswith("+")
    word, equals, text = change.removeprefix("+").partition("=")
    path = _key(word if equals else "", said, FORMS)
    if adds and (known := values.origin(path)):
        raise ArgsError(f"{said}: {word} is there already, by {known}; write {word}={text} to change it")
    if plain := values.plain_above(path):
        raise ArgsError(f"{said}: {plain[-1]!r} is no object, so nothing can be set inside it")
    value = _of_file(text[1:], said) if text.startswith("@") else value_of(text)
    values.drop(path)  # an object takes the place of another one; `limits.cpus=2` is for one key of it
    values.put(path, value, lambda _: ValueOrigin("set", said))
    return path, value


def _key(word: str, said: str, remedy: str) -> KeyPath:
    path = tuple(word.split("."))
    if not all(path) or "=" in word:
        raise ArgsError(f"{said}: {remedy}")
    return path


def _of_file(name: str, said: str) -> Any:
    """Returns what is in a file: YAML and JSON by its suffix, else its text without the last line end."""
    path = Path(name).expanduser()
    try:
        with path.open("rb") as file:
            data = file.read(MOST + 1)
        if path.suffix in SUFFIXES:
            return read_yaml(data, name, MOST, as_json=True)
        if len(data) > MOST:
            raise ValueError(f"more than {MOST} bytes; an argument is shorter")
        return data.decode("utf-8-sig").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise ArgsError(f"{said}: {name} is no text in UTF-8") from None
    except (OSError, ValueError, RuntimeError) as error:
        quoted = f'; for a text that begins with @ write it in quotes of JSON: "@{name}"'
        raise ArgsError(f"{said}: {getattr(error, 'strerror', None) or error}{quoted}") from None

"""Finds the keys of a recipe's args: which are unknown, which hold an object, how a variable names one."""

import inspect
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, get_args, get_origin

from pydantic import BaseModel

from blut_assets.layers.values import KeyPath
from blut_assets.paths import AsPath

Form = type[BaseModel]


class UnknownKey(NamedTuple):
    """Names a key that the args do not have, its value, and the keys that there are in its place."""

    path: KeyPath
    value: Any
    known: Collection[str]


def forms_in(annotation: Any) -> list[Form]:
    """Returns the classes of objects that a setting of this type may hold, also in a union."""
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (list, dict, tuple, set):
        return []
    return [form for inner in get_args(annotation) for form in forms_in(inner)]


def holds_object(form: Form, path: Sequence[str]) -> bool:
    """Says whether a key of the args holds an object, with fields of its own or with any names."""
    annotation: Any = form
    for key in path:
        fields = _fields(annotation)
        if key not in fields:
            return _any_names(annotation)
        annotation = fields[key].annotation
    return bool(forms_in(annotation)) or _any_names(annotation)


def unknown_below(form: Form, path: KeyPath, value: Any) -> Iterator[UnknownKey]:
    """Yields the keys that the args do not have, of a value that is put at a path."""
    for key in reversed(path):
        value = {key: value}
    yield from _unknown(form, value)


def spelled(form: Form, words: Sequence[str]) -> KeyPath:
    """Returns the keys that the words of a variable's name stand for; what is none stays, in lower case."""
    annotation: Any = form
    path: list[str] = []
    for word in words:
        fields = _fields(annotation)
        alike = [word] if word in fields else [name for name in fields if name.upper() == word.upper()]
        key = alike[0] if alike else word if _any_names(annotation) else word.lower()
        path.append(key)
        annotation = fields[key].annotation if key in fields else None
    return tuple(path)


def anchored(form: Form, values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns values with every path in them absolute: from where `typed_in` says, a link stays one.

    Raises:
        ValueError: a path is relative and was typed in no directory, or leads nowhere; it names the key.
    """
    return {key: _anchored(form, key, value) for key, value in values.items()}


def _unknown(annotation: Any, value: Any, path: KeyPath = ()) -> Iterator[UnknownKey]:
    """Yields the keys of a value that a setting of this type does not have, also of objects in lists."""
    if isinstance(value, list):
        inner = [one for one in get_args(annotation) if get_origin(annotation) is list]
        for one in value if inner else ():
            yield from _unknown(inner[0], one, path)
    elif isinstance(value, Mapping) and (fields := _fields(annotation)):
        for key, one in value.items():
            if key in fields:
                yield from _unknown(fields[key].annotation, one, (*path, key))
            elif not _any_names(annotation):
                yield UnknownKey((*path, key), one, list(fields))


def _anchored(form: Form, key: str, value: Any) -> Any:
    info = form.model_fields.get(key)
    if info is None:
        return value
    if marks := [one for one in info.metadata if isinstance(one, AsPath)]:
        try:
            return marks[0].absolute(value)
        except ValueError as error:
            raise ValueError(f"{key} = {value!r}: {error}") from None
    inner = forms_in(info.annotation)
    return anchored(inner[0], value) if inner and isinstance(value, Mapping) else value


def _fields(annotation: Any) -> dict[str, Any]:
    return {name: info for form in forms_in(annotation) for name, info in form.model_fields.items()}


def _any_names(annotation: Any) -> bool:
    """Says whether a setting takes an object with any names in it."""
    if annotation is Any or annotation in (dict, Mapping) or get_origin(annotation) in (dict, Mapping):
        return True
    if any(form.model_config.get("extra") == "allow" for form in forms_in(annotation)):
        return True
    inner = () if get_origin(annotation) in (list, tuple, set) else get_args(annotation)
    return any(_any_names(one) for one in inner)

"""Writes and reads the part of a header that is text: deflated JSON, bounded when it is inflated.

What has its default value is left out, and a property of many channels is one list, so that little is left.
"""

import dataclasses
import json
import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cookbooks.lamquant.lqc.container.header import Annotation, ChannelFacts, FileHeader, Gap, Group
from cookbooks.lamquant.lqc.errors import FormatError, InputError

MAX_TEXT = 2**23
"""Bytes of JSON, inflated."""
_TEXT = ("label", "unit", "prefiltering", "transducer")
_FLOATS = ("physical_min", "physical_max")
_INTEGERS = ("digital_min", "digital_max")
_DEFAULT = ChannelFacts()


def columns(channels: Sequence[ChannelFacts]) -> dict[str, list[Any]]:
    """Returns what channels say in text: a list of values for each property that any of them has."""
    found = {}
    for name in (*_TEXT, *_FLOATS, *_INTEGERS, "facts"):
        values = [getattr(channel, name) for channel in channels]
        if any(value != getattr(_DEFAULT, name) for value in values):
            found[name] = values
    return found


def text_of(header: FileHeader) -> bytes:
    """Returns the text of a header; empty where there is none.

    Raises:
        InputError: it is too long, or something in ``facts`` is not JSON.
    """
    about = notes(header.gaps, header.annotations, header.facts)
    if any(groups := [columns(group.channels) for group in header.groups]):
        about["channels"] = groups
    return deflate(about)


def notes(gaps: Sequence[Gap], annotations: Sequence[Annotation], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Returns gaps, annotations and facts as JSON has them; what is empty is left out."""
    parts = {
        "gaps": [list(dataclasses.astuple(gap)) for gap in gaps],
        "annotations": [_trimmed(mark) for mark in annotations],
        "facts": dict(facts),
    }
    return {name: part for name, part in parts.items() if part}


def _trimmed(mark: Annotation) -> list[Any]:
    """Returns the fields of a mark without those at the end that are not set."""
    fields: list[Any] = [mark.onset_s, mark.duration_s, mark.kind, mark.text]
    for empty in (None, "", None):
        if fields[-1] != empty:
            break
        fields.pop()
    return fields


def deflate(about: Mapping[str, Any]) -> bytes:
    """Returns JSON, deflated (without the head and the checksum of zlib); nothing of an empty mapping.

    Raises:
        InputError: it is too long, or not JSON.
    """
    if not about:
        return b""
    try:
        text = json.dumps(about, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"facts of the header are not JSON: {error}") from error
    if len(text) > MAX_TEXT:
        raise InputError(f"the header's text has {len(text)} bytes, and {MAX_TEXT} are the most")
    packer = zlib.compressobj(9, wbits=-15)
    return packer.compress(text) + packer.flush()


def inflate(data: bytes) -> dict[str, Any]:
    """Returns what ``deflate`` was given.

    Raises:
        FormatError: it is not a deflated JSON object, or is longer than ``MAX_TEXT``.
    """
    if not data:
        return {}
    stream = zlib.decompressobj(wbits=-15)
    try:
        text = stream.decompress(data, MAX_TEXT + 1)
        if len(text) > MAX_TEXT or not stream.eof or stream.unused_data:
            raise FormatError(f"text: {len(data)} bytes do not inflate to one text of at most {MAX_TEXT}")
        about = json.loads(text, parse_constant=_refuse)
    except FormatError:
        raise
    except (zlib.error, ValueError, RecursionError) as error:
        raise FormatError(f"text is not deflated JSON: {error}") from error
    if not isinstance(about, dict):
        raise FormatError(f"text holds a {type(about).__name__}, not an object")
    return about


def _refuse(word: str) -> None:
    raise FormatError(f"text: {word} is not a number")


def header_of(groups: Sequence[Group], about: Mapping[str, Any], identity: bool) -> FileHeader:
    """Returns the header of groups whose channels have no text yet, and of the text.

    Raises:
        FormatError: the text does not fit the groups, or has values of another type.
    """
    texts = _list(about.get("channels", [{}] * len(groups)), "channels", len(groups))
    named = [
        dataclasses.replace(group, channels=_channels(group.channels, text, f"channels[{number}]"))
        for number, (group, text) in enumerate(zip(groups, texts, strict=True))
    ]
    gaps, annotations, facts = read_notes(about)
    return FileHeader(tuple(named), gaps, annotations, facts, identity)


def read_notes(
    about: Mapping[str, Any],
) -> tuple[tuple[Gap, ...], tuple[Annotation, ...], dict[str, Any]]:
    """Returns gaps, annotations and facts of the text of a header or of a note.

    Raises:
        FormatError: one of them has another shape or type.
    """
    gaps = [_gap(_list(one, f"gaps[{i}]", 3)) for i, one in enumerate(_list(about.get("gaps", []), "gaps"))]
    rows = _list(about.get("annotations", []), "annotations")
    marks = [_annotation(_list(row, f"annotations[{i}]"), f"annotations[{i}]") for i, row in enumerate(rows)]
    facts = about.get("facts", {})
    return tuple(gaps), tuple(marks), _typed(facts, "facts", dict)


def _channels(channels: Sequence[ChannelFacts], text: Any, where: str) -> tuple[ChannelFacts, ...]:
    checks: dict[str, Callable[[Any, str], Any]] = {
        **dict.fromkeys(_TEXT, lambda value, name: _typed(value, name, str)),
        **dict.fromkeys(_FLOATS, lambda value, name: None if value is None else _number(value, name)),
        **dict.fromkeys(_INTEGERS, lambda value, name: None if value is None else _typed(value, name, int)),
        "facts": lambda value, name: _typed(value, name, dict),
    }
    found: list[dict[str, Any]] = [{} for _ in channels]
    for name, values in _typed(text, where, dict).items():
        if name in checks:  # a later version may say more
            for one, value in zip(found, _list(values, f"{where}.{name}", len(found)), strict=True):
                one[name] = checks[name](value, f"{where}.{name}")
    return tuple(dataclasses.replace(channel, **one) for channel, one in zip(channels, found, strict=True))


def _gap(fields: list[Any]) -> Gap:
    start, seconds, group = fields
    return Gap(
        _typed(start, "gaps: start", int),
        _number(seconds, "gaps: seconds"),
        _typed(group, "gaps: group", int),
    )


def _annotation(fields: list[Any], where: str) -> Annotation:
    if not 1 <= len(fields) <= 4:
        raise FormatError(f"text: {where} has {len(fields)} fields, and must have 1 to 4")
    onset, duration, kind, text = [*fields, *(None, "", None)[len(fields) - 1 :]]
    return Annotation(
        _number(onset, f"{where}: onset"),
        None if duration is None else _number(duration, f"{where}: duration"),
        _typed(kind, f"{where}: class", str),
        None if text is None else _typed(text, f"{where}: text", str),
    )


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FormatError(f"text: {name} is a {type(value).__name__}, not a number")
    try:
        number = float(value)
    except OverflowError as error:
        raise FormatError(f"text: {name} is too large a number") from error
    if not math.isfinite(number):
        raise FormatError(f"text: {name} is not finite")
    return number


def _typed(value: Any, name: str, kind: type) -> Any:
    if isinstance(value, bool) or not isinstance(value, kind):
        raise FormatError(f"text: {name} is a {type(value).__name__}, not a {kind.__name__}")
    return value


def _list(value: Any, name: str, length: int | None = None) -> list[Any]:
    found = _typed(value, name, list)
    if length is not None and len(found) != length:
        raise FormatError(f"text: {name} has {len(found)} values, and must have {length}")
    return found


def add_notes(header: FileHeader, about: Mapping[str, Any]) -> FileHeader:
    """Returns a header with the gaps, annotations and facts of a note added, which came later.

    Raises:
        FormatError: the note has another shape or type.
    """
    gaps, annotations, facts = read_notes(about)
    return dataclasses.replace(
        header,
        gaps=header.gaps + gaps,
        annotations=header.annotations + annotations,
        facts={**header.facts, **facts},
    )

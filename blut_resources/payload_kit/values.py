"""Makes of a metric, whatever it is, what a message can say: a training does not end for a figure of it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Plain = float | int | bool | str | None

TEXT_MAX, NAME_MAX = 1000, 256
"""Characters of a text, and of a name, that the other side takes."""
UNNAMED = "(no name)"
_INT64 = 1 << 63


def plain_values(values: Mapping[str, Any]) -> dict[str, Plain]:
    """Returns metrics under names that can be printed; none of two whose names come out alike is lost."""
    found: dict[str, Plain] = {}
    for name, value in values.items():
        known = text = _printable(name, NAME_MAX) or UNNAMED
        number = 1
        while known in found or (known != name and known in values):
            number += 1
            known = f"{text[: NAME_MAX - 8]} ({number})"
        found[known] = plain(value)
    return found


def plain(value: Any) -> Plain:
    """Returns a number, a bool or None as it is, what one array or tensor element holds, else a text.

    A whole number of more than 64 bits becomes a float, or a text where no float is that large.
    """
    if value is None or type(value) in (bool, float):
        return value
    if isinstance(value, str):
        return _printable(str.__str__(value), TEXT_MAX)
    try:
        return _number(value)
    except Exception:  # whatever a foreign class does when it is asked
        return _printable(_said(value), TEXT_MAX)


def _number(value: Any) -> Plain:
    if not isinstance(value, int) and hasattr(value, "item"):
        value = value.item()  # numpy, torch: raises for more than one element
    if value is None or isinstance(value, bool | str):
        return plain(value) if isinstance(value, str) else value
    if isinstance(value, int):
        return int(value) if abs(value) < _INT64 else _beyond(int(value))
    return float(value)


def _beyond(value: int) -> float | str:
    try:
        return float(value)
    except OverflowError:
        return _printable(hex(value), TEXT_MAX)


def _said(value: Any) -> str:
    try:
        return str(value)
    except Exception:
        return f"a {type(value).__name__}"


def _printable(text: str, most: int) -> str:
    """Returns it with what is not printable escaped; what is too long is cut."""
    if not text.isprintable():
        text = text[:most].encode("unicode_escape").decode()
    return text if len(text) <= most else f"{text[: most - 1]}…"

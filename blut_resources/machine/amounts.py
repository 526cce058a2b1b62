"""Reads sizes and durations as people write them.

Sizes are bytes, or text with a binary suffix (``"44G"``, ``"512MiB"``). Durations are seconds, or text with
``s``, ``m``, ``h`` or ``d``.
"""

import math
import re

from blut_resources.text import one_line

_UNITS = {letter: 1024 ** (power + 1) for power, letter in enumerate("KMGTP")}
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_NUMBER = r"\s*(\d{1,20}(?:\.\d{1,20})?)\s*"
_SIZE = re.compile(_NUMBER + r"(?:([KMGTP])(?:i?B)?|B)?\s*", re.IGNORECASE)
_DURATION = re.compile(_NUMBER + r"([smhd]?)\s*", re.IGNORECASE)
_LARGEST = 1 << 60


class LimitsError(ValueError):
    """Says that a limit makes no sense; the message names its source, the value and what would do."""


def refused(field: str, value: object, remedy: str) -> LimitsError:
    """Returns the error that names field, value and remedy."""
    huge = isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _LARGEST
    shown = "a number of more than 60 bits" if huge else one_line(repr(value), 100)
    return LimitsError(f"{field}={shown}: {remedy}")


def parse_size(value: object, field: str = "size") -> int:
    """Returns bytes. K, M, G, T and P are powers of 1024, with or without ``B`` or ``iB``.

    Raises:
        LimitsError: zero, negative, not finite, or not a size.
    """
    size = size_of(value)
    if size is None or size > _LARGEST:
        raise refused(field, value, 'not a size; say it as bytes or like "44G" or "512MiB"')
    if size < 1:
        raise refused(field, value, "must be more than zero; leave it out for no limit")
    return size


def size_of(value: object) -> int | None:
    """Returns bytes, zero and less included; None if it is not a size."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int):
        return value
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    return int(float(found[1]) * _UNITS.get((found[2] or "").upper(), 1)) if found else None


def parse_duration(value: object, field: str = "duration") -> float:
    """Returns seconds, of ``"90s"``, ``"30m"``, ``"2h"``, ``"1d"`` or a number.

    Raises:
        LimitsError: zero, negative, not finite, or not a duration.
    """
    seconds = _duration(value)
    if seconds is None or not math.isfinite(seconds):
        raise refused(field, value, 'not a duration; say it as seconds or like "90s", "30m" or "2h"')
    if seconds <= 0:
        raise refused(field, value, "must be more than zero; leave it out for no limit")
    return seconds


def duration_text(seconds: float) -> str:
    """Returns a duration for a person, such as ``40 s``, ``5 min`` or ``3 h``."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def _duration(value: object) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if abs(value) < _LARGEST else None
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    return float(found[1]) * _SECONDS[found[2].lower()] if found else None

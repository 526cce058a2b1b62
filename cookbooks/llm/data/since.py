"""Reads points in time, as people and logs write them. All are seconds since 1970 in UTC."""

import datetime
import re
from typing import Any

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}
SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(y|w|d|h|min|m|s)[a-z]*\s*")
MILLISECONDS = 1e11
"""Numbers from here on are milliseconds (3 March 1973), and a thousand times this, microseconds."""


def parse_since(text: str, now: datetime.datetime) -> float:
    """Parse a date, a time, or how long ago:
    ``2026-05-01``, ``2026-05-01T12:00+02:00``, ``30d``, ``1w 12h``.

    Raises:
        ValueError: it is neither.
    """
    span = _span(text.strip().lower())
    if span is not None:
        return now.timestamp() - span
    try:
        return _iso(text)
    except ValueError:
        raise ValueError(
            f"since = {text!r}: give a date such as 2026-05-01, or how long ago, such as 30d, 12h or 1w 12h"
        ) from None


def _span(text: str) -> float | None:
    at, total = 0, 0.0
    while at < len(text):
        found = SPAN.match(text, at)
        if not found:
            return None
        total += float(found[1]) * UNITS[found[2][:1]]
        at = found.end()
    return total if text else None


def parse_time(value: Any) -> float:
    """Parse a timestamp of a log:
    ISO 8601 (UTC if it names no zone), or a number of seconds since 1970, or of milliseconds or microseconds.

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return _iso(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e17:
        raise ValueError(f"{value!r} is no time: write ISO 8601, or seconds since 1970")
    for scale in (1, 1e3, 1e6):
        if value / scale < MILLISECONDS:
            return value / scale
    raise ValueError(f"{value!r} is no time: write ISO 8601, or seconds since 1970")


def _iso(text: str) -> float:
    found = datetime.datetime.fromisoformat(text.strip())
    if found.tzinfo is None:
        found = found.replace(tzinfo=datetime.UTC)
    return found.timestamp()

"""Says in words what of a recording was repaired."""

from collections.abc import Sequence

from cookbooks.lamquant.formats.edf.layout import COUNT
from cookbooks.lamquant.formats.edf.problems import Repair

_SHOWN = 4


def in_words(repairs: Sequence[Repair], duration_s: float) -> list[str]:
    """Returns a sentence for each repair; of missing records the seconds that are left of what was said."""
    return [_words(one, duration_s) for one in repairs]


def _words(one: Repair, duration_s: float) -> str:
    held = one.used.partition(",")[0]
    if one.field == COUNT and held.isdigit() and (one.found or "").isdigit():
        is_less = int(held) < int(one.found or 0)
        said, there = int(one.found or 0) * duration_s, int(held) * duration_s
        return f"holds {there:g} of {said:g} s" if is_less else f"holds {there:g} s, not {said:g} s"
    where = f"{one.field} of {one.channel}" if one.channel else one.field
    return f"{where}: {'' if one.found is None else f'not {one.found} but '}{one.used}"


def told_in_a_line(words: Sequence[str]) -> str:
    """Returns how many there are, and the first ones."""
    more = f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    return f"{len(words)} repair{'' if len(words) == 1 else 's'}: {', '.join(words[:_SHOWN])}{more}"

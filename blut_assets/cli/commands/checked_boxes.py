"""Asks for `blut doctor` which machines work with a store, and whether their locks and clocks agree."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from blut_resources.boxes.beats import LIMIT, limit_s
from blut_resources.boxes.probe import loose, unlocked_box
from blut_resources.boxes.seen import boxes
from blut_resources.files.clock import SKEW_NS, measure
from blut_resources.machine.amounts import LimitsError, duration_text


class BoxFinding(NamedTuple):
    """Says what was found of the machines that share a store, and how it is mended."""

    about: str
    state: Literal["ok", "missing", "broken"]
    found: str
    remedy: str = ""


def checked_boxes(root: Path) -> Iterator[BoxFinding]:
    """Yields what holds between the machines that work with the store in ``root``, and each of them.

    Raises:
        OSError: it cannot be looked at.
    """
    try:
        limit_s()
    except LimitsError as error:
        yield BoxFinding(LIMIT, "broken", str(error), f"unset {LIMIT}, or set it to a duration such as 5m")
    if not os.access(root, os.W_OK):
        return
    why = loose(root)
    if not why and (other := unlocked_box(root)):
        why = f"what {other} has locked there is not locked for this machine"
    remedy = "mount it so that locks are the server's, or BLUT_STORE=/path/on/another/disk" if why else ""
    yield BoxFinding("locks", "broken" if why else "ok", why or "hold in the store", remedy)
    if abs(ahead := measure(root)) > SKEW_NS:
        found = f"{ahead / 1e9:+.1f} s off the store's, so files are hashed each time"
        yield BoxFinding("clock", "missing", found, "set both clocks, for example with chrony")
    for box in boxes(root):
        seen = "nobody can tell when" if box.age_s is None else f"{duration_text(box.age_s)} ago"
        yield BoxFinding(f"box {box.name}", "ok", f"seen {seen}{', this one' if box.here else ''}")

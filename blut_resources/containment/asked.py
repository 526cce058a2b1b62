"""Reads ``$BLUT_CONTAINED``: whether payloads start only within a memory limit that is enforced."""

from __future__ import annotations

from collections.abc import Mapping

from blut_resources.machine.amounts import refused
from blut_resources.settings import origin

CONTAINED = "BLUT_CONTAINED"


def contained(env: Mapping[str, str]) -> bool | None:
    """Returns True where a limit is wanted that is enforced, False where none is, None where nothing is said.

    Raises:
        LimitsError: the variable says anything but ``1`` or ``0``.
    """
    text = env.get(CONTAINED, "").strip()
    if text not in ("", "0", "1"):
        remedy = "must be 1 (a memory limit that is enforced, or no start) or 0 (none); unset it for neither"
        raise refused(origin(CONTAINED), text, remedy)
    return text == "1" if text else None

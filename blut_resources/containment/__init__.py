"""Keeps a payload's processes together, so that all of them end when it does.

A unit is a command with everything that it starts. ``launch`` starts one under a memory limit that the kernel
provably enforces; its ``Outcome`` says how it ended. ``attach`` finds a unit that outlived its owner.
"""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` would take 15 ms to import, of the supervisor's 20
if TYPE_CHECKING:
    from typing import Any

    from blut_resources.containment.launching import launch
    from blut_resources.containment.limits import Limits
    from blut_resources.containment.outcome import Outcome
    from blut_resources.containment.unit import (
        ContainmentError,
        ContainmentRefused,
        Enforcement,
        Unit,
        attach,
    )
    from blut_resources.machine.amounts import LimitsError, parse_duration, parse_size

__all__ = [
    "ContainmentError",
    "ContainmentRefused",
    "Enforcement",
    "Limits",
    "LimitsError",
    "Outcome",
    "Unit",
    "attach",
    "launch",
    "parse_duration",
    "parse_size",
]

_HOMES = {
    "containment.launching": ("launch",),
    "containment.limits": ("Limits",),
    "containment.outcome": ("Outcome",),
    "containment.unit": ("ContainmentError", "ContainmentRefused", "Enforcement", "Unit", "attach"),
    "machine.amounts": ("LimitsError", "parse_duration", "parse_size"),
}


def __getattr__(name: str) -> Any:
    """Load a name on use: the supervisor is in this package too, and has no time for the rest of it."""
    home = next((module for module, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"blut_resources.{home}"), name)

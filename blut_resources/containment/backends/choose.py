"""Chooses the backends to try for a unit, the strongest first."""

from __future__ import annotations

from blut_resources.containment.backends.bare import Bare
from blut_resources.containment.backends.base import Backend
from blut_resources.containment.backends.cgroup1 import Cgroup1
from blut_resources.containment.backends.cgroup2 import Cgroup2
from blut_resources.containment.backends.rlimit import Rlimit
from blut_resources.containment.backends.systemd import Systemd
from blut_resources.containment.limits import Limits

_BACKENDS: dict[str, type[Backend]] = {
    "systemd": Systemd,
    "cgroup2": Cgroup2,
    "cgroup1": Cgroup1,
    "rlimit": Rlimit,
    "none": Bare,
}


def backend(name: str) -> Backend:
    """Returns the backend of that name."""
    return _BACKENDS[name]()


def candidates(limits: Limits) -> list[Backend]:
    """Returns backends that may hold such a unit, in the order in which to try them.

    Where containment is required, only those that hold the whole tree; ``rlimit`` also when named, because
    then it is known what it does.
    """
    if limits.backend == "rlimit" and limits.mode is None:
        return [Rlimit()]
    named = list(_BACKENDS) if limits.backend == "auto" else [limits.backend]
    found = [backend(name) for name in named]
    if limits.required:
        return [one for one in found if one.contains]
    if limits.backend not in ("auto", "none"):
        found.append(Bare())
    if not limits.memory_max:
        found = [one for one in found if one.name != "rlimit"] or [Bare()]
    return found

"""Launches on this machine: a unit of its own for each payload, held by whatever contains best here."""

from collections.abc import Callable

from blut_resources.containment.launching import launch
from blut_resources.containment.unit import Unit
from blut_resources.launchers.base import Order


class LocalLauncher:
    """Starts payloads on the machine that executes the run."""

    def start(self, order: Order, waits: Callable[[str], str]) -> Unit:
        """Start it as a unit, at once; see `Launcher.start`."""
        return launch(
            order.command,
            env=order.env,
            cwd=order.cwd,
            limits=order.limits,
            place=order.place,
            name=order.name,
            grace_s=order.grace_s,
            on_orphan=order.on_orphan,
            lease=order.lease,
            mark=order.mark,
            isolation=order.isolation,
        )

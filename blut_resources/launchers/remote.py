"""Starts payloads as jobs on other machines: ordered by files on a share, and started by a scheduler."""

# `job.json` is written, and on the disk, before anything is waited for: whoever comes after the death of this
# process finds the job by it. Between `sbatch` and that file a job has its comment only, by which it is
# looked for before another one is submitted.

import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blut_resources.launchers import node
from blut_resources.launchers.base import LaunchRefused, Order
from blut_resources.launchers.files import LAUNCH, note_job, write_durable
from blut_resources.launchers.gathering import ArrayScheduler, ArrayTask, GatheredOrder, gathering
from blut_resources.launchers.late_ending import end_later
from blut_resources.launchers.ordering import launch_of, not_shared
from blut_resources.launchers.remote_unit import RemoteUnit
from blut_resources.launchers.schedulers import scheduler_by
from blut_resources.launchers.waiting import until_answered

if TYPE_CHECKING:
    from blut_resources.launchers.profiles import Profile


class RemoteLauncher:
    """Starts payloads by the scheduler of a profile."""

    def __init__(self, name: str, profile: "Profile") -> None:
        self._name, self._profile = name, profile
        self._scheduler = scheduler_by(profile)

    def start(self, order: Order, waits: Callable[[str], str]) -> RemoteUnit:
        """Start it as a job, for which `RemoteUnit.await_start` waits; see `Launcher.start`."""
        if said := not_shared(order, self._profile) or self._scheduler.refuse(order):
            raise LaunchRefused(f"{order.name}: launcher={self._name}: {said}")
        launch = launch_of(order, self._profile)
        launch |= {"scheduler": self._scheduler.name, "where": self._scheduler.where}
        launch["profile"] = self._name
        python = [self._profile.python or sys.executable, "-P", "-m", "blut_resources.launchers.agent"]
        start = f"PYTHONPATH={shlex.quote(self._source())} exec {shlex.join(python)}"
        gathered = self._gathered(order, launch, start)
        if gathered is None:
            write_durable(order.place / LAUNCH, launch)
        try:
            job = self._of_array(order, start, gathered, waits) if gathered else None
            unsure = bool(gathered and gathered.unsure)
            job = job or self._submit(order, launch, start, waits, unsure=unsure)
            return RemoteUnit(order.place, self._scheduler, launch, note_job(order.place, launch, job))
        except LaunchRefused:
            raise
        except BaseException:  # the scheduler may have taken it all the same
            if gathered is None or gathered.withdraw():
                end_later(launch, order.grace_s)
            raise

    def _gathered(self, order: Order, launch: dict[str, Any], start: str) -> GatheredOrder | None:
        """Returns the order as one of those of its sweep; None if it belongs to none, or none can be one."""
        others = gathering()
        if others is None or order.job is None or not isinstance(self._scheduler, ArrayScheduler):
            return None
        return others.join(order, launch, self._scheduler.alike(order, start, order.job.variables))

    def _of_array(
        self, order: Order, start: str, gathered: GatheredOrder, waits: Callable[[str], str]
    ) -> str | None:
        scheduler, job = self._scheduler, order.job
        assert isinstance(scheduler, ArrayScheduler)
        assert job

        def submit(comment: str, tasks: Mapping[int, ArrayTask]) -> str:
            return scheduler.submit_array(order, start, comment, job.variables, tasks)

        return gathered.job(submit, scheduler.find, waits)

    def _submit(
        self,
        order: Order,
        launch: Mapping[str, Any],
        start: str,
        waits: Callable[[str], str],
        *,
        unsure: bool,
    ) -> str:
        assert order.job
        comment = launch["comment"]
        command = f"{start} {shlex.join([str(order.place), launch['key']])}"
        variables = order.job.variables

        def submit() -> str:
            nonlocal unsure
            if unsure and (found := self._scheduler.find(comment)):
                return found
            unsure = True
            return self._scheduler.submit(order, command, comment, variables)

        return until_answered(submit, f"{self._scheduler.name} takes no job now", waits)

    def _source(self) -> str:
        """Returns where the nodes have the source of this process."""
        if not self._profile.checkout:
            return node.FRAMEWORK
        from blut_resources.launchers.checkout import CheckoutError, source_of_nodes

        try:
            return str(source_of_nodes(Path(self._profile.checkout)))
        except CheckoutError as error:
            raise LaunchRefused(
                f"launcher={self._name}: checkout = {error}: `blut launch sync {self._name}` makes one"
            ) from None

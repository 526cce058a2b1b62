"""Finds the scheduler behind a profile, by its kind."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from blut_resources.launchers.scheduler import Scheduler
from blut_resources.launchers.slurm import Slurm

if TYPE_CHECKING:
    from blut_resources.launchers.profiles import Profile


def scheduler_by(profile: "Profile") -> Scheduler:
    """Returns the scheduler that a profile is of."""
    if profile.kind == "ray":
        # it brings an HTTP client, which every command would import
        from blut_resources.launchers.ray import Ray

        return Ray(profile)
    return Slurm(profile)


def scheduler_of(launch: Mapping[str, Any]) -> Scheduler:
    """Returns the scheduler that an order was given to, whatever its profile says by now."""
    from blut_resources.launchers.profiles import Profile

    where = {"address": launch["where"]} if launch["where"] else {}
    return scheduler_by(Profile.model_validate({"kind": launch["scheduler"], **where}))

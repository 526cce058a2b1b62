"""Finds the scheduler behind a profile, by its kind."""

import contextlib
from collections.abc import Mapping
from typing import Any

from blut_resources.launchers.profiles import LauncherError, Profile, find_profile
from blut_resources.launchers.scheduler import Scheduler
from blut_resources.launchers.slurm import Slurm


def scheduler_by(profile: Profile) -> Scheduler:
    """Returns the scheduler that a profile is of."""
    return Slurm(profile)


def scheduler_of(launch: Mapping[str, Any]) -> Scheduler:
    """Returns the scheduler that an order was given to, by its profile if that is still there."""
    profile = None
    with contextlib.suppress(LauncherError):
        profile = find_profile(launch["profile"])
    return scheduler_by(profile or Profile.model_validate({"kind": launch["scheduler"]}))

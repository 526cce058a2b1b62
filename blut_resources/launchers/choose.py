"""Chooses where a payload runs: by its config, else the environment, else its stage, else this machine."""

from typing import TYPE_CHECKING

from blut_resources.launchers.base import LOCAL
from blut_resources.settings import origin, settings

if TYPE_CHECKING:
    from blut_resources.launchers.profiles import Profile

VARIABLE = "BLUT_LAUNCHER"


def chosen(asked: str | None, default: str | None = None) -> str:
    """Returns the name of the launcher of a payload.

    Args:
        asked: by the config of its asset, or by the args of its recipe.
        default: by its stage.
    """
    return asked or settings().get(VARIABLE, "").strip() or default or LOCAL


def profile_of(asked: str | None, default: str | None = None) -> "Profile | None":
    """Returns the profile of the launcher of a payload; None where that is this machine.

    Raises:
        LauncherError: there is none of that name, or the file with the profiles is malformed.
    """
    if (name := chosen(asked, default)) == LOCAL:
        return None  # what reads profiles takes as long to load as all the rest of this
    from blut_resources.launchers.profiles import find_profile

    by = "launcher" if asked else origin(VARIABLE) if settings().get(VARIABLE, "").strip() else "launcher"
    return find_profile(name, by)

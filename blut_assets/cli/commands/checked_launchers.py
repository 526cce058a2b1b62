"""Asks for `blut doctor` whether the launchers of a user can be used, a line for each profile."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from blut_resources.launchers.base import LOCAL, LauncherError
from blut_resources.launchers.profiles import Profile, profiles, profiles_path
from blut_resources.launchers.transport import NoAnswer


class LauncherFault(NamedTuple):
    """Says what is wrong with a profile, or with the file of them.

    Attributes:
        what: is wrong; empty if nothing is.
        found: what was found where nothing is wrong.
    """

    about: str
    what: str
    remedy: str = ""
    found: str = ""


def launcher_faults() -> Iterator[LauncherFault]:
    """Yields what is found of each profile of a scheduler: a job of a second looks at what its nodes see."""
    try:
        known = profiles(profiles_path())
    except LauncherError as error:
        yield LauncherFault("launchers", str(error), "correct that line")
        return
    for name, profile in known.items():
        if profile.kind != LOCAL:
            yield _look(f"launcher {name}", name, profile)


def _look(about: str, name: str, profile: Profile) -> LauncherFault:
    from blut_resources.instance.home import find_home, store_root
    from blut_resources.launchers.checkout import CheckoutError, source_of_nodes
    from blut_resources.launchers.node import FRAMEWORK
    from blut_resources.launchers.probe import probe

    store = store_root(find_home())
    share = Path(profile.share) if profile.share else _there(store)
    if profile.share and not store.is_relative_to(share):
        what = f"the store, {store}, is not below share = {share}: nodes would not see it"
        return LauncherFault(about, what, f"export BLUT_STORE={share}/store")
    try:
        source = source_of_nodes(Path(profile.checkout)) if profile.checkout else Path(FRAMEWORK)
    except CheckoutError as error:
        return LauncherFault(about, str(error), f"blut launch sync {name}")
    try:
        there = _head(profile) if profile.kind == "ray" else ""
        what = probe(profile, source, share)
    except NoAnswer as error:
        return LauncherFault(about, str(error), f"start it, or correct [{name}] in {profiles_path()}")
    except OSError as error:
        return LauncherFault(about, f"{share} cannot be written: {error.strerror}", "name another `share`")
    remedy = f"blut launch sync {name}" if "other code" in what else f"correct [{name}] in {profiles_path()}"
    found = f"{there}its nodes see the share, and this code"
    return LauncherFault(about, f"{there}{what}", remedy) if what else LauncherFault(about, "", "", found)


def _head(profile: Profile) -> str:
    """Returns what the head of a Ray says of itself. Raises NoAnswer."""
    from blut_resources.launchers.ray import Ray

    return f"{Ray(profile).about()}; "


def _there(path: Path) -> Path:
    return next(one for one in (path, *path.parents) if one.exists())

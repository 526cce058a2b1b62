"""Asks for `blut doctor` whether the launchers of a user can be used, a line for each profile."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from blut_resources.launchers.base import LOCAL, LauncherError
from blut_resources.launchers.profiles import Profile, profiles, profiles_path
from blut_resources.launchers.transport import NoAnswer

SILENT = {"slurm": "run on a login node, or check slurm.conf"}
"""What to do where a scheduler does not answer, by its kind."""


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
    from blut_resources.launchers.probe import UNSEEN, probe
    from blut_resources.launchers.schedulers import scheduler_by

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
        there = scheduler_by(profile).about()
    except NoAnswer as error:
        remedy = SILENT.get(profile.kind, f"start it, or correct address of [{name}] in {profiles_path()}")
        return LauncherFault(about, f"it does not answer: {error}", remedy)
    try:
        what = probe(profile, source, share)
    except OSError as error:
        return LauncherFault(about, f"{share} cannot be written: {error.strerror}", _share(name, profile))
    if not what:
        return LauncherFault(about, "", "", f"{there}; its nodes see the share, and this code")
    remedy = f"correct [{name}] in {profiles_path()}"
    if "other code" in what:
        remedy = f"blut launch sync {name}"
    elif UNSEEN in what:
        remedy = _share(name, profile)
    return LauncherFault(about, f"{there}; {what}", remedy)


def _share(name: str, profile: Profile) -> str:
    """Returns what to do where nodes do not see the share."""
    said = f"is {profile.share}" if profile.share else "is not given"
    return (
        f"share of [{name}] in {profiles_path()} {said}: give a directory that this machine and the nodes see"
        ' under one name, such as share = "/data", and export BLUT_STORE=/data/blut/store'
    )


def _there(path: Path) -> Path:
    return next(one for one in (path, *path.parents) if one.exists())

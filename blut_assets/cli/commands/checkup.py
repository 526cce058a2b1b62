"""Asks the questions of `blut doctor`, each answered by the code that a run would use."""

import contextlib
import datetime as dt
import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Literal, NamedTuple

from blut_assets.chosen import GROUP
from blut_assets.extras import extra
from blut_assets.stages.limits import NO_FOOTPRINT, NO_LIMITS
from blut_assets.stages.memory_limit import choose, unclaimed
from blut_assets.tools import Tool
from blut_resources.boxes.owner import refusal
from blut_resources.containment import ContainmentRefused, Limits, LimitsError, launch
from blut_resources.containment.asked import CONTAINED, contained
from blut_resources.containment.backends.choose import candidates
from blut_resources.containment.unit import ContainmentError
from blut_resources.database.address import AddressRefused
from blut_resources.database.troubles import DatabaseTrouble
from blut_resources.files.durable import StoreError
from blut_resources.files.named import PathRefused
from blut_resources.leases.lease import LeaseError
from blut_resources.leases.standing import standing
from blut_resources.machine.gpus import driver, gpus
from blut_resources.machine.memory import memory, shared_memory, size_text
from blut_resources.settings import settings

PROBE_MEMORY = 256 << 20
LEAST_FREE = 5_000_000_000
"""Bytes on the store's disk below which a training may not end well."""
LEAST_SHM = 1 << 30
TOOLS = (Tool("git", "a run notes the commit it ran"),)
"""Programs that every run may call; those of a cookbook it declares itself."""
EXTRAS = ("blut[observability]",)
"""What brings what every run may use; a cookbook declares its own."""


class Finding(NamedTuple):
    """Holds one answer; ``remedy`` is a command, or what to do."""

    about: str
    state: Literal["ok", "missing", "broken"]
    found: str
    remedy: str = ""


def checkup() -> Iterator[Finding]:
    """Yields all findings, in the order in which a person reads them."""
    yield from _instance()
    yield from _database()
    yield from _remote()
    yield from _boxes()
    yield from _places()
    yield from _modes()
    yield from _delegated()
    yield from _cookbooks()
    yield from map(_extra, extras())
    held = yield from _containment()
    yield _contained(held)
    yield from _memory()
    yield from _leases()
    yield from _gpus()
    yield from _launchers()
    yield from map(_tool, tools())


def extras() -> list[str]:
    """Returns what pip is asked for to have all that a run may import:
    everybody's, and what cookbooks declare.
    """
    from blut_assets.definitions import discovered

    return list(dict.fromkeys([*EXTRAS, *(name for one in discovered.cookbooks for name in one.extras)]))


def tools() -> list[Tool]:
    """Returns what a run may call: everybody's, and what cookbooks declare."""
    from blut_assets.definitions import discovered

    every = [*TOOLS, *(tool for one in discovered.cookbooks for tool in one.tools)]
    return list({tool.name: tool for tool in every}.values())


def _instance() -> Iterator[Finding]:
    from blut_resources.instance.home import find_home, store_root
    from blut_resources.instance.instance import open_instance, store_of, written_by

    try:
        home = find_home()
        store_root(home)
    except PathRefused:  # told among the places
        return
    try:
        with open_instance(write=False) as instance:
            place = store_of(instance).root
            runs = instance.get_runs_count()
            writer = written_by(instance)
    except (DatabaseTrouble, AddressRefused):  # told of the database
        return
    except Exception as error:  # whatever it is, it is the answer
        remedy = f"make {home} readable, or export DAGSTER_HOME=/absolute/path of another directory"
        yield Finding("instance", "broken", f"{home}: {type(error).__name__}: {error}", remedy)
        return
    there, other = _there(home), "export DAGSTER_HOME=/absolute/path of another directory"
    if writer:
        yield Finding("instance", "missing", f"{home}, {runs} runs", str(refusal(home, writer)))
    elif there.is_dir() and os.access(there, os.W_OK):
        told = f"{runs} runs" if home.exists() else "which the first run makes"
        yield Finding("instance", "ok", f"{home}, {told}")
    elif home.is_dir():
        remedy = f"make {home} writable to run something, or {other}"
        yield Finding("instance", "missing", f"{home}, {runs} runs, can only be read", remedy)
    else:
        yield Finding("instance", "broken", f"{home}: cannot be made in {there}", other)
    free = shutil.disk_usage(_there(place)).free
    remedy = "" if free > LEAST_FREE else "blut cache prune --dry-run, or BLUT_STORE=/path/on/another/disk"
    state = "missing" if remedy else "ok"
    yield Finding("store", state, f"{place}, {free / 1e9:.1f} GB free on its disk", remedy)


def _remote() -> Iterator[Finding]:
    """Yields whether the second tier answers, where there is to be one; nothing is written there."""
    from blut_resources.remote.address import remote_address
    from blut_resources.remote.bucket import Bucket
    from blut_resources.remote.tier import laid_out
    from blut_resources.remote.words import RemoteError

    if not (url := remote_address()):
        return
    try:
        used = laid_out(Bucket(url, insistent=False))
    except RemoteError as error:
        yield Finding("remote", "broken", str(error), "see docs/remote.md, or unset BLUT_REMOTE")
        return
    yield Finding("remote", "ok", f"{url} answers{'' if used else ', and nothing was pushed to it yet'}")


def _boxes() -> Iterator[Finding]:
    """Yields which machines work with the store, and whether their locks hold."""
    from blut_assets.cli.commands.checked_boxes import checked_boxes
    from blut_resources.instance.home import find_home, store_root

    with contextlib.suppress(PathRefused, OSError):  # told among the places
        yield from (Finding(*found) for found in checked_boxes(store_root(find_home())))


def _database() -> Iterator[Finding]:
    """Yields how the database is in which the history is, where that is not in the home."""
    from blut_resources.instance.database import demand_driver, named
    from blut_resources.instance.home import find_home

    try:
        address = named(find_home()).address
        if address is None:
            return
        demand_driver()
        from blut_resources.dagster_private.postgres_health import health

        found = health(address)
    except PathRefused:  # told among the places
        return
    except StoreError as error:
        what, _, remedy = str(error).rpartition("; ")
        yield Finding("database", "broken", what or str(error), remedy)
        return
    yield Finding("database", "ok", found.found)
    for what, remedy in found.faults:
        yield Finding("database", "broken", f"{address.words}: {what}", remedy)


def _launchers() -> Iterator[Finding]:
    """Yields a line for each profile of a scheduler: whether its nodes see what they have to."""
    from blut_assets.cli.commands.checked_launchers import launcher_faults

    for about, what, remedy, found in launcher_faults():
        yield Finding(about, "broken" if what else "ok", what or found, remedy)


def _places() -> Iterator[Finding]:
    """Yields what has no room, and what of the history cannot be read."""
    from blut_assets.cli.commands.checked_places import full_places, unreadable
    from blut_resources.instance.home import find_home

    with contextlib.suppress(PathRefused, LeaseError):  # told among the others
        for fault in (*full_places(find_home()), *unreadable(find_home())):
            yield Finding(fault.about, "broken", fault.what, fault.remedy)


def _there(path: Path) -> Path:
    """Returns a directory, or the nearest above it that is there."""
    return next(one for one in (path, *path.parents) if one.exists())


def _modes() -> Iterator[Finding]:
    """Yields what lies open to other users of this machine, and what others could write that is acted on."""
    from blut_resources.files.modes import open_to
    from blut_resources.files.private import distrust
    from blut_resources.instance.home import find_home, store_root
    from sensors.alerts.settings import settings_path
    from sensors.policy.file import policy_path

    private = {"instance": find_home, "store": lambda: store_root(find_home())}
    believed = {"alerts": settings_path, "policy": policy_path}
    for about, find in {**private, **believed}.items():
        try:
            path = find()
        except PathRefused as error:
            yield Finding(about, "broken", str(error), "name an absolute path, or unset the variable")
            continue
        if about in private and (who := open_to(path)):
            yield Finding(f"{about}, its mode", "missing", f"{path} is open to {who}", f"chmod 700 {path}")
        if about in believed and path.exists() and (reason := distrust(path)):
            yield Finding(about, "broken", f"{path} {reason}: it is not believed", f"chmod 600 {path}")


def _delegated() -> Iterator[Finding]:
    """Yields what is wrong in the files that say what Blut does by itself, a finding for each line."""
    from blut_resources.instance.home import find_home
    from sensors.alerts.settings import AlertSettingsError, settings_path, usable
    from sensors.housekeeping.policy import HousekeepingError, read_policy
    from sensors.policy.file import PolicyError, policy_path, read

    def alerts() -> list[str]:
        return [problem.text for problem in usable(settings_path())[1]]

    def policy() -> list[str]:
        file, now = read(policy_path()), dt.datetime.now(dt.UTC)
        return [
            f"{file.path}: {name}: {said}"
            for name, one in file.policies.items()
            for said in remarks(one, now)
        ]

    def housekeeping() -> list[str]:
        read_policy(find_home())
        return []

    from sensors.policy.forecast import remarks

    for about, look in {"alerts": alerts, "policy": policy, "housekeeping": housekeeping}.items():
        try:
            state, found = "missing" if about == "policy" else "broken", look()
        except PathRefused:  # told among the places
            continue
        except (AlertSettingsError, PolicyError, HousekeepingError) as error:
            state, found = "broken", str(error).splitlines()
        check = {"alerts": "blut alerts check", "policy": "blut policy check"}.get(about, "")
        for line in found:
            yield Finding(about, state, line, f"correct it; `{check}` says more" if check else "correct it")


def _cookbooks() -> Iterator[Finding]:
    from blut_assets.definitions import discovered

    brought = _extras_of_entry_points()
    for cookbook in discovered.cookbooks:
        yield Finding(f"cookbook {cookbook.name}", "ok", f"{len(cookbook.recipes)} recipes")
    for name, reason in discovered.left_out.items():
        mend = f"mend what `blut cookbook check {name}` names, or uninstall it"
        remedy = f"pip install '{brought[name]}'" if name in brought else mend
        told = "; ".join(reason.splitlines())
        yield Finding(f"cookbook {name}", "broken", f"left out: {told}", remedy)
    if not discovered.cookbooks and not discovered.left_out:
        remedy = f"install a package with an entry point in {GROUP}"
        yield Finding("cookbooks", "broken", "none is installed", remedy)


def _extras_of_entry_points() -> dict[str, str]:
    """Returns, by the name of a cookbook, the extra of that name of the distribution which brings it.

    A cookbook that could not be loaded has declared nothing.
    """
    return {
        point.name: f"{point.dist.name}[{point.name}]"
        for point in entry_points(group=GROUP)
        if point.dist and point.name in (point.dist.metadata.get_all("Provides-Extra") or [])
    }


def _extra(asked: str) -> Finding:
    """Says whether all is installed that ``asked``, such as ``blut[observability]``, would bring."""
    there = extra(asked)
    wrong = [*(f"{name} is not installed" for name in there.missing), *there.other]
    state, remedy = ("missing", there.remedy) if wrong else ("ok", "")
    return Finding(f"extra {asked}", state, "; ".join(wrong) or f"{there.n_packages} packages", remedy)


def _containment() -> Generator[Finding, None, str | None]:
    """Yields what `auto` takes: a unit is started, and its limit read back from the kernel.

    Returns the name of what holds it; None where nothing does.
    """
    try:
        limits = Limits.resolve({"memory_max": PROBE_MEMORY, "mode": "required"}, {}, {})
        with tempfile.TemporaryDirectory(prefix="blut-doctor-") as place:
            name, env = "doctor", {"PATH": "/usr/bin:/bin"}
            with launch(
                ["true"], env=env, cwd=Path("/"), limits=limits, place=Path(place, "unit"), name=name
            ) as unit:
                unit.wait(30)
                held = unit.enforcement
    except (ContainmentRefused, ContainmentError, LimitsError, OSError, TimeoutError) as error:
        why = " ".join(str(error).split())
        remedy = (
            "run where systemd runs, or give this user a cgroup; until then BLUT_CONTAINMENT_MODE=best-effort"
        )
        yield Finding("containment", "missing", f"no memory limit can be enforced: {why}", remedy)
        return None
    stronger = f"; not a stronger one: {held.reason}" if held.reason else ""
    yield Finding(
        "containment", "ok", f"{held.backend}, limit {size_text(held.memory_max or 0)} read back{stronger}"
    )
    for other in candidates(Limits(backend="auto")):
        if other.name != held.backend and other.contains and (reason := other.unavailable()):
            yield Finding(f"containment by {other.name}", "missing", reason)
    return held.backend


def _contained(backend: str | None) -> Finding:
    """Says what ``$BLUT_CONTAINED`` does to a payload here, of which nothing else is known."""
    about = f"${CONTAINED}"
    try:
        asked = contained(settings())
        choice = choose(asked, NO_LIMITS, NO_FOOTPRINT, ((), ()))
        free = size_text(unclaimed())
    except (ContainmentRefused, LeaseError, ValueError) as error:
        return Finding(about, "broken", str(error), f"unset {about}, or what contradicts it")
    if asked is None:
        held = f"enforced by {backend}" if backend else "which nothing here enforces"
        would = f"1 would be a limit for each payload, {held}, of {free} where nothing says how much"
        return Finding(about, "ok", f"not set: a memory limit only where one is named; {would}")
    if not asked:
        return Finding(about, "ok", f"0: {choice.reason}")
    named = choice.limits.backend
    by = backend if named == "auto" else named if candidates(choice.limits) else None
    if by is None:
        found = "1: no payload would start, for nothing here enforces a limit"
        return Finding(about, "broken", found, f"unset {about}, or mend containment ($BLUT_CONTAINMENT)")
    return Finding(about, "ok", f"1: by {by}: {choice.describe()}")


def _memory() -> Iterator[Finding]:
    try:
        here = memory()
    except ValueError as error:
        yield Finding(
            "memory", "broken", str(error), "unset BLUT_MEMORY_RESERVE, or set it to a size such as 2G"
        )
        return
    yield Finding("memory", "ok", f"{size_text(here.budget)} to give out: {here.describe()}")
    total, free = shared_memory()
    small = total < LEAST_SHM
    remedy = f"mount -o remount,size={LEAST_SHM} /dev/shm, or num_workers=0" if small else ""
    yield Finding(
        "/dev/shm", "missing" if small else "ok", f"{size_text(total)}, {size_text(free)} free", remedy
    )


def _leases() -> Iterator[Finding]:
    """Says what of this machine is held and waited for, by whatever runs."""
    try:
        now = standing()
    except (LeaseError, ValueError) as error:
        yield Finding("leases", "broken", str(error), "mend what it says; payloads wait there for their turn")
        return
    yield Finding("leases", "ok", f"held: {'; '.join(map(str, now))}")


def _gpus() -> Iterator[Finding]:
    try:
        there = gpus()
    except ValueError as error:
        yield Finding("GPU", "broken", str(error), "unset BLUT_GPUS, or mend it")
        return
    if told := driver():
        yield Finding("GPU driver", "ok", told)
    if not there.found:
        yield Finding("GPU", "missing", there.reason or "none", 'with an unknown one: BLUT_GPUS="0:24G"')
    for gpu in there.found:
        found = f"{gpu.name}, {size_text(gpu.total)}, {size_text(gpu.free)} free"
        yield Finding(f"GPU {gpu.index}", "ok", found)


def _tool(tool: Tool) -> Finding:
    try:
        found = tool.found()
    except Exception as error:  # whatever it is, it is the answer
        return Finding(tool.name, "broken", str(error), tool.remedy)
    if found:
        return Finding(tool.name, "ok", found)
    return Finding(tool.name, "missing", tool.why, tool.remedy or f"apt install {tool.name}")

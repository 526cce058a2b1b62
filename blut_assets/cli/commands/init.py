"""Implements `blut init`: a project of one's own, or of a group, whose home everything in it finds."""

import grp
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from blut_assets.terminal.lazy import single

app = single()
HOME = ".dagster"
FILES = {
    "blut.yaml": (
        "settings of every run below this directory",
        "# Settings of every run that is started below this directory: args by name, and those of one\n"
        "# recipe below `recipes:` and its name. `blut recipe show NAME` lists the args, and\n"
        "# `blut config show NAME --origin` says where each value comes from. For example:\n"
        "#\n"
        "# limits:\n"
        "#   memory_max: 8G\n"
        "# recipes:\n"
        "#   NAME:\n"
        "#     seed: 7\n",
    ),
    ".gitignore": ("keeps the home out of git, but for its settings", f"{HOME}/*\n!{HOME}/dagster.yaml\n"),
    ".env": (
        "tells `dagster` and `dg` of the home",
        "# read by `dagster` and `dg` when they start in this directory; an exported DAGSTER_HOME wins\n"
        f"DAGSTER_HOME=${{DAGSTER_HOME:-/proc/self/cwd/{HOME}}}\n",
    ),
    "workspace.yaml": (
        "tells `dagster dev` what to load",
        "load_from:\n  - python_module:\n      module_name: blut_assets.definitions\n"
        "      location_name: blut\n",
    ),
}
"""Of a project: what each file is for, and what is in it."""
Directory = Annotated[Path, typer.Argument(metavar="[DIR]", help="Made if it is not there.")]
Group = Annotated[str, typer.Option(metavar="NAME", help="Whose members may use it too; else nobody may.")]


@app.command()
def init(directory: Directory = Path(), group: Group = "") -> None:
    """Begin a project: a home for runs and their results, and settings, in a directory.

    A file that is there already is left as it is. Nothing runs by itself: no policy is made or changed.

    What is in the home is yours alone. With --group it belongs to a group, whose members see each other's
    runs and reuse each other's results; each of them exports the DAGSTER_HOME that is printed.
    """
    from blut_assets.terminal.output import as_next, columns, failed
    from blut_resources.files.durable import StoreError
    from blut_resources.files.modes import prepare_home
    from blut_resources.instance.home import is_home
    from blut_resources.instance.instance import INSTANCE_YAML
    from blut_resources.store.artifacts import write_atomic

    project = directory.expanduser().resolve()
    home = project / HOME
    if is_home(home):
        failed(f"{home} is there already; name another directory, or remove it with all that it holds")
    there = [name for name in FILES if (project / name).exists()]
    try:
        if group:
            _give(home, group)
        prepare_home(home)
        for name in FILES.keys() - there:
            write_atomic(project / name, FILES[name][1].encode())
        # last: with it the project counts as begun
        write_atomic(home / "dagster.yaml", INSTANCE_YAML.encode())
    except StoreError as error:
        failed(str(error))
    except OSError as error:
        failed(f"{error.filename or project}: {error.strerror or error}; name a directory that you can write")
    whom = f"the group {group}" if group else "you alone"
    made = {f"{HOME}/": f"the home: history, results, logs and settings, for {whom}"}
    made |= {name: what for name, (what, _) in FILES.items() if name not in there}
    typer.echo(f"made in {project}:")
    typer.echo(columns([{"file": name, "what it is for": what} for name, what in made.items()]))
    typer.echo("\n".join(_remarks(project, there, group)))
    typer.echo(as_next(_next_commands()))


def _remarks(project: Path, there: list[str], group: str) -> Iterator[str]:
    """Yields what else is to be known: what was there, who else is to do what, and whether a policy is on."""
    from sensors.policy.file import PolicyError, policy_path, read

    for name in there:
        yield f"{name} was there already, and is left as it is{_lacks(project / name)}"
    exported = os.environ.get("DAGSTER_HOME")
    if exported and Path(exported).resolve() != project / HOME:
        yield f"DAGSTER_HOME={exported} is exported, and wins: `unset DAGSTER_HOME` for this project"
    if project != Path.cwd():
        yield f"go there: cd {shlex.quote(str(project))}"
    if group:
        yield f"other members of {group}: export DAGSTER_HOME={project / HOME}"
    path = policy_path()
    try:
        on = [name for name, policy in read(path).policies.items() if policy.enabled]
    except PolicyError as error:
        yield f"policy: {error}"
        return
    yield f"policy: {f'{len(on)} on in {path}: `blut policy show`' if on else 'off, nothing runs by itself'}"


def _lacks(file: Path) -> str:
    """Says what a .gitignore lacks; other files are read by others for what is theirs."""
    if file.name != ".gitignore":
        return ""
    has = file.read_text(errors="replace").splitlines()
    lacks = [line for line in FILES[file.name][1].splitlines() if line not in has]
    return f"; so that git leaves out the home, add to it: {' and '.join(lacks)}" if lacks else ""


def _next_commands() -> dict[str, str]:
    """Returns what to type next; the last is what anybody can try, if a cookbook that is there has such."""
    from blut_assets.cli.shell.catalogue import catalogue
    from blut_assets.extras import lacking

    found = {
        "blut doctor": "what this machine has, and what is missing",
        "blut recipe list": "what can be made",
    }
    demos = [one for one in catalogue()["recipes"] if one["demo"] and not lacking(one["extras"])]
    if demos:
        shown = min(demos, key=lambda one: one["category"] != "train")  # the first that shows all of the way
        found[f"blut recipe run {shown['name']} --config {shown['demo']}"] = "a first run"
    else:
        found["blut cookbook new NAME DIR"] = "a domain of your own, to begin with"
    return found


def _give(home: Path, group: str) -> None:
    """Make the directory with the bits of a group's."""
    from blut_resources.files.durable import StoreError

    try:
        number = grp.getgrnam(group).gr_gid
    except KeyError:
        raise StoreError(
            f"--group {group}: no such group; `getent group` lists those that there are"
        ) from None
    if number not in (*os.getgroups(), os.getegid()) and os.geteuid() != 0:
        raise StoreError(f"--group {group}: you are no member of it; ask root to add you")
    home.mkdir(parents=True, exist_ok=True)
    os.chown(home, -1, number)
    home.chmod(0o2770)

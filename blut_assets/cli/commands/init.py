"""Implements `blut init`: a directory of one's own, or of a group, whose instance everything in it finds."""

import grp
import os
from pathlib import Path
from typing import Annotated

import typer

from blut_assets.terminal.lazy import single

app = single()
FILES = {
    ".env": "# read by `dagster` and `dg` when they start in this directory; an exported DAGSTER_HOME wins\n"
    "DAGSTER_HOME=${DAGSTER_HOME:-/proc/self/cwd/.dagster}\n",
    ".gitignore": ".dagster/*\n!.dagster/dagster.yaml\n",
    "workspace.yaml": "load_from:\n  - python_module:\n      module_name: blut_assets.definitions\n"
    "      location_name: blut\n",
}
Directory = Annotated[Path, typer.Argument(metavar="[DIR]", help="Made if it is not there.")]
Group = Annotated[str, typer.Option(metavar="NAME", help="Whose members may use it too; else nobody may.")]


@app.command()
def init(directory: Directory = Path(), group: Group = "") -> None:
    """Make a home for runs and their results: an instance and its settings in a directory.

    What is in it is yours alone. With --group it belongs to a group, whose members see each other's runs and
    reuse each other's results; each of them exports the DAGSTER_HOME that is printed.
    """
    from blut_assets.terminal.output import failed
    from blut_resources.files.durable import StoreError
    from blut_resources.files.modes import prepare_home
    from blut_resources.instance.instance import INSTANCE_YAML
    from blut_resources.store.artifacts import write_atomic

    home = directory.expanduser().resolve() / ".dagster"
    if (home / "dagster.yaml").exists():
        failed(f"{home} is there already; name another directory, or remove it with all that it holds")
    try:
        if group:
            _give(home, group)
        prepare_home(home)
        write_atomic(home / "dagster.yaml", INSTANCE_YAML.encode())
        for name, text in FILES.items():
            if not (home.parent / name).exists():
                write_atomic(home.parent / name, text.encode())
    except (StoreError, OSError) as error:
        failed(str(error))
    typer.echo(f"{home} is made, for {f'the group {group}' if group else 'you alone'}. In {home.parent}:")
    typer.echo("  blut doctor\n  blut recipe list")
    if group:
        typer.echo(f"Other members of {group}: export DAGSTER_HOME={home}")


def _give(home: Path, group: str) -> None:
    """Make the directory with the bits of a group's."""
    try:
        number = grp.getgrnam(group).gr_gid
    except KeyError:
        raise OSError(f"--group {group}: no such group; `getent group` lists those that there are") from None
    if number not in (*os.getgroups(), os.getegid()) and os.geteuid() != 0:
        raise OSError(f"--group {group}: you are no member of it; ask root to add you")
    home.mkdir(parents=True, exist_ok=True)
    os.chown(home, -1, number)
    home.chmod(0o2770)

"""Implements `blut cookbook new`: a domain pack of one's own to begin with."""

from pathlib import Path
from typing import Annotated

import typer

from blut_assets.terminal.lazy import group

app = group("A domain pack of your own.")


@app.command("new")
def new(
    name: Annotated[str, typer.Argument(help="Of the package, the cookbook and its model: a-z, 0-9 and _.")],
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Made by this command, or empty.")],
) -> None:
    """Write a small cookbook that works, to be changed into your own.

    It takes a CSV file, learns to tell its rows apart, judges what came out on rows that were kept sealed,
    and promotes it if it passes. It has tests of its own, and a README that says which file does what.
    """
    from blut_assets.new_cookbook.naming import NameRefused, check_name
    from blut_assets.new_cookbook.write import DirectoryRefused, write_cookbook
    from blut_assets.terminal.output import wrong

    try:
        check_name(name)
        files = write_cookbook(name, directory.expanduser())
    except (NameRefused, DirectoryRefused) as error:
        wrong(str(error))
    typer.echo(f"{directory}: {len(files)} files; README.md says which of them does what. Next:")
    typer.echo(f"  pip install --editable {directory}")
    typer.echo(f"  blut recipe run {name}_classifier --args @{directory}/src/{name}/configs/args_demo.yaml")
    typer.echo(f"  python -m pytest {directory}")

"""Implements `blut cookbook new|check`: a domain pack to begin with, and what is wrong with one."""

from pathlib import Path
from typing import Annotated

import typer

from blut_assets.terminal.lazy import group
from blut_assets.terminal.output import AsJson

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


@app.command("check")
def check(
    name: Annotated[str, typer.Argument(help="Of a cookbook; all that are installed if not given.")] = "",
    as_json: AsJson = False,
) -> None:
    """Say of each installed cookbook whether it is loaded, and else why not.

    A line for each fault, with the place in its source. One that needs a faulty one is left out as well.
    Status 1 if any of them is. `dagster definitions validate` and `dg check defs` say the same.
    """
    import logging

    logging.getLogger("blut").disabled = True  # what it warns of is what is printed here
    from blut_assets.definitions import discovered
    from blut_assets.terminal.output import print_json, wrong
    from blut_resources.text import meant

    loaded = {book.name: book for book in discovered.cookbooks}
    there = sorted({*loaded, *discovered.left_out})
    if name not in ("", *there):
        known = ", ".join(there) or "none"
        wrong(f"no cookbook is called {name!r}{meant(name, there)}; there are: {known}")
    faults = {one: discovered.left_out.get(one, "").splitlines() for one in there if name in ("", one)}
    if as_json:
        print_json([{"cookbook": one, "loaded": not found, "faults": found} for one, found in faults.items()])
    else:
        for one, found in faults.items():
            book = loaded.get(one)
            ok = [f"ok, {len(book.assets)} assets, {len(book.recipes)} recipes"] if book else []
            typer.echo("\n".join(f"{one}: {line}" for line in found or ok))
    raise typer.Exit(1 if any(faults.values()) else 0)

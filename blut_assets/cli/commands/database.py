"""Moves a history into a PostgreSQL database, and says in which one it is: `blut database`."""

from typing import Annotated

import typer

from blut_assets.terminal.lazy import PLAIN

app = typer.Typer(help="The database in which the history is.", **PLAIN)


@app.command()
def show() -> None:
    """Say in which database the history of this home is."""
    import sys

    from blut_resources.instance.database import named
    from blut_resources.instance.home import find_home, not_born

    home = find_home()
    address = named(home).address
    if said := not_born(home):
        print(said, file=sys.stderr)
    print(f"{home}/history (SQLite)" if address is None else address.words)


@app.command()
def copy(
    address: Annotated[
        str, typer.Argument(help="Such as postgresql://user@host/blut; $BLUT_DATABASE if not given.")
    ] = "",
) -> None:
    """Copy the SQLite history of this home into an empty PostgreSQL database, and use that from now on."""
    import os

    from blut_assets.terminal.output import wrong
    from blut_resources.database.address import VARIABLE, asked, parse
    from blut_resources.instance.database import demand_driver
    from blut_resources.instance.home import find_home

    demand_driver()
    wanted = parse(address, "the address") if address else asked()
    if wanted is None:
        wrong(f"which database? `blut database copy postgresql://user@host/blut`, or ${VARIABLE}")
    os.environ.pop(VARIABLE, None)  # the history is not there yet
    from blut_resources.moving import move

    home = find_home()
    moved = move(home, wanted)
    for table, count in sorted(moved.counts.items()):
        if count:
            print(f"{table:28} {count:>9}")
    done = "was there already" if not moved.counts else "is copied, and was read back"
    print(f"the history of {home} {done}: {wanted.words}")
    if moved.numbered_by:
        who = ", ".join(moved.numbered_by)
        print(f"events keep their numbers, which {who} may remember; so in Dagster's UI the log of a run")
        print("that was copied begins with what its steps said; `blut log` puts the lines in their order")
    print(f"{home}/history stays as it was; remove it when you need it no more")

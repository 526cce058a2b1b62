"""Implements `blut doctor`: what this machine can do for Blut, what is missing, and what mends it."""

from typing import Any

import typer

from blut_assets.terminal.lazy import single
from blut_assets.terminal.output import AsJson, columns, print_json

app = single()


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Look for what is missing here.

    What holds a payload on this machine, which GPUs and extras there are, and the command that mends it.

    `ok`, `missing` (something that is optional), `broken` (something that is needed). Status 1 if anything
    is broken. To know what holds a payload, it starts one that does nothing.
    """
    import logging

    from blut_assets.cli.commands.checkup import checkup

    log = logging.getLogger("blut")
    log.disabled = True  # what it warns of has a row of its own here
    try:
        rows: list[dict[str, Any]] = [finding._asdict() for finding in checkup()]
    finally:
        log.disabled = False
    if as_json:
        print_json(rows)
    else:
        typer.echo(columns([{k: v for k, v in row.items() if k != "remedy"} for row in rows]))
        for row in rows:
            if row["remedy"]:
                typer.echo(f"{row['about']}: {row['remedy']}")
    raise typer.Exit(1 if any(row["state"] == "broken" for row in rows) else 0)

"""Implements `blut data split export`: the sides of a split, as a file that a recipe reads again."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from blut_assets.cli.shell.completion import complete_run
from blut_assets.terminal.lazy import group
from blut_assets.terminal.output import failed, wrong

if TYPE_CHECKING:
    import dagster as dg

    from blut_assets.splits import SplitFormat
    from blut_assets.stages.reuse import Became

app = group("Who is on which side of a split.")


@app.callback()
def splits() -> None:
    """Let the command be a group, although it has one member."""


@app.command()
def export(
    what: Annotated[
        str,
        typer.Argument(
            metavar="RUN|ASSET", help="A run, or the asset of a split.", autocompletion=complete_run
        ),
    ],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Written anew.")],
) -> None:
    """Write who is on which side, in the form that the arg `manifest` of a recipe reads."""
    from blut_assets.definitions import discovered
    from blut_resources.instance.instance import open_instance, store_of
    from blut_resources.store.artifacts import StoreError, write_atomic

    formats = [one for cookbook in discovered.cookbooks for one in cookbook.splits]
    with open_instance(write=False) as instance:
        chosen, event = _meant(instance, what, formats)
        try:
            data = chosen.export(store_of(instance).open(_digest(event, what)))
            write_atomic(file, data)
        except (StoreError, OSError, ValueError) as error:
            failed(str(error))
    typer.echo(str(file))


def _meant(
    instance: "dg.DagsterInstance", what: str, formats: "list[SplitFormat]"
) -> "tuple[SplitFormat, Became | None]":
    """Returns the format, and the split that an asset made last or that a run made."""
    from blut_assets.cli.run.lookup import made_by, run_named

    for one in formats:
        if what in (one.asset.to_user_string(), one.asset.path[-1]):
            record = instance.get_latest_materialization_event(one.asset)
            return one, record.asset_materialization if record else None
    run = run_named(instance, what)
    made = made_by(instance, run.run_id)
    for one in formats:
        if event := made.get(one.asset.to_user_string()):
            return one, event
    known = ", ".join(one.asset.to_user_string() for one in formats) or "none"
    wrong(f"{what}: neither a run that made a split, nor the asset of one: {known}")


def _digest(event: "Became | None", what: str) -> str:
    from blut_assets.stages import reuse

    digest = reuse.digest_of(event) if event else ""
    if not digest:
        failed(f"{what} has made no split here yet")
    return digest

"""Implements `blut lineage`: which run made an artifact, with which args and of what."""

from typing import TYPE_CHECKING, Annotated

import typer

from blut_assets.cli.commands.model_common import explained
from blut_assets.cli.shell.completion import complete_reference
from blut_assets.terminal.lazy import single
from blut_assets.terminal.output import AsJson, failed, print_json, wrong

if TYPE_CHECKING:
    from blut_assets.cli.run.ancestry import Ancestry
    from blut_assets.history.identify import Identified

app = single()


@app.command()
@explained
def lineage(
    asked: Annotated[
        str,
        typer.Argument(
            metavar="FILE|DIGEST|NAME@ALIAS",
            help="A file or directory, wherever it was copied to; enough of a digest's beginning; or a"
            " registered model, such as mine@prod or mine@3.",
            autocompletion=complete_reference,
        ),
    ],
    down: Annotated[bool, typer.Option("--down", help="Also what was made of it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what an artifact was made of.

    Asset, run, args and inputs, up to the sources. A file is known by its bytes: also as a copy elsewhere,
    and also a single file of an artifact. What deleted runs made is known as long as the store has it.
    """
    from blut_assets.cli.run.ancestry import Ancestry
    from blut_assets.cli.views.lineage import lineage_row
    from blut_assets.history.identify import Ambiguous, Unknown, identify
    from blut_assets.history.lineage import Lineage
    from blut_resources.instance.instance import open_instance, store_of

    with open_instance(write=False) as instance:
        store, known = store_of(instance), Lineage(instance)
        try:
            found = identify(asked, known, store)
        except Ambiguous as error:
            wrong(str(error))
        except Unknown as error:
            failed(str(error))
        ancestry = Ancestry(instance, store, known)
        if as_json:
            print_json([lineage_row(asked, one, known, ancestry, down=down) for one in found])
        else:
            typer.echo("\n\n".join("\n".join(_lines(one, ancestry, down)) for one in found))


def _lines(found: "Identified", ancestry: "Ancestry", down: bool) -> list[str]:
    lines = [f"found by {found.how}", *ancestry.up(found.digest)]
    if runs := ancestry.run_lines(found.digest):
        lines += ["", "runs, with their args", *runs]
    return [*lines, "", "made of it", *ancestry.down(found.digest)] if down else lines

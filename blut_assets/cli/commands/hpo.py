"""Implements `blut hpo run`: a search for the best args of a recipe."""

from typing import Annotated, Literal

import typer

from blut_assets.cli.run.arguments import Args, ConfigFile, Name, Set, Tag
from blut_assets.cli.run.detach import Detach, DetachedAsJson, fork_if
from blut_assets.terminal.lazy import group

app = group("Searches for the best args of a recipe.")


@app.command("run")
def run(
    name: Name,
    space: Annotated[
        list[str],
        typer.Option(
            "--space",
            metavar="KEY=SPACE",
            help="What is searched: loguniform(LOW,HIGH), uniform(LOW,HIGH[,STEP]), int(LOW,HIGH[,STEP]),"
            " logint(LOW,HIGH) or choice(A,B). Any number of times.",
        ),
    ],
    trials: Annotated[int, typer.Option("--trials", min=1, max=10_000, help="How many, in all.")] = 20,
    args: Args = "{}",
    set_: Set = None,
    config: ConfigFile = None,
    metric: Annotated[
        str,
        typer.Option(
            "--metric",
            help="A fact of the result, or of its last epoch, such as val_loss; by default what the recipe's"
            " runs are ranked by.",
        ),
    ] = "",
    mode: Annotated[
        Literal["min", "max"] | None, typer.Option("--mode", help="Whether lower or higher is better.")
    ] = None,
    algo: Annotated[
        Literal["tpe", "random", "grid"],
        typer.Option("--algo", help="tpe learns from the trials before; grid tries every combination."),
    ] = "tpe",
    prune: Annotated[
        Literal["none", "median", "asha", "hyperband"],
        typer.Option(
            "--prune",
            help="asha: train all a little, and only the best on; hyperband: also some that begin slowly;"
            " median: give up what is worse than half of the others.",
        ),
    ] = "none",
    least: Annotated[
        int | None, typer.Option("--min", min=1, help="Epochs before the first comparison; 1 by default.")
    ] = None,
    most: Annotated[
        int | None, typer.Option("--max", min=2, help="Epochs of the whole training, as its args say.")
    ] = None,
    eta: Annotated[
        int | None, typer.Option("--eta", min=2, max=100, help="One of so many goes on; 3 by default.")
    ] = None,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=1, max=256, help="So many trials at once; one can be repeated.")
    ] = 1,
    seed: Annotated[
        int, typer.Option("--seed", help="The same seed gives the same trials, with one job at a time.")
    ] = 0,
    retry_failed: Annotated[
        Literal["yes", "no"],
        typer.Option("--retry-failed", help="Of a search that goes on: whether what had failed runs again."),
    ] = "yes",
    accept_refusal: Annotated[
        bool,
        typer.Option("--accept-refusal", help="Status 0 also where all was computed and a gate refused it."),
    ] = False,
    tag: Tag = None,
    detach: Detach = False,
    as_json: DetachedAsJson = False,
) -> None:
    """Search for the best args: each trial is a run of the recipe, and teaches what to try next.

    The same command goes on with a search that has ended early; with more --trials it adds some. At the end
    the best trial is run once more as any other run, which reuses what it made and passes the same gate.
    `blut sweep show` and `blut sweep best` show it too. Status 0 if all succeeded or were pruned.
    """
    fork_if(detach, as_json)
    from blut_assets.cli.hpo.command import run_search
    from blut_assets.cli.hpo.order import AskedSearch, search_given
    from blut_assets.cli.run.arguments import layers_of, recipe_called, tags_given

    given = tags_given(tag)
    found = layers_of(recipe_called(name), args, set_, config)
    pruning = {"prune": prune, "least": least, "most": most, "eta": eta}
    asked = AskedSearch(space, trials, metric, mode or "", algo, **pruning, seed=seed, jobs=jobs)
    order = search_given(found, asked, set_ or ())
    again = {"retry_failed": retry_failed == "yes", "accept_refusal": accept_refusal}
    raise typer.Exit(run_search(order, **again, tags=given))

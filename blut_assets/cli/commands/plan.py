"""Implements `blut plan NAME`, which is `blut plan inspect NAME`, and `blut plan resume ID`."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from blut_assets.cli.run.arguments import Args, ConfigFile, Name, Partition, Set
from blut_assets.cli.run.detach import Detach, DetachedAsJson, fork_if
from blut_assets.cli.shell.catalogue import complete_recipe
from blut_assets.cli.shell.completion import RUN_ID, complete_unfinished
from blut_assets.cli.typer_private import CompletionItem
from blut_assets.terminal.lazy import HELP, group
from blut_assets.terminal.output import AsJson, columns, failed, print_json
from blut_resources.machine.memory import size_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from blut_assets.history.planning import Planned
    from blut_assets.recipes import Recipe, RecipeArgs

INSPECT = "inspect"
Format = Literal["text", "mermaid", "dot", "svg"]


class _OrRecipe(TyperGroup):
    """Takes whatever is not a command for a recipe to be inspected."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, *HELP["help_option_names"]):
            args = [INSPECT, *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        found = super().shell_complete(ctx, incomplete)
        return found + [CompletionItem(name, help=about) for name, about in complete_recipe(incomplete)]


app = group(
    "What a recipe would run and why.\n\n`blut plan NAME` is short for `blut plan inspect NAME`;"
    " `blut plan resume ID` goes on with a run that ended early.",
    cls=_OrRecipe,
    subcommand_metavar="NAME | COMMAND [ARGS]...",
)


@app.command(INSPECT)
def inspect_plan(
    name: Name,
    args: Args = "{}",
    set_: Set = None,
    config: ConfigFile = None,
    partition: Partition = None,
    as_json: AsJson = False,
    format_: Annotated[
        Format | None,
        typer.Option("--format", help="Show the graph of the recipe instead, which needs no args."),
    ] = None,
) -> None:
    """Say what a recipe would run, and why; or, without args that it needs, show its graph.

    Also what each asset cost last time. Runs nothing.
    """
    from blut_assets.cli.run.arguments import layers_of, partitions_of, recipe_called, validated

    recipe = recipe_called(name)
    if format_:
        show_graph(recipe, format_, as_json)
        return
    found = layers_of(recipe, args, set_, config)
    if args == "{}" and not set_ and not config and _needs_args(recipe, found.values):
        show_graph(recipe, "text", as_json)
        return
    keys = partitions_of(recipe, partition or (["all"] if recipe.partitions else []))
    show_plan(recipe, validated(found, keys), as_json, keys)


def _needs_args(recipe: "Recipe", given: "Mapping[str, object]") -> bool:
    """Says whether nobody could say what would run without more args than files and variables give."""
    from blut_assets.recipes import ArgsError

    if any(info.is_required() and name not in given for name, info in recipe.args.model_fields.items()):
        return True
    try:
        recipe.parse({})
    except ArgsError:
        return not given
    return False


def show_graph(recipe: "Recipe", format_: Format, as_json: bool) -> None:
    """Print the graph of a recipe: what each asset takes, holds and took last time, and the args it gets."""
    from blut_assets.cli.run.diagram import DiagramError, as_dot, as_mermaid, as_svg, as_text
    from blut_assets.history.graph import graph
    from blut_resources.instance.instance import open_instance

    with open_instance(write=False) as instance:
        found = graph(recipe, instance)
    if as_json:
        print_json(found.as_dict())
        return
    try:
        typer.echo({"text": as_text, "mermaid": as_mermaid, "dot": as_dot, "svg": as_svg}[format_](found))
    except DiagramError as error:
        failed(str(error))


def show_plan(
    recipe: "Recipe", args: "RecipeArgs", as_json: bool, partitions: "Sequence[str | None]" = (None,)
) -> None:
    """Print the plan of a run with these args, or of one for each partition.

    Ends with status 1 where a source cannot be looked at.
    """
    from blut_assets.cli.views.plans import planned_assets
    from blut_resources.instance.instance import open_instance

    with open_instance(write=False) as instance:
        planned = planned_assets(instance, recipe, args, partitions)
    _show(planned, as_json, by_partition=recipe.partitions is not None)


def _show(planned: "Sequence[Planned]", as_json: bool, *, by_partition: bool) -> None:
    unseen = [p for p in planned if p.state == "unseen"]
    if as_json:
        print_json([p.as_dict() for p in planned])
        raise typer.Exit(1 if unseen or any(p.never for p in planned) else 0)
    typer.echo(plan_table(planned, by_partition=by_partition))
    if unseen:
        failed("\n".join(f"{_named(p)}: {p.reason}" for p in unseen))
    if never := [p for p in planned if p.never]:
        failed("\n".join(f"{_named(p)}: {p.never}" for p in never))
    for note in [f"{_named(p)}: {p.note}" for p in planned if p.note]:
        typer.echo(note)
    typer.echo(total(planned))
    if any(p.leases for p in planned) and (now := _leased_now()):
        typer.echo(now)


def plan_table(planned: "Sequence[Planned]", *, by_partition: bool) -> str:
    """Returns what a run would do as a table, an asset a row."""
    rows = [
        {
            "asset": p.asset,
            **({"partition": p.partition or "-"} if by_partition else {}),
            "state": p.state,
            "last cost": "not known" if p.last_seconds is None else f"{p.last_seconds:.1f} s",
            "peak": size_text(p.last_peak) if p.last_peak else "-",
            "of": p.cost_of,
            "leases": p.leases,
            "reason": p.reason,
        }
        for p in planned
    ]
    return columns(rows)


def _leased_now() -> str:
    """Says what is held of this machine and waited for; empty where nothing is, or that cannot be read."""
    from blut_resources.leases.lease import LeaseError
    from blut_resources.leases.standing import standing

    try:
        busy = [str(one) for one in standing() if one.held or one.waiting]
    except (LeaseError, ValueError):
        return ""
    return f"held here now: {'; '.join(busy)}" if busy else ""


def _named(one: "Planned") -> str:
    from blut_assets.stages.partitions import part

    return part(one.asset, one.partition) if one.partition else one.asset


def total(planned: "Sequence[Planned]") -> str:
    """Says how much would be computed, and what that took before, as far as that is known."""
    count = {state: [p for p in planned if p.state == state] for state in ("stale", "blocked")}
    certain, open_ = len(count["stale"]), len(count["blocked"])
    ahead = [*count["stale"], *count["blocked"]]
    if not ahead:
        return "nothing would be computed: everything is there"
    unless = "unless what they depend on comes out unchanged"
    words = f"{certain} would be computed" if certain else f"{open_} would be computed {unless}"
    words += f", and {open_} more {unless}" if certain and open_ else ""
    known = [p.last_seconds for p in ahead if p.last_seconds is not None]
    if len(known) == len(ahead):
        return f"{words}; these took {sum(known):.1f} s last time"
    others = f"; the others took {sum(known):.1f} s last time" if known else ""
    return f"{words}; what {len(ahead) - len(known)} of these would cost is not known{others}"


@app.command("resume")
def resume(
    run_id: Annotated[str, typer.Argument(metavar="ID", help=RUN_ID, autocompletion=complete_unfinished)],
    set_: Set = None,
    detach: Detach = False,
    as_json: DetachedAsJson = False,
) -> None:
    """Go on with a run that ended early.

    Runs its recipe again with the same args, after it failed, was cancelled or died.
    What it had finished is reused, and a training goes on from its last checkpoint. An argument may be
    changed with --set; what that touches is computed anew.
    """
    fork_if(detach, as_json)
    from blut_assets.cli.run.arguments import args_again, recipe_called, tags_of_a_person
    from blut_assets.cli.run.launching import run_recipe
    from blut_assets.cli.run.lookup import run_named
    from blut_assets.history.partitions import partition_of_run
    from blut_assets.recipes.args import args_of
    from blut_assets.recipes.recipe import RECIPE_TAG
    from blut_resources.instance.instance import open_instance

    with open_instance(write=False) as instance:
        run = run_named(instance, run_id)
    short = run.run_id[:8]
    name = run.tags.get(RECIPE_TAG)
    if not run.is_finished:
        failed(f"run {short} has not ended ({run.status.value}): `blut cancel {short}` ends it")
    if run.is_success and not set_:
        failed(f"run {short} succeeded, so there is nothing to resume: `blut results {short}` shows it")
    if name is None:
        failed(
            f"run {short} was not a recipe's ({run.job_name}): launch its selection again, it is reused too"
        )
    args = args_of(run)
    if args is None:
        failed(f"run {short} had another config than the args of {run.job_name}: launch it again from the UI")
    recipe = recipe_called(name)
    origin = {"dagster/parent_run_id": run.run_id, "dagster/root_run_id": run.root_run_id or run.run_id}
    partition, tags = partition_of_run(run.tags), {**tags_of_a_person(run), **origin}
    values = args_again(recipe, args, set_, partition)
    raise typer.Exit(run_recipe(recipe, values, tags, partition=partition))

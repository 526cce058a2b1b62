"""Implements `blut recipe list|show|template|run`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from blut_assets.cli.run.arguments import Args, ConfigFile, Name, Partition, Set, Tag
from blut_assets.cli.run.detach import Detach, fork_if
from blut_assets.cli.shell.catalogue import recipe_named
from blut_assets.cli.sweep.given import (
    Axes,
    FailFast,
    GridFile,
    Jobs,
    RetryFailed,
    RunAsJson,
    refuse_alone,
    sweep_given,
)
from blut_assets.cli.views.recipes import recipe_rows
from blut_assets.extras import lacking
from blut_assets.terminal.lazy import group
from blut_assets.terminal.output import AsJson, columns, listing, moment, print_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


app = group("The jobs that can be run, and running one.")


@app.command("list")
def list_recipes(as_json: AsJson = False) -> None:
    """List the recipes: name, category, with what they compute, what they take and what they end in.

    One whose packages are not all installed says how to get them, and is not run before.
    """
    rows = recipe_rows()
    if not as_json and any(row["lacks"] for row in rows):
        rows = [{**row, "not installed": _remedies(row["name"])} for row in rows]
    if not as_json:
        rows = [{name: value for name, value in row.items() if name != "lacks"} for row in rows]
    listing(rows, as_json, "no recipes: no cookbook is installed; `blut doctor` says how to get one")


def _remedies(name: str) -> str:
    return ", ".join(one.remedy for one in lacking(recipe_named(name)["extras"]))


@app.command("show")
def show_recipe(name: Name, as_json: AsJson = False) -> None:
    """Show a recipe's args with types, bounds and defaults, and the assets it makes."""
    one = recipe_named(name)
    if as_json:
        lack = [extra.asked for extra in lacking(one["extras"])]
        print_json({"name": one["name"], "args": one["schema"], "template": one["template"], "lacks": lack})
        return
    takes = ", ".join(one["inputs"]) or "nothing"
    about = f"cookbook {one['cookbook']}, backend {one['backend']}, takes {takes}"
    lines = [f"{one['name']}: {one['description']}", "", about, "", columns(one["arguments"])]
    if one["partitions"]:
        lines[3:3] = [f"runs for one partition at a time: {one['partitions']}"]
    lines[1:1] = [f"It needs {extra.told}" for extra in lacking(one["extras"])]
    lines += ["", f"makes {one['output']}:", *(f"  {asset}" for asset in one["assets"])]
    if one["demo"]:
        lines += ["", f"to try it: blut recipe run {name} --config {one['demo']}"]
    typer.echo("\n".join(lines))


@app.command("template")
def show_template(
    name: Name,
    as_yaml: Annotated[bool, typer.Option("--yaml", help="As YAML with comments, for an args file.")] = False,
) -> None:
    """Print a recipe's args with their defaults, to be edited; what must be given says <required>.

    For example: blut recipe template NAME --yaml > args.yaml, edit it, and then
    blut recipe run NAME --args @args.yaml
    """
    one = recipe_named(name)
    if not as_yaml:
        print_json(one["template"])
        return
    import yaml

    for row in one["arguments"]:
        value = {row["argument"]: one["template"][row["argument"]]}
        note = "; ".join(filter(None, (row["allowed"], row["meaning"])))
        typer.echo(f"# {note}\n{yaml.safe_dump(value, allow_unicode=True).strip()}")


@app.command("run")
def run_recipe(
    name: Name,
    args: Args = "{}",
    set_: Set = None,
    config: ConfigFile = None,
    partition: Partition = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the args and say what would run, like `blut plan`.")
    ] = False,
    accept_refusal: Annotated[
        bool,
        typer.Option(
            "--accept-refusal", help="Status 0 also where all was computed and a gate refused the result."
        ),
    ] = False,
    tag: Tag = None,
    sweep: Axes = None,
    sweep_file: GridFile = None,
    jobs: Jobs = None,
    fail_fast: FailFast = False,
    retry_failed: RetryFailed = "yes",
    detach: Detach = False,
    as_json: RunAsJson = False,
) -> None:
    """Run a recipe here and now; what is unchanged since an earlier run is reused.

    On a terminal the last line shows how far it is; in a pipe each event is a line, on standard error.
    What came out is on standard output. Ctrl-C ends it with time for a checkpoint, and the same command
    goes on from there. Status 0 if everything succeeded, 1 if not, 124 if its deadline came, 130 if it was
    interrupted.

    With --detach it needs no terminal any more: `blut log -f ID` follows it.

    With --sweep it is a sweep: a run for each combination of the values, several at once, all of which share
    what they have in common. The same command goes on with a sweep that has ended early.
    """
    fork_if(detach, as_json and not dry_run)
    from blut_assets.cli.run.arguments import layers_of, parsed, partitions_of, recipe_called, tags_given
    from blut_assets.cli.run.launching import run_recipe as run
    from blut_assets.cli.run.partitions import run_each

    tags = tags_given(tag)
    recipe = recipe_called(name)
    keys = partitions_of(recipe, partition)
    if sweep or sweep_file:
        from blut_assets.cli.sweep.command import run_sweep
        from blut_assets.cli.sweep.dry_run import show_trials

        found = layers_of(recipe, args, set_, config)

        def with_options(chosen: "Sequence[str]") -> "Mapping[str, Any]":
            return layers_of(recipe, args, set_, [*(config or ()), *chosen]).values

        order = sweep_given(found, set_, sweep, sweep_file, keys, with_options)
        if dry_run:
            show_trials(order, as_json, jobs)
            return
        how = {"jobs": jobs, "fail_fast": fail_fast, "retry_failed": retry_failed == "yes", "tags": tags}
        raise typer.Exit(run_sweep(order, accept_refusal=accept_refusal, **how))
    refuse_alone(jobs=jobs, fail_fast=fail_fast, retry_failed=retry_failed == "no")
    values = parsed(recipe, args, set_, keys, config)
    if dry_run:
        from blut_assets.cli.commands.plan import show_plan

        show_plan(recipe, values, as_json, partitions=keys)
        return
    accept = accept_refusal
    status = run_each(keys, lambda key: run(recipe, values, tags, accept_refusal=accept, partition=key))
    raise typer.Exit(status)


@app.command("partitions")
def show_partitions(
    name: Name,
    add: Annotated[
        list[str] | None, typer.Option("--add", metavar="KEY", help="Add a partition. Any number of times.")
    ] = None,
    remove: Annotated[
        list[str] | None,
        typer.Option("--remove", metavar="KEY", help="Remove one; what it made stays. Any number of times."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the partitions of a recipe, and what each has made last of what the recipe is for.

    Partitions can be added and removed where the cookbook says that they come and go.
    """
    from blut_assets.cli.run.arguments import recipe_called
    from blut_assets.cli.run.partitions import change_keys
    from blut_assets.history.partitions import made_by_partition
    from blut_resources.instance.instance import open_instance

    recipe = recipe_called(name)
    with open_instance(write=bool(add or remove)) as instance:
        change_keys(instance, recipe.name, recipe.partitions, add or (), remove or ())
        rows = [one.as_dict() for one in made_by_partition(instance, recipe)]
    if not as_json:
        rows = [{**row, "made": moment(row["made"]), "run": row["run"][:8]} for row in rows]
    listing(rows, as_json, f"{name} has no partitions yet")

"""`blut recipe list|show|run`, `blut plan` and `blut cancel`."""

import json
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

import click

from blut_assets.cli.report import (
    INTERRUPTED,
    columns,
    describe_recipe,
    plan_table,
    recipe_table,
    run_summary,
)
from blut_assets.definitions import defs, discovered
from blut_assets.planning import plan as make_plan
from blut_assets.recipes import ArgsError, Recipe, RecipeArgs
from blut_resources.instance import open_instance
from blut_resources.runs import NoSuchRun, cancel_run, find_run, reap_dead_runs

as_name = click.argument("name")
as_args = click.option(
    "--args", default="{}", metavar="JSON", help="JSON object, or @FILE with JSON or YAML in it"
)
as_json_ = click.option("--json", "as_json", is_flag=True, help="print JSON")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def app() -> None:
    """Blut: software-defined assets for training models on machines you own."""
    for name, reason in discovered.left_out.items():
        click.echo(f"cookbook {name} is left out: {reason}", err=True)


@app.group("recipe")
def recipes() -> None:
    """The catalogue of jobs."""


@recipes.command("list")
@as_json_
def list_recipes(as_json: bool) -> None:
    """List the recipes: name, category, cookbook, what they take and what they make."""
    rows = recipe_table(discovered.cookbooks)
    if as_json:
        click.echo(json.dumps(rows, indent=1))
    else:
        click.echo(columns(rows) if rows else "no recipes: no cookbook is installed")


@recipes.command("show")
@as_name
@as_json_
def show_recipe(name: str, as_json: bool) -> None:
    """Show a recipe's args with types, bounds and defaults, and the assets it makes."""
    recipe = _recipe(name)
    if as_json:
        shown = {"name": recipe.name, "args": recipe.args.model_json_schema(), "template": recipe.template()}
        click.echo(json.dumps(shown, indent=1))
    else:
        click.echo(describe_recipe(recipe))


@recipes.command("run")
@as_name
@as_args
def run_recipe(name: str, args: str) -> None:
    """Run a recipe here and now; what is unchanged since an earlier run is reused."""
    recipe = _recipe(name)
    parsed = _parse(recipe, args)
    signal.signal(signal.SIGTERM, _interrupt)
    with open_instance() as instance:
        reap_dead_runs(instance)
        job = defs.resolve_job_def(recipe.name)
        result = job.execute_in_process(
            run_config=parsed.model_dump(mode="json"), instance=instance, raise_on_error=False
        )
        lines = run_summary(result, recipe)
    click.echo("\n".join(lines))
    if INTERRUPTED in lines:
        sys.exit(130)
    sys.exit(0 if result.success else 1)


@app.command()
@as_name
@as_args
@as_json_
def plan(name: str, args: str, as_json: bool) -> None:
    """Say what a recipe would run and why, and what each asset cost last time. Runs nothing."""
    recipe = _recipe(name)
    parsed = _parse(recipe, args)
    with open_instance() as instance:
        planned = make_plan(instance, recipe.assets, recipe.configs(parsed))
    if as_json:
        click.echo(json.dumps([p.as_dict() for p in planned], indent=1))
    else:
        click.echo(plan_table(planned))


@app.command()
@click.argument("run_id")
def cancel(run_id: str) -> None:
    """End a run and everything it started; RUN_ID is its id, or enough of its beginning.

    A payload gets time to write its checkpoint.
    """
    with open_instance() as instance:
        reap_dead_runs(instance)
        try:
            click.echo(cancel_run(instance, find_run(instance, run_id)))
        except NoSuchRun as error:
            _usage(str(error))


@app.command("policy", add_help_option=False, context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def policy(words: tuple[str, ...]) -> None:
    """When Blut retrains by itself: show, enable, disable, check."""
    from blut_assets.cli.policy import app as policies

    policies(list(words), prog_name="blut policy")


@app.command("auto")
def auto() -> None:
    """Retrain here and now if a policy says so; for cron."""
    import typer

    from blut_assets.cli.policy import auto as decide_once

    try:
        decide_once()
    except typer.Exit as done:
        sys.exit(done.exit_code)


def _interrupt(number: int, _frame: Any) -> NoReturn:
    raise KeyboardInterrupt(signal.Signals(number).name)


def _recipe(name: str) -> Recipe:
    recipes = {recipe.name: recipe for cookbook in discovered.cookbooks for recipe in cookbook.recipes}
    if name not in recipes:
        _usage(f"no recipe is called {name!r}; there are: {', '.join(sorted(recipes)) or 'none'}")
    return recipes[name]


def _parse(recipe: Recipe, text: str) -> RecipeArgs:
    try:
        return recipe.parse(_load(text))
    except ArgsError as error:
        _usage(str(error))


def _load(text: str) -> dict[str, Any]:
    try:
        values = _read_yaml(Path(text[1:])) if text.startswith("@") else json.loads(text)
    except (OSError, ValueError) as error:
        _usage(f"--args {text}: {error}; give a JSON object such as '{{\"seed\": 1}}', or @FILE")
    if not isinstance(values, dict):
        _usage(f"--args {text}: expected an object with argument names, found {type(values).__name__}")
    return values


def _read_yaml(path: Path) -> Any:
    import yaml

    try:
        return yaml.load(path.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise ValueError(f"not YAML: {error}") from error


def _usage(message: str) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(2)

"""Makes a recipe and its validated args of what stands on the command line."""

import re
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blut_assets.cli.shell.catalogue import complete_config, complete_recipe
from blut_assets.terminal.output import failed, wrong
from blut_resources.text import meant

if TYPE_CHECKING:
    import dagster as dg

    from blut_assets.layers.resolve import Layered
    from blut_assets.recipes import Recipe, RecipeArgs

Name = Annotated[
    str, typer.Argument(help="Of a recipe; see `blut recipe list`.", autocompletion=complete_recipe)
]
Args = Annotated[
    str,
    typer.Option(
        "--args", metavar="JSON", help="JSON object, or @FILE with JSON or YAML in it. A value"
        " data://NAME stands for the path of a dataset, see `blut data list`."
    ),
]  # fmt: skip
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="One argument, in place of what --args says; a.b=VALUE for one"
        " inside another, KEY=@FILE for what is in a file, +KEY=VALUE for one that nobody has given yet, ~KEY"
        " for its default. Any number of times."
    ),
]  # fmt: skip
ConfigFile = Annotated[
    list[str] | None,
    typer.Option(
        "--config",
        metavar="NAME",
        help="A file of settings (a path, or a name in one of the directories `configs`), or GROUP=OPTION."
        " Any number of times; the last is the strongest.",
        autocompletion=complete_config,
    ),
]

Partition = Annotated[
    list[str] | None,
    typer.Option(
        "--partition", metavar="KEY", help="Of what has partitions: a key, FIRST...LAST, or all. Any number"
        " of times; each gets a run of its own.",
    ),
]  # fmt: skip
Tag = Annotated[
    list[str] | None,
    typer.Option(
        "--tag", metavar="KEY=VALUE", help="A tag of the run, by which the UI finds it. Any number of times."
    ),
]  # fmt: skip
TAG_KEY = re.compile(r"([A-Za-z0-9_.-]{1,63}/)?[A-Za-z0-9_.-]{1,63}")
"""What Dagster takes as the key of a tag."""
OWN_TAGS = ("dagster/", "blut/")
SETTABLE = ("dagster/priority", "dagster/max_retries", "dagster/retry_strategy")
"""Of Dagster's own tags those that a person may set."""


def tags_given(said: Sequence[str] | None) -> dict[str, str]:
    """Returns the tags of a run; ends the command with status 2 where Dagster would not take one."""
    tags: dict[str, str] = {}
    for text in said or ():
        key, equals, value = text.partition("=")
        if not equals or not TAG_KEY.fullmatch(key):
            wrong(
                f"--tag {text}: write KEY=VALUE, such as team=lab; a key has letters, digits, _, - and ., at"
                " most 63, and may have as many and a / before them"
            )
        if key.startswith(OWN_TAGS) and key not in SETTABLE:
            wrong(f"--tag {text}: {key.partition('/')[0]}/ is for tags that nobody sets by hand")
        if tags.setdefault(key, value) != value:
            wrong(f"--tag {text}: {key} is given twice, once as {tags[key]!r}")
    return tags


def tags_of_a_person(run: "dg.DagsterRun") -> dict[str, str]:
    """Returns those tags of a run that are neither Dagster's nor Blut's."""
    return {key: value for key, value in run.tags.items() if not key.lstrip(".").startswith(OWN_TAGS)}


def recipe_called(name: str) -> "Recipe":
    """Returns the recipe; ends the command with status 2 if there is none."""
    from blut_assets.definitions import discovered

    recipes = {recipe.name: recipe for cookbook in discovered.cookbooks for recipe in cookbook.recipes}
    if name not in recipes:
        there = ", ".join(sorted(recipes)) or "none"
        wrong(f"no recipe is called {name!r}{meant(name, recipes)}; there are: {there}")
    return recipes[name]


def partitions_of(recipe: "Recipe", words: Sequence[str] | None) -> "list[str | None]":
    """Returns the partitions of a recipe that ``--partition`` names; ends the command with status 2 if one is
    missing or unknown.
    """
    import dagster as dg

    from blut_assets.cli.run.partitions import chosen_keys
    from blut_resources.instance.instance import open_instance

    partitions = recipe.partitions
    if partitions is None and not words:
        return [None]
    dynamic = isinstance(partitions, dg.DynamicPartitionsDefinition)
    remedy = f" (`blut recipe partitions {recipe.name} --add KEY` adds one)" if dynamic else ""
    with open_instance(write=False) as instance:
        return chosen_keys(instance, recipe.name, partitions, words or (), remedy)


def refuse_lacking(name: str, extras: Sequence[str]) -> None:
    """End the command with status 1 if packages are missing that a payload will import."""
    from blut_assets.extras import lacking

    if lack := lacking(extras):
        failed("\n".join(f"{name} needs {one.told}" for one in lack))


def parsed(
    recipe: "Recipe",
    text: str,
    changes: Sequence[str] | None = None,
    partitions: "Sequence[str | None]" = (None,),
    config: Sequence[str] | None = None,
) -> "RecipeArgs":
    """Returns a recipe's args, resolved from all layers of settings; ends the command with status 2 if they
    make no sense, for any partition.
    """
    return validated(layers_of(recipe, text, changes, config), partitions)


def layers_of(
    recipe: "Recipe", text: str, changes: Sequence[str] | None, config: Sequence[str] | None
) -> "Layered":
    """Returns what the layers of settings say; ends the command with status 2 if one cannot be read."""
    from blut_assets.definitions import discovered
    from blut_assets.layers.resolve import layered
    from blut_assets.recipes import ArgsError

    try:
        return layered(
            recipe, args=text, sets=changes or (), config=config, recipes=discovered.recipe_names()
        )
    except ArgsError as error:
        wrong(str(error))


def args_again(
    recipe: "Recipe", args: dict[str, Any], changes: Sequence[str] | None, partition: str | None
) -> "RecipeArgs":
    """Returns the args of an earlier run with changes: no layer but these counts for them any more."""
    from blut_assets.layers.resolve import layered
    from blut_assets.layers.stack import FROZEN
    from blut_assets.recipes import ArgsError

    try:
        found = layered(recipe, args=args, sets=changes or (), reads=FROZEN)
    except ArgsError as error:
        wrong(str(error))
    return validated(found, [partition])


def validated(found: "Layered", partitions: "Sequence[str | None]" = (None,)) -> "RecipeArgs":
    """Returns args of what the layers say; ends the command with status 2 if they make no sense."""
    from blut_assets.recipes import ArgsError

    try:
        args = found.parse(partitions)
    except ArgsError as error:
        wrong(str(error))
    refuse_past(found.recipe, args)
    return args


def refuse_past(recipe: "Recipe", args: "RecipeArgs") -> None:
    """End the command with status 2 where a run would have to end before it begins."""
    from blut_resources.runs.deadline import FORMS, parse_deadline

    if args.deadline and parse_deadline(args.deadline).gone_by(time.time()):
        wrong(f"{recipe.name}: argument 'deadline' = {args.deadline!r}: has passed; {FORMS}")


def load_object(text: str, option: str) -> dict[str, Any]:
    """Returns a JSON object, or what is in @FILE; ends the command with status 2 if it is neither."""
    from blut_assets.layers.reading import read_object
    from blut_assets.recipes import ArgsError

    try:
        return read_object(text, option)[0]
    except ArgsError as error:
        wrong(str(error))


def with_data(value: Any) -> Any:
    """Returns values with the path of a dataset in place of its name."""
    from blut_assets.paths import with_datasets

    try:
        return with_datasets(value)
    except ValueError as error:
        wrong(str(error))

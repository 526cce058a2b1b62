"""Makes a recipe and its validated args of what stands on the command line."""

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blut_assets.cli.shell.catalogue import complete_recipe
from blut_assets.terminal.output import failed, wrong
from blut_resources.files.documents import MOST, read_json, read_yaml

if TYPE_CHECKING:
    import dagster as dg

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
        " inside another. Any number of times."
    ),
]  # fmt: skip

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
        wrong(f"no recipe is called {name!r}; there are: {', '.join(sorted(recipes)) or 'none'}")
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
) -> "RecipeArgs":
    """Returns a recipe's args; ends the command with status 2 if they make no sense, for any partition."""
    return validated(recipe, load_object(text, "--args"), changes, partitions)


def validated(
    recipe: "Recipe",
    values: dict[str, Any],
    changes: Sequence[str] | None,
    partitions: "Sequence[str | None]" = (None,),
) -> "RecipeArgs":
    """Returns args of values that are read already."""
    from blut_assets.recipes import ArgsError

    changed(values, changes)
    try:
        args = recipe.parse(with_data(values), partitions)
    except ArgsError as error:
        wrong(str(error))
    refuse_past(recipe, args)
    return args


def changed(values: dict[str, Any], changes: Sequence[str] | None) -> dict[str, Any]:
    """Returns the same values, in which what ``--set`` says is put in place."""
    for change in changes or ():
        _put(values, change)
    return values


def refuse_past(recipe: "Recipe", args: "RecipeArgs") -> None:
    """End the command with status 2 where a run would have to end before it begins."""
    from blut_resources.runs.deadline import FORMS, parse_deadline

    if args.deadline and parse_deadline(args.deadline).gone_by(time.time()):
        wrong(f"{recipe.name}: argument 'deadline' = {args.deadline!r}: has passed; {FORMS}")


def load_object(text: str, option: str) -> dict[str, Any]:
    """Returns a JSON object, or what is in @FILE; ends the command with status 2 if it is neither."""
    try:
        values = _read_yaml(Path(text[1:])) if text.startswith("@") else read_json(text, "the text", MOST)
    except (OSError, ValueError) as error:
        wrong(f"{option} {text}: {error}; give a JSON object such as '{{\"seed\": 1}}', or @FILE")
    if not isinstance(values, dict):
        wrong(f"{option} {text}: expected an object with argument names, found {type(values).__name__}")
    return values


def _read_yaml(path: Path) -> Any:
    with path.open("rb") as file:
        return read_yaml(file.read(MOST + 1), str(path), MOST)


def _put(values: dict[str, Any], change: str) -> None:
    """Put ``a.b=VALUE`` in place; the value is JSON if it can be read as that, and else text."""
    key, equals, text = change.partition("=")
    *outer, last = key.split(".")
    if not equals or not all([*outer, last]):
        wrong(f"--set {change}: write KEY=VALUE, such as seed=1 or limits.memory_max=4G")
    for name in outer:
        values = values.setdefault(name, {})
        if not isinstance(values, dict):
            wrong(f"--set {change}: {name!r} is no object, so nothing can be set inside it")
    try:
        values[last] = read_json(text, key)
    except ValueError:
        values[last] = text


def with_data(value: Any) -> Any:
    """Returns values with the path of a dataset in place of its name."""
    from blut_assets.paths import DATA, dataset_path

    if isinstance(value, dict):
        return {key: with_data(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [with_data(inner) for inner in value]
    if isinstance(value, str) and value.startswith(DATA):
        try:
            return dataset_path(value.removeprefix(DATA))
        except ValueError as error:
            wrong(str(error))
    return value

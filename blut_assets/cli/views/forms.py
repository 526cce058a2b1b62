"""Computes the form of a recipe's args: what each holds, where that was said, and what is wrong with it."""

import json
import re
import types
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

if TYPE_CHECKING:
    import dagster as dg
    from pydantic.fields import FieldInfo

    from blut_assets.recipes import Recipe

REQUIRED = "<required>"
PARTITION_ROW = "--partition"
"""What the form calls the partition, which is no argument of the recipe."""
NAMED = re.compile(r"argument '([^'.]+)")
Texts = Mapping[str, str | None]
"""What a person has typed, by argument; None for what is to be as the settings have it."""


def form_rows(instance: "dg.DagsterInstance", recipe: "Recipe", typed: Texts) -> list[dict[str, Any]]:
    """Returns the args of a recipe, a row each: those of its last run here, and over them what was typed.

    Those that must be given come first, and last those that every recipe has. As ``argument``, ``value`` as
    text, ``said`` (where that comes from), ``given`` (whether it goes with the run, since the settings say
    otherwise) and ``sent`` (as what), ``allowed``, ``choices``, ``offers`` (datasets, for a path),
    ``meaning``, and ``problem`` as the recipe tells it. What is wrong with none of them alone has a row
    without a name.

    Raises:
        ArgsError: a file of settings or a variable cannot be read.
    """
    from blut_assets.definitions import discovered
    from blut_assets.layers.resolve import layered
    from blut_assets.recipes import ArgsError

    names = discovered.recipe_names()
    settings, (before, run) = layered(recipe, recipes=names), _before(instance, recipe)
    rows = list[dict[str, Any]]()
    for argument, default in _in_order(recipe):
        origin, base = settings.origin((argument,)), settings.values.get(argument, default)
        base, said = None if base == REQUIRED else base, str(origin) if origin else "default"
        value, text = base, typed.get(argument)
        if argument in before and argument not in typed:
            value = before[argument]
        elif text is not None:
            value = _value(text, recipe.args.model_fields[argument].annotation)
        given = _bare(value) != _bare(base)
        if given:
            said = f"run {run[:8]}" if text is None else "typed"
        rows.append(_row(recipe, argument, value, said, given=given))
    key, problem = _partition(instance, recipe, rows, typed)
    problems = [problem] if problem else []
    if not problem:
        args = {
            row["argument"]: row["sent"] for row in rows if row["given"] and row["argument"] != PARTITION_ROW
        }
        try:
            layered(recipe, args=args, recipes=names).parse([key])
        except ArgsError as error:
            problems = str(error).splitlines()
    _place(rows, problems)
    return rows


def _in_order(recipe: "Recipe") -> list[tuple[str, Any]]:
    from blut_assets.recipes import RecipeArgs

    return sorted(
        recipe.template().items(), key=lambda one: one[1] != REQUIRED and one[0] in RecipeArgs.model_fields
    )


def _row(recipe: "Recipe", argument: str, value: Any, said: str, *, given: bool) -> dict[str, Any]:
    from blut_assets.recipes.args import allowed_values

    info = recipe.args.model_fields[argument]
    return {
        "argument": argument,
        "value": "" if value is None and not given else text_of(value),
        "said": said,
        "given": given,
        "sent": value,
        "allowed": allowed_values(info),
        "choices": _choices(info.annotation),
        "offers": _offers(info),
        "meaning": info.description or "",
        "problem": "",
    }


def _before(instance: "dg.DagsterInstance", recipe: "Recipe") -> tuple[dict[str, Any], str]:
    """Returns the args of the newest run of a recipe, and which run that is."""
    import dagster as dg

    from blut_assets.recipes.args import args_of
    from blut_assets.recipes.recipe import RECIPE_TAG

    runs = instance.get_runs(dg.RunsFilter(tags={RECIPE_TAG: recipe.name}), limit=1)
    return ((args_of(runs[0]) or {}), runs[0].run_id) if runs else ({}, "")


def _partition(
    instance: "dg.DagsterInstance", recipe: "Recipe", rows: list[dict[str, Any]], typed: Texts
) -> tuple[str | None, str]:
    """Put a row for the partition of a recipe that has any first; returns the key, and what is wrong."""
    if recipe.partitions is None:
        return None, ""
    keys = recipe.partitions.get_partition_keys(dynamic_partitions_store=instance)
    text = typed.get(PARTITION_ROW) or ""
    shown = ", ".join(keys[:5]) + (", ..." if len(keys) > 5 else "")
    rows.insert(
        0,
        {
            "argument": PARTITION_ROW,
            "value": text,
            "said": "typed" if text else "",
            "given": bool(text),
            "sent": text,
            "allowed": f"one of {shown}" if keys else "none is there yet",
            "choices": list(keys),
            "offers": [],
            "meaning": "of what has partitions: the key of the run",
            "problem": "",
        },
    )
    if text in keys:
        return keys[keys.index(text)], ""
    return None, f"argument '{PARTITION_ROW}' = {text!r}: there are {shown or 'no partitions yet'}"


def _place(rows: list[dict[str, Any]], problems: list[str]) -> None:
    """Put each problem to its argument, and what belongs to none before all."""
    by_name = {row["argument"]: row for row in rows}
    for line in problems:
        match = NAMED.search(line)
        if match and match[1] in by_name:
            row = by_name[match[1]]
            row["problem"] = "; ".join(filter(None, (row["problem"], line)))
        else:
            rows.insert(0, {**dict.fromkeys(rows[0], ""), "choices": [], "offers": [], "problem": line})


def text_of(value: Any) -> str:
    """Returns a value as a person types it: text as it is where it is read as that again."""
    from blut_assets.layers.changes import value_of

    if isinstance(value, str) and value_of(value) == value:
        return value
    return json.dumps(_bare(value), ensure_ascii=False)


def _value(text: str, annotation: Any) -> Any:
    """Returns what a text stands for; of an argument that takes text alone the text as it is."""
    from blut_assets.layers.changes import value_of

    value, kinds = value_of(text), _kinds(annotation)
    takes_text = str in kinds and not {bool, int, float, list, dict, Any} & set(kinds)
    if takes_text and not isinstance(value, str) and not (value is None and type(None) in kinds):
        return text
    return value


def _kinds(annotation: Any) -> list[Any]:
    """Returns the types of a field, those of a union one by one, without what their members are."""
    if get_origin(annotation) in (Union, types.UnionType):
        return [kind for one in get_args(annotation) for kind in _kinds(one)]
    return [get_origin(annotation) or annotation]


def _choices(annotation: Any) -> list[str]:
    """Returns the texts that a field takes, where these are few."""
    if annotation is bool:
        return ["true", "false"]
    if get_origin(annotation) is Literal:
        return [text_of(one) for one in get_args(annotation)]
    if get_origin(annotation) in (Union, types.UnionType):
        found = [_choices(one) for one in get_args(annotation) if one is not type(None)]
        return [*(text for one in found for text in one), "null"] if all(found) else []
    return []


def _offers(info: "FieldInfo") -> list[str]:
    """Returns how the datasets are written into a path."""
    from blut_assets.cli.shell.completion import complete_dataset
    from blut_assets.paths import DATA, AsPath

    if not any(isinstance(mark, AsPath) for mark in info.metadata):
        return []
    return [f"{DATA}{name}" for name, _ in complete_dataset("")]


def _bare(value: Any) -> Any:
    """Returns a value without what it says nothing of: fields of an object that are null."""
    if isinstance(value, Mapping):
        return {key: _bare(one) for key, one in value.items() if one is not None}
    return [_bare(one) for one in value] if isinstance(value, list | tuple) else value

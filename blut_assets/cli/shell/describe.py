"""Describes recipes and stages as plain data: what the catalogue keeps, and what Dagster has to say."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from blut_assets.discovery import Discovered
from blut_assets.recipes import Cookbook, Recipe
from blut_assets.recipes.args import allowed_values
from blut_assets.stages.partitions import listed
from blut_assets.stages.spec import StageSpec, spec_of

Described = dict[str, Any]
SOURCE = "looks every time"
"""When an asset runs that stands for something outside."""


def describe(found: Discovered) -> Described:
    """Returns everything that can be said of the installed cookbooks without running anything."""
    return {
        "recipes": [_recipe(recipe, book) for book in found.cookbooks for recipe in book.recipes],
        "stages": [row for book in found.cookbooks for row in _stages(book)],
        "commands": {name: place for book in found.cookbooks for name, place in book.commands.items()},
        "left_out": found.left_out,
    }


def _recipe(recipe: Recipe, cookbook: Cookbook) -> Described:
    return {
        "name": recipe.name,
        "category": recipe.category,
        "cookbook": cookbook.name,
        "extras": list(cookbook.extras),
        "backend": recipe.backend or cookbook.name,
        "ends_in": recipe.ends_in or recipe.output.kind.removeprefix(f"{cookbook.name}."),
        "inputs": list(recipe.input_kinds),
        "output": recipe.output.kind,
        "description": recipe.description,
        "arguments": arguments(recipe.args, recipe.template()),
        "schema": recipe.args.model_json_schema(),
        "template": recipe.template(),
        "demo": recipe.demo,
        "partitions": _partitions(recipe.partitions),
        "assets": [key.to_user_string() for asset in recipe.assets for key in asset.keys],
    }


def _partitions(partitions: dg.PartitionsDefinition | None) -> str:
    """Says in words which partitions a recipe has; empty for none."""
    if partitions is None:
        return ""
    if isinstance(partitions, dg.StaticPartitionsDefinition):
        return listed(partitions.get_partition_keys())
    return (
        "those that were added" if isinstance(partitions, dg.DynamicPartitionsDefinition) else str(partitions)
    )


def _stages(cookbook: Cookbook) -> Sequence[Described]:
    rows = [(asset, spec) for asset in cookbook.stages().values() if (spec := spec_of(asset))]
    return [
        {
            "name": spec.key.to_user_string(),
            "group": asset.group_names_by_key[spec.key],
            "cookbook": cookbook.name,
            "inputs": [key.to_user_string() for key in spec.inputs.values()],
            "output": spec.output.kind,
            "runs": _when(spec),
            "description": asset.descriptions_by_key.get(spec.key) or "",
            "config": arguments(spec.config, {}),
        }
        for asset, spec in rows
    ]


def _when(spec: StageSpec) -> str:
    return "once" if spec.memoised else SOURCE if spec.source else "acts every time"


def arguments(form: Any, template: Described) -> list[Described]:
    """Describes the arguments of a form: name, default, what is allowed and what it means."""
    fields = {name: form.model_fields[name] for name in template or form.model_fields}
    return [
        {
            "argument": name,
            "default": _default(template[name] if name in template else _own_default(info)),
            "allowed": allowed_values(info),
            "meaning": info.description or "",
        }
        for name, info in fields.items()
    ]


def _own_default(info: Any) -> Any:
    if info.is_required():
        return "<required>"
    value = info.get_default(call_default_factory=True)
    return value.model_dump(mode="json", exclude_defaults=True) if hasattr(value, "model_dump") else value


def _default(value: Any) -> str:
    if value in ([], {}):
        return ""
    return '""' if value == "" else str(value)

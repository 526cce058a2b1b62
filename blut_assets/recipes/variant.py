"""Makes another cookbook of one that exists: its assets under another name, with partitions if wanted."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import dagster as dg

from blut_assets.recipes.cookbook import Cookbook
from blut_assets.recipes.recipe import Annotated, Recipe
from blut_assets.retrying import check_beside
from blut_assets.stages.declare import defined, group_of
from blut_assets.stages.spec import StageSpec, spec_of


def variant(
    cookbook: Cookbook,
    name: str,
    *,
    partitions: dg.PartitionsDefinition | None = None,
    shared: Collection[str] = (),
    recipes: Collection[str] | None = None,
) -> Cookbook:
    """Returns a cookbook whose assets and recipes are those of another one, called by another name.

    Code versions stay what they are. Results are its own, since an asset's key is a part of its fingerprint.
    A recipe ``old_train`` of a cookbook ``old`` becomes ``new_train``, with the same file of settings.
    Commands stay with the first cookbook.

    Args:
        name: the first word of the keys of its assets.
        partitions: of all assets, so that each recipe runs for one partition.
        shared: names of assets that have no partitions all the same.
        recipes: names of those that are taken, with their assets; all if not given.

    Raises:
        ValueError: there is no recipe or asset of a name, or an asset was not declared as a stage.
    """
    book = cookbook if recipes is None else cookbook.narrowed_to(recipes)
    _refuse_unknown(cookbook, "recipes", recipes or (), {recipe.name for recipe in cookbook.recipes})
    _refuse_unknown(cookbook, "shared", shared, {key.path[-1] for key in book.stages()})
    specs = [_spec(cookbook, asset) for asset in book.assets]
    keys = {spec.key: _renamed(spec.key, cookbook.name, name) for spec in specs}
    made = {
        spec.key: defined(_moved(spec, keys, name, None if spec.key.path[-1] in shared else partitions))
        for spec in specs
    }
    return replace(
        book,
        name=name,
        assets=list(made.values()),
        recipes=[_recipe(one, cookbook.name, name, made) for one in book.recipes],
        checks=[_check(one, made) for one in book.checks],
        splits=[replace(one, asset=keys[one.asset]) for one in book.splits if one.asset in keys],
        commands={},
        sensors=(),
    )


def _refuse_unknown(cookbook: Cookbook, field: str, names: Collection[str], known: Collection[str]) -> None:
    if unknown := sorted(set(names) - set(known)):
        there = ", ".join(sorted(known)) or "none"
        raise ValueError(
            f"{field} = {unknown[0]!r}: {cookbook.name} has none of that name; there are: {there}"
        )


def _spec(cookbook: Cookbook, asset: object) -> StageSpec:
    spec = spec_of(asset)
    if spec is None:
        raise ValueError(f"{cookbook.name}: {asset} is no stage asset, and stays what it is called")
    return spec


def _renamed(key: dg.AssetKey, old: str, new: str) -> dg.AssetKey:
    return dg.AssetKey([new, *key.path[1:]]) if key.path[0] == old else key


def _moved(
    spec: StageSpec,
    keys: Mapping[dg.AssetKey, dg.AssetKey],
    name: str,
    partitions: dg.PartitionsDefinition | None,
) -> StageSpec:
    """Returns a declaration under its new key, with the inputs that were renamed beside it."""
    old, owners = spec.key.path[0], spec.options.get("owners") or []
    stage = spec.options["group_name"].removeprefix(f"{old}_")
    options = {
        **spec.options,
        "owners": [f"team:{name}" if one == f"team:{old}" else one for one in owners],
        "group_name": group_of(name, stage),
    }
    inputs = {parameter: keys.get(key, key) for parameter, key in spec.inputs.items()}
    parted = spec.partitions if partitions is None else partitions
    return replace(spec, key=keys[spec.key], inputs=inputs, options=options, partitions=parted)


def _recipe(recipe: Recipe, old: str, new: str, made: Mapping[dg.AssetKey, dg.AssetsDefinition]) -> Recipe:
    before = {asset.key: key for key, asset in made.items()}
    return replace(
        recipe,
        name=f"{new}_{recipe.name.removeprefix(f'{old}_')}",
        assets=[made[asset.key] for asset in recipe.assets],
        metric=recipe.metric and replace(recipe.metric, asset=made[recipe.metric.asset.key]),
        backend=recipe.backend or old,
        settings=recipe.settings or recipe.name,
        demo="",  # its names are those of the first cookbook
        annotated=recipe.annotated and _annotated(recipe.annotated, before),
    )


def _annotated(count: Annotated, before: Mapping[dg.AssetKey, dg.AssetKey]) -> Annotated:
    """Returns what counts by the new keys; the recipe knows the old ones."""

    def known(values: Mapping[dg.AssetKey, Any]) -> dict[dg.AssetKey, Any]:
        return {before.get(key, key): value for key, value in values.items()}

    return lambda store, configs, now, then: count(store, known(configs), known(now), known(then))


def _check(
    check: dg.AssetChecksDefinition, made: Mapping[dg.AssetKey, dg.AssetsDefinition]
) -> dg.AssetChecksDefinition:
    (spec,) = check.check_specs
    function: Any = getattr(getattr(check.node_def, "compute_fn", None), "decorated_fn", None)
    others = {
        parameter: dg.AssetIn(key=made[key].key if key in made else key)
        for parameter, key in check.keys_by_input_name.items()
        if key != spec.asset_key
    }
    options: dict[str, Any] = {"name": spec.name, "blocking": spec.blocking, "description": spec.description}
    return check_beside(made[spec.asset_key], function, additional_ins=others, **options)

"""Chooses some of the cookbooks and recipes; what these take of the others is then made elsewhere."""

from collections.abc import Collection, Sequence
from dataclasses import replace

import dagster as dg

from blut_assets.discovery import Discovered
from blut_assets.pages.metadata import KIND
from blut_assets.recipes import Cookbook
from blut_assets.recipes.cookbook import AnyAsset, keys_of
from blut_assets.validation import taken_by
from blut_resources.text import meant


class UnknownName(ValueError):
    """Says that no cookbook and no recipe has a name, and which one may be meant."""


def chosen_of(found: Discovered, names: Collection[str]) -> Discovered:
    """Returns the cookbooks of these names, and of others the recipes of these names.

    Raises:
        UnknownName: there is neither a cookbook nor a recipe of a name.
    """
    names = [names] if isinstance(names, str) else names
    books = [cookbook.name for cookbook in found.cookbooks]
    known = [*books, *found.recipe_names()]
    missing = [name for name in names if name not in known]
    if missing and not found.left_out:
        told = f"only = {missing[0]!r}: neither a cookbook nor a recipe{meant(missing[0], known)}"
        raise UnknownName(f"{told}; there are: {', '.join(known) or 'none'}")
    parts = [
        cookbook if cookbook.name in names else cookbook.narrowed_to(names) for cookbook in found.cookbooks
    ]
    out = ", ".join(found.left_out)
    left_out = {
        name: found.left_out.get(name) or f"it is no name that is known; perhaps it is of {out}, left out too"
        for name in missing
    }
    kept = [part for part in parts if part.name in names or part.recipes]
    return Discovered(_with_taken(kept, found.cookbooks), left_out)


def _with_taken(parts: Sequence[Cookbook], cookbooks: Sequence[Cookbook]) -> list[Cookbook]:
    """Returns cookbooks with a spec for each asset that they take of others."""
    everywhere = {key: one for book in cookbooks for one in book.assets for key in keys_of(one)}
    here = {key for part in parts for asset in part.assets for key in keys_of(asset)}
    return [
        replace(part, assets=[*part.assets, *(_elsewhere(key, everywhere[key]) for key in sorted(keys))])
        for part in parts
        for keys in [taken_by(part) & everywhere.keys() - here]
    ]


def _elsewhere(key: dg.AssetKey, asset: AnyAsset) -> AnyAsset:
    """Returns what stands for an asset where it is not made."""
    if not isinstance(asset, dg.AssetsDefinition):
        return asset
    spec = asset.get_asset_spec(key)
    metadata = {KIND: spec.metadata[KIND]} if KIND in spec.metadata else {}
    taken = {"group_name": spec.group_name, "partitions_def": spec.partitions_def, "kinds": spec.kinds}
    handed = dg.AssetSpec(key, metadata=metadata, **taken)
    return handed.with_io_manager_key(asset.get_io_manager_key_for_asset_key(key))

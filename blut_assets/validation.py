"""Looks for what is wrong with a cookbook, before anything of it is run: by itself, and beside the others.

Each fault is a sentence that ends in the place of the source, where that is known. How the types of an edge
agree is `wiring`'s to say.
"""

import inspect
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import Any, get_args

import dagster as dg

from blut_assets.artifacts import Artifact
from blut_assets.chosen import COOKBOOKS
from blut_assets.datasets import DataKind
from blut_assets.floors import FloorsFormat
from blut_assets.load_errors import place_of
from blut_assets.recipes import Cookbook, Recipe, RecipeArgs
from blut_assets.recipes.cookbook import AnyAsset, keys_of
from blut_assets.splits import SplitFormat
from blut_assets.stages.spec import StageSpec, spec_of, specs_of
from blut_assets.tools import Tool
from blut_assets.wiring import faults_of_edge
from blut_resources.text import meant, one_line

NAME = re.compile(r"[A-Za-z0-9_]+")
"""What Dagster takes as the name of a job."""

KINDS: Mapping[str, tuple[type[Any], ...]] = {
    "assets": get_args(AnyAsset),
    "recipes": (Recipe,),
    "checks": (dg.AssetsDefinition,),
    "sensors": (dg.SensorDefinition,),
    "data": (DataKind,),
    "floors": (FloorsFormat,),
    "splits": (SplitFormat,),
    "tools": (Tool,),
    **dict.fromkeys(("extras", "variables", "owners"), (str,)),
}
"""What a cookbook lists, by the field."""
NAMED = {"jobs": "job", "schedules": "schedule"}
"""What it lists besides, of several classes of Dagster's, some of which have no public name."""


@dataclass(frozen=True)
class Known:
    """Holds what the cookbooks have together, and what those had that are left out.

    Attributes:
        assets: all assets by key; of an external one and its maker, the maker.
        kinds: of artifacts and of data, also of those that are left out.
        kinds_unknown: whether there are more, of a cookbook that could not be loaded.
        gone: which cookbook is not there and why, by the first word of its keys and by its keys.
    """

    assets: Mapping[dg.AssetKey, AnyAsset]
    kinds: Set[str]
    kinds_unknown: bool = False
    gone: Mapping[dg.AssetKey, str] = field(default_factory=dict)

    def owner(self, key: dg.AssetKey) -> str | None:
        """Returns which cookbook that is not there this key belongs to, and why it is not."""
        return self.gone.get(key) or self.gone.get(dg.AssetKey(key.path[0]))


def known(
    cookbooks: Mapping[str, Cookbook],
    left_out: Mapping[str, Cookbook | None],
    not_chosen: Iterable[str] = (),
) -> Known:
    """Returns what there is.

    Args:
        cookbooks: those that stay.
        left_out: by name; None for one that could not even be loaded.
        not_chosen: names of cookbooks that are installed and not to be loaded.
    """
    every = [asset for book in cookbooks.values() for asset in book.assets]
    books = [*cookbooks.values(), *filter(None, left_out.values())]
    kinds = {spec.output.kind for book in books for spec in specs_of(book.assets).values()}
    data = {kind.name for book in books for kind in book.data}
    gone = {dg.AssetKey(name): f"{name}, which ${COOKBOOKS} does not name" for name in not_chosen} | {
        key: f"{name}, which is left out" for name, book in left_out.items() for key in _keys_of(name, book)
    }
    return Known(
        {key: asset for asset in sorted(every, key=_is_made) for key in keys_of(asset)},
        kinds | data,
        None in left_out.values() or bool(not_chosen),
        gone,
    )


def _keys_of(name: str, book: Cookbook | None) -> set[dg.AssetKey]:
    named = {dg.AssetKey(name)}
    if book is None:
        return named
    return named | {dg.AssetKey(book.name)} | {key for asset in book.assets for key in keys_of(asset)}


def _is_made(asset: AnyAsset) -> bool:
    return isinstance(asset, dg.AssetsDefinition) and asset.is_executable


def faults_alone(cookbook: Any) -> Iterator[str]:
    """Yields what is wrong with what an entry point returned, whatever else is installed."""
    if not isinstance(cookbook, Cookbook):
        yield f"its entry point returned {type(cookbook).__name__}, not a Cookbook"
        return
    if not NAME.fullmatch(cookbook.name):
        yield f"name = {cookbook.name!r}: letters, digits and _ only"
    listed = [(name, one) for name in KINDS for one in getattr(cookbook, name)]
    wrong = [(name, one) for name, one in listed if not isinstance(one, KINDS[name])]
    for name, one in wrong:
        wanted = " or ".join(kind.__name__ for kind in KINDS[name])
        yield f"{name} has {one_line(repr(one), 200)}, which is no {wanted}{place_of(one)}"
    nameless = [
        f"{field} has {one_line(repr(one), 200)}, which is no {kind}{place_of(one)}"
        for field, kind in NAMED.items()
        for one in getattr(cookbook, field)
        if not isinstance(getattr(one, "name", None), str)
    ]
    yield from nameless
    if wrong or nameless:
        return
    for key, count in Counter(key for asset in cookbook.assets for key in keys_of(asset)).items():
        if count > 1:
            yield f"{count} of its assets have the key {key.to_user_string()}"
    for name, count in Counter(recipe.name for recipe in cookbook.recipes).items():
        if count > 1:
            yield f"{count} of its recipes are called {name}"
    for recipe in cookbook.recipes:
        yield from (f"recipe {recipe.name}: {fault}{place_of(recipe.configure)}" for fault in _of(recipe))


def _of(recipe: Recipe) -> Iterator[str]:
    if not NAME.fullmatch(recipe.name):
        yield "its name is to be of letters, digits and _"
    if not (inspect.isclass(recipe.args) and issubclass(recipe.args, RecipeArgs)):
        yield f"args = {recipe.args!r} is no class of RecipeArgs"
    outside = [asset for asset in recipe.assets if not _is_made(asset)]
    for asset in outside:
        name = ", ".join(key.to_user_string() for key in keys_of(asset))
        yield f"assets has {name}, which is made elsewhere: a recipe runs what it lists, so leave it out"
    if not outside:
        yield from _of_output(recipe)


def _of_output(recipe: Recipe) -> Iterator[str]:
    specs = specs_of(recipe.assets)
    if not (inspect.isclass(recipe.output) and issubclass(recipe.output, Artifact)):
        yield f"output = {recipe.output!r} is no class of Artifact"
        return
    if recipe.output not in {spec.output for spec in specs.values()}:
        made = ", ".join(sorted({spec.output.__name__ for spec in specs.values()}))
        makes = f"its assets make {made}" if made else "none of its assets is a stage_asset, which makes one"
        yield f"output = {recipe.output.__name__}, but {makes}"
    if recipe.metric is not None and (spec := spec_of(recipe.metric.asset)) and spec.key not in specs:
        yield f"its metric is of {spec.key.to_user_string()}, which it does not run"


def faults_beside(cookbook: Cookbook, there: Known) -> Iterator[str]:
    """Yields what is wrong with a sound cookbook among those that are there."""
    for asset in filter(_is_made, cookbook.assets):
        spec = spec_of(asset)
        yield from _of_stage(spec, there) if spec else _of_plain(asset, there)
    for recipe in cookbook.recipes:
        place = place_of(recipe.configure)
        for key in (key for asset in recipe.assets for key in keys_of(asset)):
            runs = f"recipe {recipe.name} runs {key.to_user_string()}"
            if key not in there.assets:
                of = _of_gone(there.owner(key)) or ", which no cookbook lists among its assets"
                yield f"{runs}{of}{place}"
        for kind in sorted(set() if there.kinds_unknown else set(recipe.input_kinds) - there.kinds):
            what = f"input_kinds has {kind!r}, a kind of no artifact or data{meant(kind, there.kinds)}"
            yield f"recipe {recipe.name}: {what}{place}"
    for key in sorted({one.asset_key for check in cookbook.checks for one in check.check_keys}):
        if key not in there.assets:
            of = _of_gone(there.owner(key)) or ", which no cookbook has"
            yield f"a check looks at {key.to_user_string()}{of}"


def _of_stage(spec: StageSpec, there: Known) -> Iterator[str]:
    place = place_of(spec.function)
    for parameter, key in spec.inputs.items():
        takes = f"{spec.key.to_user_string()} takes {parameter}: {spec.input_types[parameter].__name__}"
        if above := there.assets.get(key):
            yield from (f"{takes}{fault}{place}" for fault in faults_of_edge(spec, parameter, above))
        elif owner := there.owner(key):
            yield f"{takes} from {key.to_user_string()}{_of_gone(owner)}{place}"
        else:
            name = key.to_user_string()
            near = meant(name, {one.to_user_string() for one in there.assets})
            yield f"{takes} from {name}, but no asset has that key{near}{place}"


def _of_plain(asset: Any, there: Known) -> Iterator[str]:
    """Yields what a plain asset misses: only what is left out, since the rest may be anywhere in Dagster."""
    for spec in asset.specs:
        for key in (dep.asset_key for dep in spec.deps):
            if key not in there.assets and (owner := there.owner(key)):
                place = place_of(getattr(getattr(asset.node_def, "compute_fn", None), "decorated_fn", None))
                yield f"{spec.key.to_user_string()} takes {key.to_user_string()}{_of_gone(owner)}{place}"


def taken_by(cookbook: Cookbook) -> set[dg.AssetKey]:
    """Returns the keys that its assets take and its recipes run, its own among them."""
    specs = [
        spec for asset in cookbook.assets if isinstance(asset, dg.AssetsDefinition) for spec in asset.specs
    ]
    run = {key for recipe in cookbook.recipes for asset in recipe.assets for key in keys_of(asset)}
    return run | {dep.asset_key for spec in specs for dep in spec.deps}


def _of_gone(owner: str | None) -> str:
    return f" of the cookbook {owner}" if owner else ""

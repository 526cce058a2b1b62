"""Describes the graph of a recipe, before there are any args: what each asset takes, holds and last took."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import dagster as dg

from blut_assets.recipes import Recipe
from blut_assets.recipes.args import RecipeArgs, origin_of
from blut_assets.stages.footprints import took_before
from blut_assets.stages.limits import Footprint
from blut_assets.stages.spec import COMMON, StageSpec, in_order, specs_of
from blut_resources.leases.capacity import amount_text


@dataclass(frozen=True)
class Node:
    """Describes one asset of a recipe.

    Attributes:
        asset: its key, such as ``lamquant/lma_corpus``.
        makes: kind of the artifact.
        takes: kind of the artifact by the key of the asset that it comes from.
        args: of the recipe that reach it; not those that reach every asset.
        holds: what its payloads are expected to need, in words; empty if nothing is reserved.
        last_seconds: what the newest computation took; None without one.
        last_peak: bytes of memory that its payloads took at most; None if that was not measured.
        last_run: the run that computed it; empty without one.
    """

    asset: str
    makes: str
    takes: Mapping[str, str]
    args: Sequence[str]
    holds: str
    last_seconds: float | None = None
    last_peak: int | None = None
    last_run: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Returns it as plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Graph:
    """Holds the assets of a recipe in the order in which they run, and the args that reach all of them."""

    recipe: str
    nodes: Sequence[Node]
    common: Sequence[str]

    def as_dict(self) -> dict[str, Any]:
        """Returns it as plain values."""
        nodes = [node.as_dict() for node in self.nodes]
        return {"recipe": self.recipe, "assets": nodes, "common_args": list(self.common)}


def graph(recipe: Recipe, instance: dg.DagsterInstance) -> Graph:
    """Returns the graph of a recipe; the event log says what each asset took last time."""
    specs = in_order(specs_of(recipe.assets))
    reach = _reach(recipe.args, specs)
    for key, names in _reach_of_required(recipe).items():
        reach[key] += [name for name in names if name not in reach[key]]
    return Graph(
        recipe.name,
        [_node(spec, reach[spec.key], instance) for spec in specs],
        [name for name in recipe.args.model_fields if name in COMMON],
    )


def _node(spec: StageSpec, args: Sequence[str], instance: dg.DagsterInstance) -> Node:
    takes = {key.to_user_string(): spec.input_types[name].kind for name, key in spec.inputs.items()}
    node = Node(spec.key.to_user_string(), spec.output.kind, takes, args, _holds(spec.footprint))
    took = next(took_before(instance, spec.key), None)
    if took is None:
        return node
    return replace(node, last_seconds=took.seconds, last_peak=took.peak, last_run=took.run_id)


def _holds(footprint: Footprint) -> str:
    gpus = {0: "", "any": "a GPU where there is one", 1: "1 GPU"}.get(
        footprint.gpus, f"{footprint.gpus} GPUs"
    )
    vram = f"{footprint.vram} of GPU memory" if footprint.vram else ""
    cpus = amount_text("cpus", footprint.cpus) if isinstance(footprint.cpus, int) and footprint.cpus else ""
    permits = [amount_text(kind, n) for kind in ("network", "disk") if (n := getattr(footprint, kind))]
    memory = f"{footprint.memory} of memory" if footprint.memory else ""
    return ", ".join(filter(None, [memory, cpus, gpus, vram, *permits]))


def _reach(args: type[RecipeArgs], specs: Sequence[StageSpec]) -> dict[dg.AssetKey, list[str]]:
    """Returns the args that reach each asset.

    A field of a config is filled by the arg that was taken over from it, or that it was taken over from; else
    by the arg of the same name.
    """
    names = [name for name in args.model_fields if name not in COMMON]
    origins = {name: origin_of(args.model_fields[name]) for name in names}

    def source(spec: StageSpec, field: str) -> str:
        origin = origin_of(spec.config.model_fields[field])
        if origin is not None and issubclass(args, origin[0]):
            return origin[1]
        return next((n for n in names if _is(origins[n], spec, field)), field)

    filled = {spec.key: {source(spec, field) for field in spec.config.model_fields} for spec in specs}
    return {key: [name for name in names if name in sources] for key, sources in filled.items()}


def _is(origin: tuple[type[Any], str] | None, spec: StageSpec, field: str) -> bool:
    return origin is not None and issubclass(spec.config, origin[0]) and origin[1] == field


def _reach_of_required(recipe: Recipe) -> dict[dg.AssetKey, list[str]]:
    """Returns where texts that must be given come out again when each is a word of its own."""
    fields = recipe.args.model_fields.items()
    words = {name: f"word{i}x" for i, (name, info) in enumerate(fields) if info.is_required()}
    try:
        configs = recipe.configs(recipe.args(**words))
    except Exception:  # a recipe may look at what it is given: then nothing is known of it
        return {}
    return {
        key: [name for name, word in words.items() if any(word in str(value) for _, value in config)]
        for key, config in configs.items()
    }

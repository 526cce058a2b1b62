"""Makes a search of what stands on the command line; what makes no sense ends the command with status 2."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from blut_assets.cli.sweep.order import ID, AskedTrial, SweepOrder, ordered
from blut_assets.hpo.advisor import Search
from blut_assets.hpo.rungs import ladder
from blut_assets.hpo.sampling import Algo, Sampling
from blut_assets.hpo.space import Dimension, grid_of, read_dimension, refuse_overlap
from blut_assets.recipes import Recipe
from blut_assets.stages.spec import in_order, specs_of
from blut_assets.sweeps.axes import AxisError
from blut_assets.sweeps.grid import Grid
from blut_assets.terminal.output import wrong
from blut_resources.files.digest import digest_bytes

if TYPE_CHECKING:
    from blut_assets.layers.resolve import Layered

MOST = 10_000


@dataclass(frozen=True)
class AskedSearch:
    """Holds the options of a search as they were given; those of pruning are None where they were not."""

    spaces: Sequence[str]
    trials: int
    metric: str = ""
    mode: str = ""
    algo: Algo = "tpe"
    prune: str = "none"
    least: int | None = None
    most: int | None = None
    eta: int | None = None
    seed: int = 0
    jobs: int = 1


@dataclass(frozen=True)
class SearchOrder:
    """Holds what a search is to run.

    Attributes:
        ends: trials at the ends of the space, of which it is known that their args make sense.
        told: what was asked for, by which the search is known again, also with another number of trials.
    """

    recipe: Recipe
    values: Mapping[str, Any]
    search: Search
    ends: SweepOrder
    told: Mapping[str, Any]

    @property
    def only_if(self) -> str:
        """Returns the fact that must be true of the best, where the recipe's own metric is searched by."""
        own = self.recipe.metric
        return own.only_if if own and own.fact == self.search.metric else ""

    @property
    def id(self) -> str:
        """Returns a name that depends on the recipe, on what is searched, and how."""
        said = json.dumps([self.recipe.name, self.values, self.told], sort_keys=True, default=str)
        return digest_bytes(said.encode())[:ID]


def search_given(found: "Layered", asked: AskedSearch, sets: Sequence[str]) -> SearchOrder:
    """Returns the search that the options stand for; else ends the command with status 2."""
    recipe = found.recipe
    try:
        dimensions = tuple(read_dimension(text) for text in asked.spaces)
        refuse_overlap(dimensions)
        grid = grid_of(dimensions) if asked.algo == "grid" else []
    except AxisError as error:
        wrong(f"--space {error}")
    fixed = {text.partition("=")[0].lstrip("+~") for text in sets}
    if both := next((one.key for one in dimensions if one.key in fixed), None):
        wrong(f"--set {both} and --space {both}: it has one value, or is searched")
    if recipe.partitions is not None:
        wrong(f"{recipe.name} has partitions: a search is over one result; use --sweep for each of them")
    ends = _ends(found, dimensions)
    fact, maximize = _metric(recipe, asked)
    asset, planned = _trained(recipe, ends)
    least = _least(asked, asset, planned)
    halving = planned if asked.prune in ("asha", "hyperband") else None
    steps = halving and ladder(least, halving, asked.eta or 3, hyperband=asked.prune == "hyperband")
    sampling = Sampling(
        dimensions, asked.algo, asked.seed, maximize, at_once=asked.jobs > 1, shuffled=bool(steps)
    )
    count = min(asked.trials, len(grid)) if grid else asked.trials
    median = least if asked.prune == "median" else None
    search = Search(sampling, count, fact, asset, steps or None, median, asked.jobs)
    told = {
        "space": list(asked.spaces),
        "metric": fact,
        "mode": "max" if maximize else "min",
        "algo": asked.algo,
        "seed": asked.seed,
        "prune": asked.prune,
        **({"rungs": steps.brackets, "eta": steps.eta} if steps else {"min": median} if median else {}),
    }
    return SearchOrder(recipe, found.values, search, ends, told)


def _ends(found: "Layered", dimensions: Sequence[Dimension]) -> SweepOrder:
    """Returns trials with each value at an end of the space, so that none proves senseless later."""
    first = {one.key: one.ends()[0] for one in dimensions}
    include = [{**first, one.key: value} for one in dimensions for value in one.ends()]
    grid = Grid(include=tuple(include))
    return ordered(found.recipe, found.values, grid, (None,), (), option="--space")


def _metric(recipe: Recipe, asked: AskedSearch) -> tuple[str, bool]:
    own = recipe.metric
    if not asked.metric and own is None:
        wrong(
            f"{recipe.name} does not say by what its runs are compared: give --metric, and --mode min or max"
        )
    fact = asked.metric or (own.fact if own else "")
    if asked.mode:
        return fact, asked.mode == "max"
    return fact, bool(own and own.fact == fact and own.best == "highest")


def _trained(recipe: Recipe, ends: SweepOrder) -> tuple[str, int | None]:
    """Returns the last training of a recipe, and its epochs; none where it has none, or they differ."""
    configs = [one.configs for one in ends.trials]
    for spec in reversed(in_order(specs_of(recipe.assets))):
        planned = {each[spec.key].planned_epochs() for each in configs}
        if planned != {None}:
            return spec.key.to_user_string(), planned.pop() if len(planned) == 1 else None
    return "", None


def _least(asked: AskedSearch, asset: str, planned: int | None) -> int:
    """Returns the epochs before the first comparison; ends the command where trials cannot be compared."""
    alone = {"--min": asked.least, "--max": asked.most, "--eta": asked.eta}
    if asked.prune != "none":
        alone = {"--eta": asked.eta} if asked.prune == "median" else {}
    if name := next((name for name, value in alone.items() if value is not None), None):
        wrong(f"{name} is for pruning by rungs: give it with --prune asha or --prune hyperband")
    if asked.prune == "none":
        return 1
    if not asset:
        wrong(
            f"--prune {asked.prune}: no asset of this recipe says how many epochs it has; give --prune none"
        )
    if planned is None:
        wrong(
            f"--prune {asked.prune}: the trials have different numbers of epochs of {asset}, and are compared"
            " after equally many: give one by --set, or --prune none"
        )
    if asked.most is not None and asked.most != planned:
        most = asked.most
        wrong(f"--max {most}: {asset} trains for {planned} epochs; give --set epochs={most} too")
    least = asked.least if asked.least is not None else 1
    if least >= planned:
        wrong(f"--min {least}: {asset} trains for {planned} epochs, so nothing could be pruned before")
    return least


def trial_args(order: SearchOrder, overrides: Mapping[str, Any]) -> AskedTrial:
    """Returns a trial with the values that a search has chosen.

    Raises:
        ArgsError: the recipe does not take them.
    """
    from blut_assets.cli.run.arguments import with_data
    from blut_assets.cli.sweep.order import with_overrides

    args, (configs,) = order.recipe.configured(with_data(with_overrides(order.values, overrides)))
    return AskedTrial(overrides, None, args, configs)

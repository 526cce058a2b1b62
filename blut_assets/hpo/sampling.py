"""Chooses what a search tries next, with Optuna: by ask and tell alone, a fresh sampler for each trial.

The same trials before it give the same next one, however often the search was stopped in between: a sampler
that lives on would have a state of its own, which no file keeps.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from blut_assets.hpo.space import Dimension, grid_of
from blut_assets.sweeps.axes import same
from blut_assets.sweeps.grid import name_of
from blut_resources.files.digest import digest_bytes

Algo = Literal["tpe", "random", "grid"]
How = Literal["complete", "pruned", "running", "fail"]
PLAIN = (str, int, float, bool, type(None))


@dataclass(frozen=True)
class Tried:
    """Describes a trial to learn from.

    Attributes:
        values: of its arguments, by their dotted names.
        how: it has ended.
        measured: by epochs, what was measured.
        value: by which it is compared; of one that has not come to its end, what was measured last.
    """

    number: int
    values: Mapping[str, Any]
    how: How
    measured: Mapping[int, float]
    run_id: str = ""
    value: float | None = None


@dataclass(frozen=True)
class Sampling:
    """Says how a search chooses.

    Attributes:
        seed: the same one gives the same trials, as long as one runs at a time.
        maximize: whether a higher value is better.
        at_once: whether trials run beside each other, and are not to try the same.
        shuffled: whether a grid is tried in an order without order: trials that are compared on the way must
            not come from the worst to the best.
    """

    dimensions: tuple[Dimension, ...]
    algo: Algo
    seed: int
    maximize: bool
    at_once: bool = False
    shuffled: bool = False

    def next(self, number: int, tried: Sequence[Tried]) -> dict[str, Any] | None:
        """Returns the values of the trial of a number, after those that were tried; None if that was all."""
        if self.algo == "grid":
            grid = grid_of(self.dimensions)
            if self.shuffled:
                grid.sort(key=lambda one: digest_bytes(f"{self.seed} {name_of(one)}".encode()))
            return grid[number - 1] if number <= len(grid) else None
        optuna = imported()
        study = optuna.create_study(direction=self.direction, sampler=self._sampler(number))
        study.add_trials([self.frozen(one) for one in tried if one.how != "fail"])
        return self.values(study.ask(self.distributions()).params)

    @property
    def direction(self) -> str:
        """Returns Optuna's word for which values are better."""
        return "maximize" if self.maximize else "minimize"

    def _sampler(self, number: int) -> Any:
        optuna = imported()
        seed = int(digest_bytes(f"{self.seed} {number}".encode())[:8], 16)
        if self.algo == "random":
            return optuna.samplers.RandomSampler(seed=seed)
        return optuna.samplers.TPESampler(seed=seed, constant_liar=self.at_once)

    def frozen(self, tried: Tried, **about: Any) -> Any:
        """Returns a trial as Optuna keeps it.

        Args:
            about: is kept beside it.
        """
        optuna = imported()
        states = optuna.trial.TrialState
        return optuna.trial.create_trial(
            state={
                "complete": states.COMPLETE,
                "pruned": states.PRUNED,
                "running": states.RUNNING,
                "fail": states.FAIL,
            }[tried.how],
            params={one.key: _stored(one, tried.values[one.key]) for one in self.dimensions},
            distributions=self.distributions(),
            value=tried.value if tried.how == "complete" else None,
            intermediate_values=dict(tried.measured),
            user_attrs={"trial": tried.number, "run": tried.run_id, **about},
        )

    def distributions(self) -> dict[str, Any]:
        """Returns the space as Optuna has it."""
        return {one.key: _distribution(one) for one in self.dimensions}

    def gives_up(self, one: Tried, others: Sequence[Tried], least: int) -> bool:
        """Says whether what was measured of a trial is worse than the median of others after as many epochs.

        Args:
            others: those that have ended; there is no median of fewer than five.
            least: epochs before the first comparison.
        """
        optuna = imported()
        study = optuna.create_study(direction=self.direction)
        study.add_trials([self.frozen(other) for other in others if other.how in ("complete", "pruned")])
        pruner = optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=least - 1)
        return bool(pruner.prune(study, self.frozen(one)))

    def values(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the values of arguments for what Optuna has chosen."""
        return {one.key: _given(one, params[one.key]) for one in self.dimensions}


def imported() -> Any:
    """Returns Optuna, which says nothing by itself."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    return optuna


def _distribution(one: Dimension) -> Any:
    kinds = imported().distributions
    if one.kind == "choice":
        return kinds.CategoricalDistribution([_stored(one, value) for value in one.choices])
    if one.kind == "int":
        return kinds.IntDistribution(int(one.low), int(one.high), log=one.log, step=int(one.step or 1))
    return kinds.FloatDistribution(one.low, one.high, log=one.log, step=one.step)


def _stored(one: Dimension, value: Any) -> Any:
    """Returns a value as Optuna can keep it: an object or a list as its text."""
    if one.kind != "choice":
        return int(value) if one.kind == "int" else float(value)
    plain = all(isinstance(each, PLAIN) for each in one.choices)
    # 1, 1.0 and true are one key to Optuna
    return value if plain and len({*one.choices}) == len(one.choices) else same(value)


def _given(one: Dimension, param: Any) -> Any:
    if one.kind != "choice":
        return one.stepped(param)
    return next(value for value in one.choices if same(_stored(one, value)) == same(param))

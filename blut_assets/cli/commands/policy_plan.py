"""Says what the run of a policy would do and cost, for `blut policy check --plan`, also when it waits."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from blut_assets.cli.commands.plan import plan_table, total
from blut_resources.machine.memory import size_text
from sensors.policy.file import PolicyError, PolicyFile

if TYPE_CHECKING:
    import dagster as dg

    from blut_assets.history.planning import Planned
    from blut_assets.recipes import Recipe
    from sensors.policy.fields import Policy


class PolicyRun(NamedTuple):
    """Holds what a policy's run would do, of one partition if its recipe has partitions.

    ``problem`` is why nobody can say; empty otherwise.
    """

    planned: "Sequence[Planned]" = ()
    problem: str = ""
    partition: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Returns it as plain values; costs are those of what would be computed, as far as they are known."""
        ahead = [one for one in self.planned if one.state in ("stale", "blocked")]
        known = [one.last_seconds for one in ahead if one.last_seconds is not None]
        peaks = [one.last_peak for one in ahead if one.last_peak is not None]
        return {
            "plan": [one.as_dict() for one in self.planned],
            "plan_problem": self.problem or self._unseen(),
            "seconds": sum(known),
            "seconds_not_known_of": [one.asset for one in ahead if one.last_seconds is None],
            "peak_memory_bytes": max(peaks, default=None),
        }

    def _unseen(self) -> str:
        return "; ".join(f"{one.asset}: {one.reason}" for one in self.planned if one.state == "unseen")

    def show(self) -> None:
        """Print it: every asset, and what those that would be computed took before."""
        if self.problem:
            typer.echo(f"  nobody can say what would run: {self.problem}")
            return
        table = plan_table(self.planned, by_partition=self.partition is not None)
        typer.echo("\n".join(f"  {line}" for line in table.splitlines()))
        if unseen := self._unseen():
            typer.echo(f"  a run would fail: {unseen}")
        peak = self.as_dict()["peak_memory_bytes"]
        typer.echo(f"  {total(self.planned)}{f', at most {size_text(peak)} of memory' if peak else ''}")


def plans(instance: "dg.DagsterInstance", file: PolicyFile) -> dict[str, PolicyRun]:
    """Returns the plan of each policy that names a recipe, by name and partition, also of one that is off."""
    from blut_assets.definitions import discovered

    recipes = [recipe for cookbook in discovered.cookbooks for recipe in cookbook.recipes]
    beside = [asset for cookbook in discovered.cookbooks for asset in cookbook.assets]
    return {
        label: plan
        for name, policy in file.policies.items()
        if policy.recipe
        for label, plan in _of(instance, file, name, policy, recipes, beside)
    }


def _of(
    instance: "dg.DagsterInstance",
    file: PolicyFile,
    name: str,
    policy: "Policy",
    recipes: "Sequence[Recipe]",
    beside: Sequence[object],
) -> Iterator[tuple[str, PolicyRun]]:
    from blut_assets.history.planning import plan
    from blut_assets.stages.partitions import part
    from sensors.retraining import keys_of, parse_recipe

    try:
        where = f"{file.path}: policy {name}"
        recipe, args = parse_recipe(where, policy.recipe, policy.args, recipes, policy.config)
    except PolicyError as error:
        yield name, PolicyRun(problem="; ".join(str(error).splitlines()))
        return
    for key in keys_of(instance, policy, recipe):
        label = name if key is None else part(name, key)
        try:
            found = plan(instance, recipe.assets, recipe.configs(args, key), key, beside)
        except ValueError as error:  # args that do not go together, or a partition that there is not
            yield label, PolicyRun(problem=str(error), partition=key)
        else:
            yield label, PolicyRun(found, partition=key)

"""Implements `blut policy check`: what each policy would do now, and when it really starts next."""

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blut_assets.terminal.output import AsJson, print_json, wrong
from sensors.policy.decide import Run
from sensors.policy.file import PolicyError, PolicyFile, policy_path, read
from sensors.policy.forecast import remarks

if TYPE_CHECKING:
    from collections.abc import Mapping

    import dagster as dg

    from blut_assets.cli.commands.policy_plan import PolicyRun
    from sensors.retraining import Retraining


def check(
    plan: Annotated[
        bool,
        typer.Option(
            "--plan", help="Also what its run would compute and reuse, and cost, as `blut plan` says."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say what each policy would do now, and why; starts nothing. Exit code 1 if none would start.

    Also when it starts next at the earliest, by schedule, start hours, cooldown, backoff and triggers.
    With --plan what its run would do and cost, whether it starts now or not.
    """
    from blut_assets.cli.commands.policy_plan import plans
    from blut_resources.files.durable import StoreError
    from blut_resources.instance.instance import open_instance

    try:
        with open_instance(write=False) as instance:
            file = read(policy_path())
            found = evaluated(instance, file)
            planned = plans(instance, file) if plan else {}
    except (PolicyError, StoreError) as error:
        wrong(str(error))
    said = _remarks(file)
    if as_json:
        print_json(
            [
                {
                    **_row(one),
                    "remarks": said.get(_policy_of(one, file), []),
                    **(planned[one.policy].as_dict() if one.policy in planned else {}),
                }
                for one in found
            ]
        )
    else:
        _show(found, file, said, planned)
    if not any(isinstance(one.decision, Run) for one in found):
        raise typer.Exit(1)


def evaluated(instance: "dg.DagsterInstance", file: PolicyFile) -> "list[Retraining]":
    """Returns what every policy of a file wants now, however long a look at the data takes.

    Raises:
        PolicyError: an enabled policy cannot be acted on.
    """
    from blut_assets.definitions import discovered
    from sensors.retraining import evaluate, patiently

    recipes = [recipe for cookbook in discovered.cookbooks for recipe in cookbook.recipes]
    return evaluate(instance, file, recipes, patiently)


def tell_notes(file: PolicyFile) -> None:
    """Print what is to be said of a policy file, on standard error."""
    for note in file.notes:
        typer.echo(note, err=True)


def report(found: "list[Retraining]") -> None:
    """Print what was decided, a line for each policy."""
    for one in found:
        typer.echo(_line(one))
    if not found:
        typer.echo(f"off: there is no policy in {policy_path()}; `blut policy enable` makes one")


def _line(one: "Retraining") -> str:
    word = "retrain" if isinstance(one.decision, Run) else "wait"
    return f"{one.policy}: {word}: {one.decision.reason}"


def _show(
    found: "list[Retraining]",
    file: PolicyFile,
    said: dict[str, list[str]],
    planned: "Mapping[str, PolicyRun]",
) -> None:
    tell_notes(file)
    if not found:
        report(found)
    told = set[str]()
    for one in found:
        typer.echo(_line(one))
        if one.starts and isinstance(one.decision, Run):
            typer.echo("  next start: now")
        elif one.starts:
            typer.echo(f"  next start: {one.starts.words}")
        name = _policy_of(one, file)
        for line in said.get(name, []) if name not in told else []:
            typer.echo(f"  {line}")
        told.add(name)
        if one.policy in planned:
            planned[one.policy].show()


def _remarks(file: PolicyFile) -> dict[str, list[str]]:
    now = dt.datetime.now(dt.UTC)
    return {name: list(remarks(policy, now)) for name, policy in file.policies.items() if policy.enabled}


def _policy_of(one: "Retraining", file: PolicyFile) -> str:
    """Returns the name in the file of a policy, or of one of its partitions."""
    return one.policy if one.policy in file.policies else one.policy.rpartition("[")[0]


def _row(one: "Retraining") -> dict[str, Any]:
    starts = one.starts
    return {
        "policy": one.policy,
        "run": isinstance(one.decision, Run),
        "reason": one.decision.reason,
        "partition": one.partition,
        "recipe": one.recipe.name if one.recipe else None,
        "next_start": starts.at.isoformat(timespec="seconds") if starts and starts.at else None,
        "next_start_why": starts.why if starts else None,
    }

"""Implements `blut policy check`: what each policy would do now, and when it really starts next."""

from typing import TYPE_CHECKING, Annotated

import typer

from blut_assets.cli.views.policies import policy_of, policy_rows, remarks_of
from blut_assets.terminal.output import AsJson, print_json, wrong
from sensors.policy.decide import Run
from sensors.policy.file import PolicyError, PolicyFile, policy_path, read

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
    if as_json:
        rows = policy_rows(file, found)
        costs = {name: one.as_dict() for name, one in planned.items()}
        print_json([{**row, **costs.get(row["policy"], {})} for row in rows])
    else:
        _show(found, file, remarks_of(file), planned)
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
        name = policy_of(one, file)
        for line in said.get(name, []) if name not in told else []:
            typer.echo(f"  {line}")
        told.add(name)
        if one.policy in planned:
            planned[one.policy].show()

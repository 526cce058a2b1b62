"""Implements `blut policy show|enable|disable|check` and `blut auto`:
the sensor's decision, for people and cron.

Exit codes: 0 as intended, 1 a retraining failed (`check`: none would start), 2 the policy file or an option
cannot be acted on, 124 a retraining ended at its deadline, 130 a retraining was interrupted.
"""

import datetime as dt
import os
import shlex
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blut_assets.cli.commands.policy_check import check, evaluated, report, tell_notes
from blut_assets.cli.run.arguments import Tag, load_object, tags_given
from blut_assets.cli.run.detach import Detach, DetachedAsJson, fork_if
from blut_assets.cli.shell.catalogue import complete_config, complete_recipe
from blut_assets.terminal.lazy import group
from blut_assets.terminal.output import AsJson, failed, print_json, wrong
from sensors.policy.clock import span
from sensors.policy.decide import NO_RECIPE, Run
from sensors.policy.fields import TRIGGERS, Policy
from sensors.policy.file import ONLY, VARIABLE, PolicyError, PolicyFile, edit, policy_path, read
from sensors.policy.forecast import how_often, next_start, outside, remarks
from sensors.policy.zones import unknown_zone

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import dagster as dg

    from blut_assets.recipes import Recipe
    from sensors.retraining import Retraining

app = group("When Blut retrains by itself.")

OF_CRON = ("TZ", VARIABLE, "BLUT_STORE", "BLUT_LEASES", "BLUT_ALERTS", "BLUT_COOKBOOKS")
"""What cron's short environment lacks: without these it would use another store, and tell nobody."""

PolicyName = Annotated[str | None, typer.Argument(help="which policy, where the file holds several")]


def _field(name: str, metavar: str = "TEXT", **more: Any) -> Any:
    return typer.Option(metavar=metavar, help=Policy.model_fields[name].description, **more)


@app.command()
def show(as_json: AsJson = False) -> None:
    """Print the policy file, and where it is."""
    with _explained():
        path, file = policy_path(), read(policy_path())
    typer.echo(f"{path}{'' if file.written else ' (there is none: nothing retrains by itself)'}", err=True)
    if as_json:
        shown = {name: policy.model_dump(mode="json") for name, policy in file.policies.items()}
        print_json(shown)
    elif file.written:
        typer.echo(path.read_text(), nl=False)


@app.command()
def enable(
    name: PolicyName = None,
    recipe: Annotated[str | None, _field("recipe", "NAME", autocompletion=complete_recipe)] = None,
    args: Annotated[
        str | None,
        typer.Option(metavar="JSON", help="of the recipe: a JSON object, or @FILE of JSON or YAML"),
    ] = None,
    config: Annotated[list[str] | None, _field("config", "NAME", autocompletion=complete_config)] = None,
    partition: Annotated[str | None, _field("partition", "KEY")] = None,
    new_recordings: Annotated[int | None, _field("new_recordings", "N")] = None,
    new_annotated: Annotated[int | None, _field("new_annotated", "N")] = None,
    new_rows: Annotated[int | None, _field("new_rows", "N")] = None,
    new_bytes: Annotated[str | None, _field("new_bytes", "SIZE")] = None,
    max_age: Annotated[str | None, _field("max_age", "DURATION")] = None,
    schedule: Annotated[str | None, _field("schedule", "CRON")] = None,
    start_hours: Annotated[
        str | None,
        typer.Option(
            *("--start-hours", "--quiet-hours"),
            metavar="HH:MM-HH:MM",
            help='starts only within these; "any": at any hour; --quiet-hours is the old name',
        ),
    ] = None,
    time_zone: Annotated[str | None, _field("time_zone", "ZONE")] = None,
    cooldown: Annotated[str | None, _field("cooldown", "DURATION")] = None,
    backoff: Annotated[str | None, _field("backoff", "DURATION")] = None,
    max_runs_per_day: Annotated[int | None, _field("max_runs_per_day", "N")] = None,
    memory_free: Annotated[str | None, _field("memory_free", "SIZE")] = None,
    gpus_free: Annotated[int | None, _field("gpus_free", "N")] = None,
    gpu_memory_free: Annotated[str | None, _field("gpu_memory_free", "SIZE")] = None,
) -> None:
    """Turn a policy on, and set what is given; what is not given stays as it is.

    The policy then belongs to the Dagster instance that this command finds. Its sensor acts on it as long as
    `dagster dev` or the daemon runs; `blut auto` from cron does the same without them.
    """
    given = {
        **{"recipe": recipe, "partition": partition},
        **{"new_recordings": new_recordings, "new_annotated": new_annotated},
        **{"new_rows": new_rows, "new_bytes": new_bytes},
        **{"max_age": max_age, "schedule": schedule, "time_zone": time_zone, "cooldown": cooldown},
        **{"backoff": backoff, "max_runs_per_day": max_runs_per_day, "memory_free": memory_free},
        **{"gpus_free": gpus_free, "gpu_memory_free": gpu_memory_free},
    }
    changes = {key: value for key, value in given.items() if value is not None}
    if args is not None:
        changes["args"] = {k: v for k, v in load_object(args, "--args").items() if v is not None}
    if config:
        changes["config"] = [_whole(word) for word in config]
    if start_hours is not None:
        changes["start_hours"] = [] if start_hours == "any" else start_hours.split("-")
    from blut_resources.instance.home import find_home

    with _explained():
        known = _policy(name)
        begin, proposed = _proposal(known, changes)
        changes = {**_left_behind(known, changes), **proposed, **changes}
        _check_recipe(name, changes)
        instance = str(find_home().resolve())
        changes = {"instance": instance, **changes, "enabled": True}
        now = dt.datetime.now(dt.UTC)
        name, policy = edit(policy_path(), name, changes, begin, lambda policy: _contradicts(policy, now))
        _note_standing()
    if not policy.recipe:
        failed(f"{policy_path()}: written, and {NO_RECIPE}; `blut recipe list` says which there are")
    typer.echo(f"{policy_path()}: {name} is on: {policy.recipe}, when {_when(policy)}")
    _tell_when(name, policy)
    typer.echo(f"for cron, where no daemon runs: */30 * * * * {_cron_line(instance)}")


@app.command()
def disable(name: PolicyName = None) -> None:
    """Turn a policy off; all else in the file stays."""
    with _explained():
        if not read(policy_path()).written:
            typer.echo(f"{policy_path()}: there is none, so nothing retrains by itself")
            return
        name, _ = edit(policy_path(), name, {"enabled": False})
        _note_standing()
    typer.echo(f"{policy_path()}: {name} is off")


app.command()(check)


def auto(tag: Tag = None, detach: Detach = False, as_json: DetachedAsJson = False) -> None:
    """Decide once, as the sensor does, and retrain here and now if a policy says so; for cron.

    Prints the reason either way, and waits for the retraining. Exit code 0: nothing to do, or it succeeded.
    Exit code 1: it failed, or the data of a policy cannot be looked at; 124: it ended at its deadline.
    """
    from blut_assets.cli.shell.terminal import keep_on
    from blut_resources.alive import reap_dead_runs
    from blut_resources.files.durable import acquire, release
    from blut_resources.instance.home import find_home
    from blut_resources.instance.instance import open_instance

    fork_if(detach, as_json)
    tags = tags_given(tag)
    keep_on("`blut policy check` says it again")
    with _explained():
        # two at once, out of two crontabs, would both find nothing going on
        lock = acquire(find_home() / "auto.lock", wait=False)
        if lock is None:
            typer.echo("another `blut auto` is at work on this instance")
            return
        try:
            with open_instance() as instance:
                reap_dead_runs(instance)
                file, found = _decided(instance)
            tell_notes(file)
            report(found)
            status = int(any(getattr(one.decision, "blocked", False) for one in found))
            for one in found:
                if isinstance(one.decision, Run):
                    status = max(status, _retrain(one, tags))
                if status == 130:  # Ctrl-C is meant for those after it too
                    break
        finally:
            release(lock)
    raise typer.Exit(status)


def _decided(instance: "dg.DagsterInstance") -> "tuple[PolicyFile, list[Retraining]]":
    """Returns the file and what every policy wants; the hooks are told of those that nobody can act on."""
    from blut_assets.cli.run.alerting import tell_hooks
    from sensors.retraining import FILE, blocked_reason, refusal

    try:
        file = read(policy_path())
        found = evaluated(instance, file)
    except PolicyError as error:
        tell_hooks(instance, {FILE: refusal(error)})
        raise
    blocked = {one.policy: blocked_reason(one) for one in found}
    tell_hooks(instance, {name: reason for name, reason in blocked.items() if reason})
    return file, found


def _retrain(one: "Retraining", tags: "Mapping[str, str]") -> int:
    from blut_assets.cli.run.launching import run_recipe
    from sensors.retraining import tags_of

    assert one.recipe is not None
    tags, args = {**tags, **tags_of(one)}, one.recipe.parse(one.args, [one.partition])
    return run_recipe(one.recipe, args, tags, partition=one.partition)


def _policy(name: str | None) -> Policy:
    """Returns the policy as the file has it; one of which nothing is said if it has none of that name."""
    before = read(policy_path()).policies
    return before.get(name or next(iter(before), ONLY), Policy.model_validate({}))


def _proposal(known: Policy, changes: "Mapping[str, Any]") -> tuple[str, dict[str, Any]]:
    """Returns what a new file begins as, and what is proposed where neither file nor command says it.

    That is the recipe and args of the last run here whose verdict passed, and a trigger.
    """
    from blut_assets.definitions import discovered
    from blut_resources.instance.instance import open_instance
    from sensors.policy.starter import OLDEST, last_passed, starter

    if recipe := changes.get("recipe", known.recipe):
        note, proposed = Policy.model_fields["recipe"].description or "", {}
    else:
        with open_instance(write=False) as instance:
            passed = last_passed(instance, [r for book in discovered.cookbooks for r in book.recipes])
        recipe, proposed, note = (
            "",
            {},
            "fill in the name of a recipe and its args, such as args = {seed = 1}",
        )
        if passed:
            note = f"as in run {passed.run_id[:8]}, the last one here whose verdict passed"
            proposed = {"recipe": passed.recipe, "args": dict(passed.args)}
            typer.echo(
                f"recipe {passed.recipe} and its args are those of run {passed.run_id[:8]}, whose"
                " verdict passed: change the line to have another"
            )
    if all(changes.get(one, getattr(known, one)) is None for one in TRIGGERS):
        proposed["max_age"] = OLDEST
    return starter(recipe, note), proposed


def _left_behind(known: Policy, changes: "Mapping[str, Any]") -> dict[str, None]:
    """Returns the fields that another recipe does not take over, and says so."""
    if changes.get("recipe", known.recipe) == known.recipe or not known.recipe:
        return {}
    of_recipe = {"args", "config", "partition", *TRIGGERS, "cooldown", "backoff", "max_runs_per_day"}
    own = of_recipe & known.model_fields_set
    if own:
        typer.echo(f"{', '.join(sorted(own))}: were for {known.recipe}, and are not taken over")
    return dict.fromkeys(own)


def _check_recipe(name: str | None, changes: dict[str, Any]) -> None:
    """Refuse a recipe or args before they are written, with what the file has of them already."""
    from blut_assets.definitions import discovered
    from sensors.retraining import parse_recipe, refuse_partition, refuse_passed, refuse_uncountable

    recipes = [recipe for cookbook in discovered.cookbooks for recipe in cookbook.recipes]
    known = _policy(name)
    recipe, args = changes.get("recipe", known.recipe), changes.get("args", known.args) or {}
    if recipe:
        if "args" in changes:
            args = changes["args"] = _absolute(recipe, args, recipes)
        config = changes.get("config", known.config)
        found, parsed = parse_recipe("policy enable", recipe, args, recipes, config or ())
        refuse_passed("policy enable", parsed, time.time())
        wanted = changes.get("new_annotated", known.new_annotated)
        refuse_uncountable("policy enable", found, wanted, recipes)
        refuse_partition("policy enable", found, changes.get("partition", known.partition) or "")


def _whole(word: str) -> str:
    """Returns what ``--config`` names, a file by a path that means the same in every directory."""
    from blut_assets.layers.directories import is_path, path_of

    return os.path.abspath(path_of(word)) if is_path(word) else word  # noqa: PTH100


def _absolute(name: str, args: dict[str, Any], recipes: "list[Recipe]") -> dict[str, Any]:
    """Returns args that mean the same in every directory, links and names of datasets as they were typed."""
    from blut_assets.paths import absolute_paths, refuse_missing

    forms = [recipe.args for recipe in recipes if recipe.name == name]
    if not forms:
        return args
    try:
        found = absolute_paths(forms[0], args)
        refuse_missing(forms[0], found)
    except ValueError as error:
        raise PolicyError(f"policy enable: args: {error}") from error
    return found


def _when(policy: Policy) -> str:
    said = {name: getattr(policy, name) for name in TRIGGERS}
    words = {name: span(value) if isinstance(value, dt.timedelta) else value for name, value in said.items()}
    return " or ".join(f"{name} = {value}" for name, value in words.items() if value is not None)


def _note_standing() -> None:
    """Have the home know since when the schedules hold, as it would when it looks at them next."""
    from blut_resources.instance.home import find_home
    from sensors.policy.standing import note_standing

    note_standing(find_home(), read(policy_path()), dt.datetime.now(dt.UTC))


def _contradicts(policy: Policy, now: dt.datetime) -> str:
    """Says why a policy is not written, with the values that contradict each other; empty if it is."""
    said = outside(policy, now)
    if not said and not policy.time_zone and (unknown := unknown_zone()):
        said = f'{unknown}: give --time-zone, such as "Europe/Berlin" or "UTC"'
    return f"policy enable: {said}" if said else ""


def _tell_when(name: str, policy: Policy) -> None:
    """Print how often at most a policy starts, when it does next, and what works against its schedule."""
    from blut_resources.instance.instance import open_instance
    from sensors.policy.history import history
    from sensors.policy.standing import standing_since

    now, file = dt.datetime.now(dt.UTC), read(policy_path())
    with open_instance(write=False) as instance:
        past = history(instance, name, standing_since(instance, file, now)[name])
    typer.echo(
        f"it starts {how_often(policy, now)}; next at the earliest: {next_start(policy, past, now).words}"
    )
    for line in remarks(policy, now):
        typer.echo(line)
    tell_notes(file)


def _cron_line(instance: str) -> str:
    where = {"DAGSTER_HOME": instance} | {name: os.environ.get(name, "") for name in OF_CRON}
    variables = [f"{name}={shlex.quote(value)}" for name, value in where.items() if value]
    blut = Path(sys.executable).with_name("blut")
    log = Path(instance) / "auto.log"
    line = " ".join([*variables, shlex.quote(str(blut)), "auto", ">>", shlex.quote(str(log)), "2>&1"])
    return line.replace("%", "\\%")  # which cron takes for the end of a line


@contextmanager
def _explained() -> "Iterator[None]":
    from blut_resources.files.durable import StoreError

    try:
        yield
    except (PolicyError, StoreError) as error:
        wrong(str(error))

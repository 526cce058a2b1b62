"""Retrains by itself: what each enabled policy says now, and the sensor that acts on it."""

import datetime as dt
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import dagster as dg

from blut_assets.layers.resolve import resolve
from blut_assets.layers.stack import POLICY
from blut_assets.paths import typed_in
from blut_assets.recipes import ArgsError, Recipe, RecipeArgs
from blut_assets.stages.partitions import PARTITION, listed, part
from blut_resources.instance.instance import store_of
from blut_resources.runs.deadline import FORMS, in_zone, parse_deadline
from blut_resources.text import meant, one_line
from sensors.policy import data as policy_data
from sensors.policy import machine as policy_machine
from sensors.policy.decide import BLOCKED, NO_RECIPE, OFF, UNSEEN, Data, Run, Wait, hold, weigh
from sensors.policy.fields import Policy
from sensors.policy.file import PolicyError, PolicyFile, policy_path, read
from sensors.policy.forecast import Start, next_start
from sensors.policy.history import POLICY_TAG, REASON_TAG, SUBJECT_TAG, artifacts_of, history
from sensors.policy.standing import standing_since
from sensors.turns import Peer, turn_of

NAME = "blut_retraining"
EACH = "each"
FILE = "policy file"
"""Stands for the policies of a file of which none holds, where each has a line."""
INTERVAL = "BLUT_POLICY_INTERVAL_S"
PATIENCE_S = 20.0
"""Seconds that a tick waits for a look at the data: Dagster ends one after a minute."""
ELSEWHERE = "decided by the code location"

Ask = Callable[[str, Callable[[], Data]], Data | None]


@dataclass(frozen=True)
class Retraining:
    """Says what a policy wants now, of one partition if its recipe has partitions.

    ``args`` and ``tags`` are those of the run, if it wants one. ``starts`` is when it would next, at the
    earliest; None where that is not known.
    """

    policy: str
    recipe: Recipe | None
    decision: Run | Wait
    args: Mapping[str, Any]
    tags: Mapping[str, str]
    partition: str | None = None
    starts: Start | None = None


def evaluate(
    instance: dg.DagsterInstance, file: PolicyFile, recipes: Sequence[Recipe], ask: Ask
) -> list[Retraining]:
    """Returns what every policy of a file wants now; at most one wants to run, the first that may.

    Raises:
        PolicyError: an enabled policy names no recipe that there is, or args that it does not take.
    """
    parsed = {name: _parse(file, name, policy, recipes) for name, policy in file.policies.items()}
    found: list[Retraining] = []
    since = standing_since(instance, file, dt.datetime.now(dt.UTC))
    for name, policy in file.policies.items():
        found_recipe = parsed[name]
        keys = keys_of(instance, policy, found_recipe[0]) if found_recipe else [None]
        found += [] if keys else [_waits(name, Wait(f"{policy.recipe} has no partitions yet"))]
        for key in keys:
            label = name if key is None else part(name, key)
            first = next((other.policy for other in found if isinstance(other.decision, Run)), None)
            if first:
                found.append(_waits(label, Wait(f"the policy {first} goes first")))
            elif unknown := _unknown(instance, policy, parsed[name], key):
                found.append(_waits(label, Wait(unknown, blocked=True)))
            else:
                one = _one(instance, file, name, policy, parsed[name], ask, key, since[name])
                found.append(replace(one, policy=label, partition=key))
    return found


def keys_of(instance: dg.DagsterInstance, policy: Policy, recipe: Recipe) -> Sequence[str | None]:
    """Returns the partitions that a policy is for; None stands for all there is."""
    partitions = recipe.partitions
    if partitions is None:
        return [None]
    keys = partitions.get_partition_keys(dynamic_partitions_store=instance)
    if policy.partition in keys:
        return [keys[keys.index(policy.partition)]]
    return keys if policy.partition == EACH else [policy.partition]


def _unknown(
    instance: dg.DagsterInstance, policy: Policy, parsed: tuple[Recipe, RecipeArgs] | None, key: str | None
) -> str:
    """Returns in words that a policy is for a partition that there is not; empty where there is."""
    partitions = parsed[0].partitions if parsed else None
    if partitions is None:
        return ""
    keys = partitions.get_partition_keys(dynamic_partitions_store=instance)
    if key in keys:
        return ""
    near = meant(policy.partition, keys)
    return f"partition = {policy.partition!r}: no such one{near}; there are: {listed(keys)}"


def patiently(_key: str, look: Callable[[], Data]) -> Data:
    """Looks at the data, however long that takes."""
    return look()


def _parse(
    file: PolicyFile, name: str, policy: Policy, recipes: Sequence[Recipe]
) -> tuple[Recipe, RecipeArgs] | None:
    if not policy.enabled or not policy.recipe:
        return None
    where = f"{file.path}: policy {name}"
    parsed = parse_recipe(where, policy.recipe, policy.args, recipes, policy.config)
    refuse_uncountable(where, parsed[0], policy.new_annotated, recipes)
    refuse_partition(where, parsed[0], policy.partition)
    return parsed


def parse_recipe(
    where: str, name: str, args: Mapping[str, Any], recipes: Sequence[Recipe], config: Sequence[str] = ()
) -> tuple[Recipe, RecipeArgs]:
    """Returns a recipe by name, and its args; a path in them is absolute, whoever reads the file and where.

    Args:
        config: settings below the args, over those of the cookbook and of the user; without any the args are
            all there is.

    Raises:
        PolicyError: they cannot be had; each line begins with ``where``.
    """
    recipe = next((recipe for recipe in recipes if recipe.name == name), None)
    if recipe is None:
        names = sorted(recipe.name for recipe in recipes)
        known = ", ".join(names) or "none"
        raise PolicyError(
            f"{where}: recipe = {name!r}: no such recipe{meant(name, names)}; there are: {known}"
        )
    try:
        with typed_in(None):
            # with the keys of partitions, which come and go, when one is looked at
            keys = (None,) if recipe.partitions is None else ()
            if not config:
                return recipe, recipe.parse(args, keys)
            names = [one.name for one in recipes]
            given = {"args": args, "config": config, "recipes": names}
            return recipe, resolve(recipe, **given, partitions=keys, reads=POLICY).args
    except ArgsError as error:
        raise PolicyError("\n".join(f"{where}: args: {line}" for line in str(error).splitlines())) from error


def refuse_partition(where: str, recipe: Recipe, partition: str) -> None:
    """Refuse a partition of a recipe that has none, and none of one that has.

    Raises:
        PolicyError: with the remedy.
    """
    if partition and recipe.partitions is None:
        raise PolicyError(
            f"{where}: partition = {partition!r}: {recipe.name} has no partitions; leave it out"
        )
    if not partition and recipe.partitions is not None:
        raise PolicyError(
            f'{where}: {recipe.name} has partitions: give partition = "KEY" for one, or partition = "{EACH}"'
        )


def refuse_passed(where: str, args: RecipeArgs, now: float) -> None:
    """Refuse a deadline that is a date and time in the past.

    Args:
        now: in seconds since 1970.

    Raises:
        PolicyError: it is, with what would do.
    """
    if args.deadline and parse_deadline(args.deadline).gone_by(now):
        raise PolicyError(f"{where}: args: deadline = {args.deadline!r}: has passed; {FORMS}")


def refuse_uncountable(where: str, recipe: Recipe, wanted: int | None, recipes: Sequence[Recipe]) -> None:
    """Refuse to wait for annotations of which a recipe makes nothing.

    Args:
        wanted: recordings with new annotations, as the policy asks for them.

    Raises:
        PolicyError: the recipe cannot count them; it names those that can.
    """
    if wanted is not None and recipe.annotated is None:
        able = ", ".join(sorted(one.name for one in recipes if one.annotated)) or "none"
        raise PolicyError(
            f"{where}: new_annotated = {wanted}: {recipe.name} learns nothing from annotations, so none of"
            f" them would be new to it; take new_recordings, or a recipe that does: {able}"
        )


def _one(
    instance: dg.DagsterInstance,
    file: PolicyFile,
    name: str,
    policy: Policy,
    parsed: tuple[Recipe, RecipeArgs] | None,
    ask: Ask,
    partition: str | None,
    since: dt.datetime,
) -> Retraining:
    if parsed is None:
        return _waits(name, Wait(f"{NO_RECIPE} of {file.path}" if policy.enabled else OFF))
    now = dt.datetime.now(dt.UTC)
    past = history(instance, name, since, partition)
    machine = policy_machine.look(instance, name, with_gpus=policy.gpus_free > 0, partition=partition)
    elsewhere = policy.instance and policy.instance != machine.instance
    starts = None if elsewhere else next_start(policy, past, now)
    held = hold(policy, past, now, machine)
    if held:
        return _waits(name, held, starts)
    recipe, args = parsed
    try:
        recipe.configs(args, partition)
    except ValueError as error:
        return _waits(name, Wait(f"args: {error}", blocked=True))
    if args.deadline and parse_deadline(args.deadline).gone_by(now.timestamp()):
        return _waits(name, Wait(f"args: deadline = {args.deadline}: has passed", blocked=True))
    last = past.concluded
    before = artifacts_of(instance, last.run_id, policy_data.source_keys(recipe)) if last else {}
    wanted = {"rows": policy.new_rows is not None, "annotated": policy.new_annotated is not None}
    given = args.model_dump(mode="json")
    key = json.dumps([name, partition, policy.recipe, given, last and last.run_id], sort_keys=True)
    store = store_of(instance)
    data = ask(key, lambda: policy_data.look(store, recipe, args, before, partition=partition, **wanted))
    if data is None:
        still = Wait("still reading what is new in the data; a later tick has the answer")
        return _waits(name, still, starts)
    decision = weigh(name, policy, past, now, data)
    tags = {POLICY_TAG: name, SUBJECT_TAG: data.subject, REASON_TAG: decision.reason}
    later = None if isinstance(decision, Wait) and decision.blocked else starts
    if args.deadline and policy.time_zone:
        args = args.model_copy(update={"deadline": in_zone(args.deadline, policy.time_zone)})
    return Retraining(name, recipe, decision, args.model_dump(mode="json"), tags, starts=later)


def _waits(name: str, wait: Wait, starts: Start | None = None) -> Retraining:
    return Retraining(name, None, wait, {}, {}, starts=starts)


def retraining_sensor(recipes: Sequence[Recipe], jobs: Sequence[Any]) -> dg.SensorDefinition:
    """Returns the sensor over all policies.

    It always ticks, and starts nothing where no policy is enabled.
    """
    lookout = policy_data.Lookout()
    recipes = list(recipes)

    @dg.sensor(
        name=NAME,
        jobs=list(jobs),
        minimum_interval_seconds=int(os.environ.get(INTERVAL) or 60),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Starts the recipe of a policy when that says so; the cursor of a tick says why not.",
    )
    def retraining(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        turn = turn_of(context, NAME)
        if turn.off:
            return dg.SensorResult(skip_reason=turn.waits, cursor=turn.waits)
        try:
            file = read(policy_path())
            if not file.policies:
                why = f"off: there is no policy in {file.path}; `blut policy enable` makes one"
                return dg.SensorResult(skip_reason=why, cursor=why)
            elsewhere = decided_elsewhere(file, recipes, turn.peers)
            left = {name: policy for name, policy in file.policies.items() if name not in elsewhere}
            here = evaluate(
                context.instance,
                replace(file, policies=left),
                recipes,
                lambda key, look: lookout.ask(key, look, PATIENCE_S),
            )
        except PolicyError as error:
            why = f"{FILE}: {refusal(error)}"
            context.log.error(why)
            return dg.SensorResult(skip_reason=why, cursor=why)
        found = [*here, *(_waits(name, Wait(why)) for name, why in elsewhere.items())]
        # the list of ticks has a column for the cursor, and none for why a tick starts nothing
        words = "\n".join(f"{one.policy}: {blocked_reason(one) or one.decision.reason}" for one in found)
        requests = [_request(one) for one in found if isinstance(one.decision, Run)]
        if not requests:
            return dg.SensorResult(skip_reason=words, cursor=words)
        context.log.info(words)
        return dg.SensorResult(run_requests=requests, cursor=words)

    return retraining


def refusal(error: PolicyError) -> str:
    """Returns in one line why no policy of a file holds, as alerts know it."""
    return f"{BLOCKED}: {one_line('; '.join(str(error).splitlines()))}"


def blocked_reason(one: Retraining) -> str:
    """Returns why a policy waits until somebody mends something, as alerts know it; empty if it does not."""
    if not isinstance(one.decision, Wait) or not one.decision.blocked:
        return ""
    reason = one.decision.reason
    return reason if reason.startswith(UNSEEN) else f"{BLOCKED}: {reason}"


def decided_elsewhere(file: PolicyFile, recipes: Sequence[Recipe], peers: Sequence[Peer]) -> dict[str, str]:
    """Returns the policies that are the business of other code locations that load Blut, each with why.

    Of those that have its recipe the first decides. Which have it shows in what their last tick has said.
    """
    known, found = {recipe.name for recipe in recipes}, {}
    for name, policy in file.policies.items():
        here = policy.recipe in known or not policy.recipe
        takes = [peer for peer in peers if _decides(peer, name) and (peer.goes_first or not here)]
        if takes:
            found[name] = f"{ELSEWHERE} {takes[0].place.words}"
        elif peers and not here:
            others = ", ".join(peer.place.words for peer in peers)
            found[name] = f"{ELSEWHERE} that has the recipe {policy.recipe}: not this one; there is {others}"
    return found


def _decides(peer: Peer, name: str) -> bool:
    begins = (f"{name}: ", part(name, "")[:-1])  # as a whole, or a partition
    lines = [line for line in peer.cursor.splitlines() if line.startswith(begins)]
    return any(ELSEWHERE not in line for line in lines)


def tags_of(one: Retraining) -> dict[str, str]:
    """Returns the tags with which the daemon makes the run:
    it looks for them before it makes a second one.
    """
    assert isinstance(one.decision, Run)
    return {**one.tags, "dagster/sensor_name": NAME, "dagster/run_key": one.decision.key}


def _request(one: Retraining) -> dg.RunRequest:
    assert isinstance(one.decision, Run) and one.recipe is not None
    return dg.RunRequest(
        run_key=one.decision.key,
        run_config={**one.args, **({PARTITION: str(one.partition)} if one.partition is not None else {})},
        job_name=one.recipe.name,
        tags=dict(one.tags),
        partition_key=one.partition,
    )

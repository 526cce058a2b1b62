"""Chooses the runs that may go, and says why each of the others stays.

A run stays, whatever the policy says, if something leans on it: a process that may work for it, the registry,
a policy's next decision, the newest materialization of an asset, or a run that stays and reused its result.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg

from blut_assets.history.failures import ended_as
from blut_assets.stages import reuse
from blut_assets.sweeps.record import SWEEP_TAG
from blut_assets.sweeps.record import records as sweeps
from blut_resources.instance.instance import home_of, store_of
from blut_resources.registry.models import ModelRegistry
from blut_resources.runs import status
from blut_resources.runs.files import status_path
from blut_resources.runs.removal import files_of
from blut_resources.working import workers
from sensors.housekeeping.policy import DAY_S, Housekeeping
from sensors.policy.history import LOOKED_AT, POLICY_TAG

OWN = "blut/"
"""How the tags of Blut's runs begin."""


class Removable(NamedTuple):
    """Describes a run that may go; ``ended`` is in seconds since 1970."""

    run_id: str
    job: str
    state: str
    ended: float
    n_files: int
    n_bytes: int


class Made(NamedTuple):
    """Holds a materialization, of each asset the newest first;
    ``leads`` are runs that a reused one refers to.
    """

    asset: tuple[dg.AssetKey, str | None]
    run_id: str
    digest: str
    leads: frozenset[str]


@dataclass(frozen=True)
class Choice:
    """Says what may go, the oldest first, and of what stays the reason, by run id."""

    removable: tuple[Removable, ...]
    kept: Mapping[str, str]

    def reasons(self) -> dict[str, int]:
        """Returns how many runs stay for each reason, the most frequent first."""
        counts: dict[str, int] = defaultdict(int)
        for reason in self.kept.values():
            counts[reason] += 1
        return dict(sorted(counts.items(), key=lambda item: -item[1]))


def choose(instance: dg.DagsterInstance, policy: Housekeeping, now: dt.datetime) -> Choice:
    """Returns what the policy lets go of at this time. Changes nothing.

    Raises:
        RegistryError: the registry cannot be read, and so nobody knows what it refers to.
    """
    records, made = list(instance.get_run_records()), list(_materialized(instance))
    kept = {
        **_by_policy(records, policy, now),
        **_deciding(records),
        **_newest(made),
        **_registered(instance, made),
        **_untouchable(instance, records),
    }
    _keep_what_they_reused(made, kept)
    found = [_removable(instance, record) for record in records if record.dagster_run.run_id not in kept]
    return Choice(tuple(sorted(found, key=lambda one: one.ended)), kept)


def measured(paths: Iterable[Path]) -> tuple[int, int]:
    """Returns how many files lie in these places, and their bytes."""
    n_files = n_bytes = 0
    for path in paths:
        for file in [path, *path.rglob("*")] if path.is_dir() else [path]:
            if file.is_file() and not file.is_symlink():
                n_files, n_bytes = n_files + 1, n_bytes + file.stat().st_size
    return n_files, n_bytes


def _removable(instance: dg.DagsterInstance, record: dg.RunRecord) -> Removable:
    run = record.dagster_run
    n_files, n_bytes = measured(files_of(home_of(instance), run.run_id))
    state, _ = ended_as(instance, run)
    return Removable(run.run_id, run.job_name, state, _ended(record), n_files, n_bytes)


def _ended(record: dg.RunRecord) -> float:
    return record.end_time or record.update_timestamp.timestamp()


def _untouchable(instance: dg.DagsterInstance, records: list[dg.RunRecord]) -> dict[str, str]:
    """Runs that go on, or may, with those that they continue; and the runs of other projects."""
    home, kept = home_of(instance), dict[str, str]()
    at_work = {one.id for one in sweeps(home) if one.leads() != "no"}
    for record in records:
        run = record.dagster_run
        if not run.is_finished:
            kept |= {run.run_id: "has not ended"}
            kept |= dict.fromkeys(_ancestors(instance, run), "a run that goes on continues it")
        elif workers(instance, run.run_id):
            kept[run.run_id] = "a process may still work for it"
        elif run.tags.get(SWEEP_TAG) in at_work:
            kept[run.run_id] = "its sweep goes on, or may"
        elif not _is_own(home, run):
            kept[run.run_id] = "not Blut's"
    return kept


def _by_policy(records: list[dg.RunRecord], policy: Housekeeping, now: dt.datetime) -> dict[str, str]:
    seen, kept, days = defaultdict[str, int](int), dict[str, str](), policy.keep_days
    for group in _together(records):
        job, ended = group[0].dagster_run.job_name, max(map(_ended, group))
        seen[job] += 1
        reason = ""
        if not policy.bounds_runs:
            reason = "no bound is declared for runs"
        elif days is not None and now.timestamp() - ended < days * DAY_S:
            reason = f"ended within {days} days"
        elif policy.keep_newest is not None and seen[job] <= policy.keep_newest:
            reason = f"among the newest {policy.keep_newest} of its job"
        kept |= {one.dagster_run.run_id: reason for one in group if reason}
    return kept


def _together(records: list[dg.RunRecord]) -> Iterable[list[dg.RunRecord]]:
    """Returns runs by what they are of, the newest first: those of a sweep are as old as its newest."""
    groups = defaultdict[str, list[dg.RunRecord]](list)
    for record in records:
        run = record.dagster_run
        groups[run.tags.get(SWEEP_TAG) or run.run_id].append(record)
    return groups.values()


def _deciding(records: list[dg.RunRecord]) -> dict[str, str]:
    """Returns what a policy for retraining looks at: without it, it would train again."""
    seen, succeeded, kept = defaultdict[str, int](int), set[str](), dict[str, str]()
    for record in records:
        run = record.dagster_run
        if name := run.tags.get(POLICY_TAG):
            seen[name] += 1
            is_newest_success = run.status is dg.DagsterRunStatus.SUCCESS and name not in succeeded
            succeeded |= {name} if is_newest_success else set()
            if seen[name] <= LOOKED_AT or is_newest_success:
                kept[run.run_id] = "a policy for retraining decides by it"
    return kept


def _newest(made: list[Made]) -> dict[str, str]:
    """Returns the runs that made the newest of an asset:
    without them it would count as never materialized.
    """
    newest: dict[Any, str] = {}
    for one in made:
        newest.setdefault(one.asset, one.run_id)
    return dict.fromkeys(newest.values(), "holds the newest of an asset")


def _registered(instance: dg.DagsterInstance, made: list[Made]) -> dict[str, str]:
    """Returns the runs that the registry names, and those that computed what it refers to."""
    registry = ModelRegistry(store_of(instance).root / "registry")
    named = {
        record.run
        for name in registry.names()
        for version, record in registry.versions(name).items()
        if version not in registry.retired(name)
    }
    wanted = registry.promoted_digests()
    # a source looks at the same files in every run: of those the oldest, which was the first to see them
    first = {(one.asset, one.digest): one.run_id for one in made if not one.leads and one.digest in wanted}
    return dict.fromkeys({*named, *first.values()}, "the registry refers to it")


def _ancestors(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Iterator[str]:
    """Yields the runs that a run continues: it takes what they made."""
    seen: set[str] = {run.run_id}
    while run.parent_run_id and run.parent_run_id not in seen:
        seen.add(run.parent_run_id)
        yield run.parent_run_id
        parent = instance.get_run_by_id(run.parent_run_id)
        if parent is None:
            return
        run = parent


def _is_own(home: Path, run: dg.DagsterRun) -> bool:
    """Says whether Blut's assets took part in it: an instance may serve other projects too."""
    if any(name.startswith(OWN) for name in run.tags):
        return True
    return any("asset" in event for event in status.read(status_path(home, run.run_id)))


def _keep_what_they_reused(made: list[Made], kept: dict[str, str]) -> None:
    """Add the runs to which a reused result of a kept run leads, and those to which these lead."""
    leads: dict[str, set[str]] = defaultdict(set)
    for one in made:
        leads[one.run_id] |= one.leads
    todo = list(kept)
    while todo:
        for run_id in leads[todo.pop()] - kept.keys():
            kept[run_id] = "a run that stays reused its result"
            todo.append(run_id)


def _materialized(instance: dg.DagsterInstance) -> Iterator[Made]:
    for key in instance.get_asset_keys():
        for record in reuse.materializations(instance, key):
            if (event := record.asset_materialization) is None:
                continue
            reused: Any = event.metadata.get(reuse.REUSED)
            entries: list[Any] = [event.metadata.get(name) for name in (reuse.ORIGIN, reuse.SHOWN_BY)]
            leads = frozenset(entry.value for entry in entries if entry and reused and reused.value)
            yield Made((key, record.partition_key), record.run_id, reuse.digest_of(event), leads)

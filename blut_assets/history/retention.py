"""Decides which stored bytes must stay, and removes the others."""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import dagster as dg

from blut_assets.history.known import KnownHistory
from blut_assets.stages import reuse
from blut_resources.boxes.beats import limit_s
from blut_resources.boxes.seen import others_lately
from blut_resources.instance.instance import home_of, open_other, other_homes, store_of
from blut_resources.machine.amounts import duration_text
from blut_resources.registry.models import ModelRegistry, Registration
from blut_resources.runs import removed
from blut_resources.store.artifacts import ArtifactStore
from blut_resources.store.gc import NEWEST, CollectReport, Told, collect, unheard
from blut_resources.text import one_line
from blut_resources.working import all_out_of_sight

Needed = Callable[[Path], set[str]]
"""Returns the digests that something in a home needs, beside its history and its registry."""


def _nothing(_home: Path) -> set[str]:
    return set()


def reachable(
    instance: dg.DagsterInstance,
    newest: int,
    retiring: Registration | None = None,
    *,
    noted: bool = True,
    known: KnownHistory | None = None,
    needed: Needed = _nothing,
) -> set[str]:
    """Returns the digests of the newest results of each asset and partition, of all that is promoted,
    and of what they were made of.

    Args:
        newest: different results, so that a day of reused ones does not push out the one before.
        retiring: a registered version that is taken for retired.
        noted: also by the notes of the store, for runs that were deleted.
        known: what has read the history already.
        needed: of a home, what else stays.
    """
    made_by, made_of = _history(_events(known or KnownHistory(instance), noted))
    roots = ModelRegistry(store_of(instance).root / "registry").promoted_digests(retiring)
    roots |= needed(home_of(instance))
    for digests in made_by.values():
        roots |= set(digests[:newest])
    return _closure(roots, made_of)


def _history(
    events: Iterable[dg.AssetMaterialization],
) -> tuple[dict[tuple[dg.AssetKey, str | None], list[str]], dict[str, set[str]]]:
    """Returns the different results of each asset and partition, newest first, and what each was made of."""
    made_by: dict[tuple[dg.AssetKey, str | None], list[str]] = {}
    made_of: dict[str, set[str]] = {}
    for event in events:
        digest = reuse.digest_of(event)
        if not digest:
            continue
        made_of.setdefault(digest, set()).update(reuse.inputs_of(event).values())
        seen = made_by.setdefault((event.asset_key, event.partition), [])
        if digest not in seen:
            seen.append(digest)
    return made_by, made_of


def _events(known: KnownHistory, noted: bool) -> Iterator[dg.AssetMaterialization]:
    """Yields of each asset the newest first:
    those in the event log, then those that only the store has noted.
    """
    yield from (event for record in known.logged if (event := record.asset_materialization))
    yield from (result.event for result in (known.noted if noted else ()))


def _closure(roots: Iterable[str], made_of: dict[str, set[str]]) -> set[str]:
    kept: set[str] = set()
    todo = list(roots)
    while todo:
        digest = todo.pop()
        if digest not in kept:
            kept.add(digest)
            todo += made_of.get(digest, ())
    return kept


def freed_by_retiring(
    instance: dg.DagsterInstance, version: Registration, newest: int = NEWEST, needed: Needed = _nothing
) -> int:
    """Returns the bytes in the store that are kept there for a registered version alone."""
    kept = partial(reachable, instance, newest, known=KnownHistory(instance), needed=needed)
    freed = kept() - kept(version)
    return sum(i.n_bytes for i in store_of(instance).list() if i.digest in freed and not i.external)


def collect_garbage(
    instance: dg.DagsterInstance,
    *,
    newest: int = NEWEST,
    dry_run: bool = False,
    unknown: bool = False,
    max_bytes: int | None = None,
    even_recent: bool = False,
    known: KnownHistory | None = None,
    needed: Needed = _nothing,
    told: Told = unheard,
) -> CollectReport:
    """Remove stored bytes that nothing reaches, nothing uses, and nobody touched within the last hour.

    Args:
        unknown: also where the history knows next to nothing of what the store holds.
        max_bytes: of what may go, only until the store holds no more than that, the longest unused first.
        even_recent: also what was touched within the last hour, but not since a run began that goes on.
        known: what has read the history already.
        needed: of each home that uses the store, what else stays.
        told: hears how many artifacts were looked at, and how many more are about to be.

    Raises:
        ValueError: if ``newest`` is below 1, an instance that keeps its results in the same store cannot be
            read, a run that cannot be seen from here may use it, or its results are in no history.
    """
    if newest < 1:
        raise ValueError(f"newest = {newest}: keep at least 1 result per asset")
    store = store_of(instance)
    if lately := others_lately(store.root):
        since = "nobody knows when" if lately[0].age_s is None else f"{duration_text(lately[0].age_s)} ago"
        raise ValueError(
            f"{lately[0].name} works with the store {store.root}, and was seen {since}: what it is about to"
            f" use is in no history yet, so collect when it was not seen for {duration_text(limit_s())}"
        )
    with contextlib.ExitStack() as opened:
        all_ = [instance, *(opened.enter_context(other) for other in _others(instance, store))]
        for one in all_:
            _refuse_unseen(one, store)
        # before the history is read, or what a run tells between the two would be neither recent nor known
        since = min(map(_oldest_at_work, all_)) if even_recent else None
        histories = [(one, known if known and one is instance else KnownHistory(one)) for one in all_]
        if not unknown:
            _refuse_without_history(histories, store)
        reached = (reachable(one, newest, known=knows, needed=needed) for one, knows in histories)
        keep = set[str]().union(*reached)
    return collect(store, keep, dry_run=dry_run, max_bytes=max_bytes, recent_from=since, told=told)


def _others(instance: dg.DagsterInstance, store: ArtifactStore) -> Iterator[dg.DagsterInstance]:
    """Yields the instances of other homes that use a store, to be read; to be closed by who takes them.

    Raises:
        ValueError: one cannot be read from here.
    """
    found = other_homes(instance, store)
    if unseen := [one.words for one in found if one.path is None]:
        raise ValueError(
            f"the store {store.root} also serves {', '.join(unseen)}, whose results would be lost: collect"
            " only where that can be read, or when that instance is deleted or has a store of its own"
        )
    for other in found:
        assert other.path is not None
        try:
            one = open_other(other.path)
            one.get_runs(limit=1)
        except Exception as error:
            raise ValueError(
                f"the store {store.root} also serves {other.path}, whose history cannot be read"
                f" ({one_line(error)}), so its results would be lost: repair it, or delete that instance"
            ) from error
        yield one


def _refuse_unseen(instance: dg.DagsterInstance, store: ArtifactStore) -> None:
    for run_id, holders in all_out_of_sight(instance).items():
        raise ValueError(
            f"run {run_id[:8]} may use the store {store.root}: it belongs to {holders[0]}, which cannot be"
            f" seen from here; collect when it has ended, or after `blut cancel {run_id[:8]} --gone`"
        )


def _oldest_at_work(instance: dg.DagsterInstance) -> float:
    """Returns since when the oldest run that goes on does, in seconds since 1970; now where none does.

    What a run has put or looked up, and has not told yet, is nobody's but its own.
    """
    ended = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
    going = [status for status in dg.DagsterRunStatus if status not in ended]
    records = instance.get_run_records(dg.RunsFilter(statuses=going))
    began = [record.create_timestamp.timestamp() for record in records]
    alive = home_of(instance) / "alive"  # a process shows that it works before there is a run
    marks = [path for path in alive.iterdir() if path.name[0] != "."] if alive.is_dir() else []
    for mark in marks:
        with contextlib.suppress(FileNotFoundError):
            began.append(mark.stat().st_mtime)
    return min([time.time(), *began])


def _refuse_without_history(
    histories: Sequence[tuple[dg.DagsterInstance, KnownHistory]], store: ArtifactStore
) -> None:
    """Refuse where a history was lost, or is another one's:
    it must not cost the results that it does not know.

    It does know those of the runs that were removed from it to free the disk.
    """
    instance, own = histories[0]
    stored = {item.digest for item in store.list()}
    gone = removed.removed(home_of(instance))
    all_ = (reachable(one, len(stored) + 1, noted=False, known=knows) for one, knows in histories)
    known = stored & set[str]().union(*all_)
    known |= {result.digest for result in (own.noted if gone else ()) if result.run_id in gone} & stored
    if len(stored) > 2 * len(known):
        raise ValueError(
            f"the store {store.root} holds {len(stored)} artifacts, and the history {home_of(instance)} has"
            f" {len(known)} of them: restore the history (or export the right $DAGSTER_HOME); if it is gone"
            " for good, `blut cache prune --unknown` removes what it does not know"
        )

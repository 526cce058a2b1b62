"""Notices raw inputs that changed since they were last looked at:
what was made of them is then stale in the UI.

A tick costs a stat per file. Where names, sizes or times differ from what the store has noted, and are the
same at two ticks in a row (nobody is copying any more), it has that one source asset run: it digests what is
new, and what was made of the old version is shown as stale. Nothing else is started. Only inputs that have
been materialized before are watched, with the config they had then, and only files that stay where the user
keeps them.
"""

import inspect
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg

from blut_assets.deployment import lent
from blut_assets.stages import reuse
from blut_assets.stages.partitions import part
from blut_assets.stages.spec import StageSpec, spec_of
from blut_assets.stages.stage import call, planned
from blut_resources.files.digest import digest_bytes
from blut_resources.instance.instance import store_of
from blut_resources.store.artifacts import ArtifactStore
from blut_resources.store.manifest import load_index, parse, read
from blut_resources.store.references import Referenced
from blut_resources.store.seen import Look, look
from sensors.turns import SensorTurn, turn_of

NAME = "blut_corpus_watch"
INTERVAL = "BLUT_WATCH_INTERVAL_S"
WATCH_TAG = "blut/automation"


class Changed(Exception):
    """Says that the files are not those noted; carries what they look like now."""

    def __init__(self, state: str, n_files: int) -> None:
        super().__init__(state)
        self.state, self.n_files = state, n_files


class GlancingStore(ArtifactStore):
    """Recognises the files of one digest by their stamps and never reads one."""

    def __init__(self, root: Path, expected: str) -> None:
        super().__init__(root)
        self._expected = expected

    def referenced(self, source: Path, files: Iterable[Path | str] | None = None) -> Referenced:
        """Returns what was last noted for these files.

        Raises:
            Changed: their names or stamps are not those noted.
        """
        tree, _ = self._counted(Path(source).absolute(), files)
        now = look(tree.root, tree.names)
        if self._noted(tree.root, now) == self._expected or self._are_those(tree.root, now):
            return Referenced(self._expected, len(now.names), now.n_bytes)
        seen = [[name, *stamp[:2]] for name, stamp in zip(now.names, now.stamps, strict=True)]
        raise Changed(digest_bytes(json.dumps([str(tree.root), seen]).encode())[:16], len(now.names))

    def _are_those(self, source: Path, now: Look) -> bool:
        """Says whether exactly these files were recorded last; asked of each one."""
        noted, _, place = parse(read(self.record_path(self._expected, external=True)), self._expected)
        known = load_index(self.reference_index(source))
        if noted is None or place != str(source) or noted.keys() != set(now.names):
            return False
        return all(
            name in known and known[name].stamp == stamp and known[name].digest == noted[name].digest
            for name, stamp in zip(now.names, now.stamps, strict=True)
        )


class Glance(NamedTuple):
    """Says what a glance at one source has shown: in words, and its state where it has changed."""

    words: str
    state: str = ""
    config: Mapping[str, Any] = {}


def glance(instance: dg.DagsterInstance, spec: StageSpec, partition: str | None = None) -> Glance | None:
    """Look at a source, or one partition of it, as it was configured last; None where there is nothing to
    watch.
    """
    record = next(reuse.materializations(instance, spec.key, partition, first=1), None)
    event = record.asset_materialization if record else None
    digest = reuse.digest_of(event) if event else ""
    if event is None or not digest:
        return None
    store = GlancingStore(store_of(instance).root, digest)
    if not store.record_path(digest, external=True).exists():
        return None
    values = reuse.spec_of_event(event).get("config", {})
    try:
        config = spec.config(**values)
        with lent(spec.resources) as resources:
            result = call(planned(spec, store, config, partition, resources), {}, config)
            if inspect.isgenerator(result):
                list(result)
    except Changed as changed:
        return Glance(f"changed, {changed.n_files} files now", changed.state, values)
    except Exception as error:  # a disk that is not there now is an answer, not a crash
        return Glance(f"cannot be looked at: {error}")
    return Glance("unchanged")


def watched(
    instance: dg.DagsterInstance, specs: Iterable[StageSpec]
) -> Iterator[tuple[StageSpec, str | None]]:
    """Yields the sources, and of one with partitions those that are there and have been made."""
    for spec in specs:
        if spec.partitions is None:
            yield spec, None
            continue
        made = instance.get_materialized_partitions(spec.key)
        keys = spec.partitions.get_partition_keys(dynamic_partitions_store=instance) if made else []
        yield from ((spec, key) for key in keys if key in made)


def corpus_watch_sensor(assets: Sequence[object]) -> dg.SensorDefinition:
    """Returns the sensor over all source assets."""
    specs = [spec for asset in assets if (spec := spec_of(asset)) and spec.source]

    @dg.sensor(
        name=NAME,
        asset_selection=dg.AssetSelection.assets(*[spec.key for spec in specs]),
        minimum_interval_seconds=int(os.environ.get(INTERVAL) or 300),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Has raw inputs digested that have changed, by a stat per file, and settled.",
    )
    def corpus_watch(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        turn = turn_of(context, NAME)
        if turn.off:
            return dg.SensorResult(skip_reason=turn.waits, cursor=turn.cursor)
        before, theirs = json.loads(turn.cursor or "{}"), _watched_by_others(turn)
        there = {_name(spec, key): (spec, key) for spec, key in watched(context.instance, specs)}
        own = {name: one for name, one in there.items() if name not in theirs}
        found = {name: seen for name, one in own.items() if (seen := glance(context.instance, *one))}
        # others see by it what is looked at here
        states = {name: seen.state for name, seen in found.items()}
        settled = [name for name, seen in found.items() if seen.state == before.get(name, "?")]
        requests = [_request(name, *own[name], found[name]) for name in settled if found[name].state]
        words = "\n".join(f"{name}: {seen.words}" for name, seen in found.items())
        cursor = json.dumps(states)
        if requests:
            context.log.info(words)
            return dg.SensorResult(run_requests=requests, cursor=cursor)
        words = words or (turn.waits if theirs else "")
        return dg.SensorResult(skip_reason=words or "no raw input has been materialized yet", cursor=cursor)

    return corpus_watch


def _watched_by_others(turn: SensorTurn) -> set[str]:
    """Returns what the sensors of other code locations look at, and that goes before this one."""
    return {name for peer in turn.peers if peer.goes_first for name in json.loads(peer.cursor or "{}")}


def _name(spec: StageSpec, partition: str | None) -> str:
    name = spec.key.to_user_string()
    return name if partition is None else part(name, partition)


def _request(name: str, spec: StageSpec, partition: str | None, seen: Glance) -> dg.RunRequest:
    """Ask for a digest of a change once, also where that fails."""
    return dg.RunRequest(
        run_key=f"{name}:{seen.state}",
        asset_selection=[spec.key],
        run_config={"ops": {"__".join(spec.key.path): {"config": dict(seen.config)}}},
        tags={WATCH_TAG: "corpus_watch"},
        partition_key=partition,
    )

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
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg

from blut_assets.stages import reuse
from blut_assets.stages.spec import StageSpec, spec_of
from blut_assets.stages.stage import call, planned
from blut_resources.files.digest import digest_bytes, list_tree, stamp_of
from blut_resources.instance.instance import store_of
from blut_resources.store.artifacts import ArtifactStore
from blut_resources.store.intake import relative_names
from blut_resources.store.manifest import load_index, parse, read

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

    def put_reference(self, source: Path, files: Iterable[Path] | None = None) -> str:
        """Returns the digest last noted for these files.

        Raises:
            Changed: their names or stamps are not those noted.
        """
        source = Path(source).absolute()
        names = list_tree(source, "any").names if files is None else relative_names(source, files)
        stamps = {name: stamp_of((source / name if name else source).stat()) for name in names}
        known = load_index(self.reference_index(source))
        if all(name in known and known[name].stamp == stamp for name, stamp in stamps.items()):
            files_now = {name: known[name].digest for name in names}
            if digest := self._noted(source, files_now):
                return digest
        seen = [[name, size, mtime] for name, (size, mtime, *_) in stamps.items()]
        raise Changed(digest_bytes(json.dumps([str(source), seen]).encode())[:16], len(names))

    def _noted(self, source: Path, files: Mapping[str, str]) -> str:
        """Returns the digest under which exactly these files were recorded last; empty if they were not."""
        noted, _, place = parse(read(self.record_path(self._expected, external=True)), self._expected)
        same = noted is not None and {name: hashed.digest for name, hashed in noted.items()} == files
        return self._expected if same and place == str(source) else ""


class Seen(NamedTuple):
    """Says what a glance at one source has shown: in words, and its state where it has changed."""

    words: str
    state: str = ""
    config: Mapping[str, Any] = {}


def glance(instance: dg.DagsterInstance, spec: StageSpec) -> Seen | None:
    """Look at a source as it was configured last; None where there is nothing to watch."""
    record = instance.get_latest_materialization_event(spec.key)
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
        result = call(planned(spec, store, config), {}, config)
        if inspect.isgenerator(result):
            list(result)
    except Changed as changed:
        return Seen(f"changed, {changed.n_files} files now", changed.state, values)
    except Exception as error:  # a disk that is not there now is an answer, not a crash
        return Seen(f"cannot be looked at: {error}")
    return Seen("unchanged")


def corpus_watch_sensor(assets: Sequence[dg.AssetsDefinition]) -> dg.SensorDefinition:
    """Returns the sensor over all source assets."""
    specs = [spec for asset in assets if (spec := spec_of(asset)) and spec.source]

    @dg.sensor(
        name="corpus_watch",
        asset_selection=dg.AssetSelection.assets(*[spec.key for spec in specs]),
        minimum_interval_seconds=int(os.environ.get(INTERVAL) or 300),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Has raw inputs digested that have changed, by a stat per file, and settled.",
    )
    def corpus_watch(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        before = json.loads(context.cursor) if context.cursor else {}
        found = {spec.key: seen for spec in specs if (seen := glance(context.instance, spec))}
        states = {key.to_user_string(): seen.state for key, seen in found.items() if seen.state}
        settled = [key for key, seen in found.items() if seen.state == before.get(key.to_user_string(), "?")]
        requests = [_request(key, found[key]) for key in settled if found[key].state]
        words = "\n".join(f"{key.to_user_string()}: {seen.words}" for key, seen in found.items())
        cursor = json.dumps(states)
        if requests:
            context.log.info(words)
            return dg.SensorResult(run_requests=requests, cursor=cursor)
        return dg.SensorResult(skip_reason=words or "no raw input has been materialized yet", cursor=cursor)

    return corpus_watch


def _request(key: dg.AssetKey, seen: Seen) -> dg.RunRequest:
    """Ask for a digest of a change once, also where that fails."""
    return dg.RunRequest(
        run_key=f"{key.to_user_string()}:{seen.state}",
        asset_selection=[key],
        run_config={"ops": {"__".join(key.path): {"config": dict(seen.config)}}},
        tags={WATCH_TAG: "corpus_watch"},
    )

"""Says of a run that has ended what OpenLineage asks for: which job has made which version of what, of what.

A run of Blut is a run of a job there, and below it one for each asset that it computed.
"""

import datetime as dt
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from typing import Any
from urllib.parse import quote

import dagster as dg

from blut_assets.cli.exports.exported import ExportedRun, leaves
from blut_assets.cli.run.lookup import made_by
from blut_assets.history.failures import ended_as
from blut_assets.pages.metadata import SIZE
from blut_assets.recipes.recipe import RECIPE_TAG
from blut_assets.stages import reuse
from blut_assets.stages.partitions import whole
from blut_assets.sweeps.record import SWEEP_TAG
from blut_resources.instance.instance import home_of
from blut_resources.runs import manifest
from blut_resources.runs.files import manifest_path

Event = dict[str, Any]
Facets = dict[str, dict[str, Any]]
NAMESPACE = "OPENLINEAGE_NAMESPACE"
"""In which every tool that tells OpenLineage looks for the namespace of its jobs."""
PRODUCER = f"urn:blut:{version('blut')}"
SPEC = "https://openlineage.io/spec"
SCHEMAS = {
    "datasetVersion": "1-0-1/DatasetVersionDatasetFacet",
    "errorMessage": "1-0-1/ErrorMessageRunFacet",
    "executionParameters": "1-0-0/ExecutionParametersRunFacet",
    "jobType": "2-0-4/JobTypeJobFacet",
    "outputStatistics": "1-0-2/OutputStatisticsOutputDatasetFacet",
    "parent": "1-2-0/ParentRunFacet",
    "processing_engine": "1-1-1/ProcessingEngineRunFacet",
    "schema": "1-2-0/SchemaDatasetFacet",
    "sourceCodeLocation": "1-1-0/SourceCodeLocationJobFacet",
    "tags": "1-0-0/TagsRunFacet",
}
"""Version and name of each facet, as the specification has them."""
COMPLETE, FAIL = "COMPLETE", "FAIL"
ENDS = {"success": COMPLETE, "pruned": COMPLETE, "cancelled": "ABORT", "deadline": "ABORT"}
TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
DERIVED = uuid.UUID("5f0c1f6e-2f0a-5b0e-9a57-6c2d7a1b9e44")
"""For ids of the kind that OpenLineage wants, of what has none: a sweep, an asset in a run."""


def run_events(instance: dg.DagsterInstance, run: dg.DagsterRun, told: ExportedRun) -> list[Event]:
    """Returns the start and the end of a run, and of each asset that it computed or failed to compute.

    What it reused it did not make, so that is among what it took.
    """
    return list(_Events(instance, run, told).all())


class _Events:
    """Says what is told of one run."""

    def __init__(self, instance: dg.DagsterInstance, run: dg.DagsterRun, told: ExportedRun) -> None:
        try:
            known = manifest.read(manifest_path(home_of(instance), run.run_id))
        except (OSError, ValueError):
            known = {}
        self._told, self._assets, self._git = told, known.get("assets") or {}, known.get("git") or {}
        self._namespace = os.environ.get(NAMESPACE) or "blut"
        self._became = made_by(instance, run.run_id)
        self._why, self._end = ended_as(instance, run)[1], ENDS.get(told.state, FAIL)
        self._own = self._of(told.run_id, told.name)
        sweep = run.tags.get(SWEEP_TAG)
        of_sweep = str(uuid.uuid5(DERIVED, sweep)) if sweep else ""
        self._above = self._of(of_sweep, f"{run.tags.get(RECIPE_TAG)}.sweep") if sweep else None

    def all(self) -> Iterator[Event]:
        """Yields all its events."""
        told = self._told
        made = {n: reuse.digest_of(event) for n, event in self._became.items() if not reuse.is_reused(event)}
        taken = [pair for asset in self._assets.values() for pair in asset.get("inputs", {}).items()]
        job = {**self._own["job"], "facets": self._about_job("RECIPE")}
        about = {**_facet("tags", tags=_pairs(told.tags)), **_args(told.args)}
        yield self._event("START", told.started, told.run_id, job, {**self._parent(self._above), **about})
        for name, asset in self._assets.items():
            if asset["state"] != "reused":
                yield from self._of_asset(name, asset)
        facets = {**self._parent(self._above), **_error(self._end, self._why)}
        inputs = self._inputs((name, digest) for name, digest in taken if made.get(whole(name)) != digest)
        yield self._event(self._end, told.ended, told.run_id, job, facets, inputs, self._outputs(made))

    def _of_asset(self, name: str, asset: Mapping[str, Any]) -> Iterator[Event]:
        """Yields its start and its end; what came to no end of its own had that of the run."""
        told, done = self._told, asset["state"] == "computed"
        end = COMPLETE if done else FAIL if self._end == COMPLETE else self._end
        ended = asset.get("ended") or told.ended
        one = self._of(str(uuid.uuid5(DERIVED, f"{told.run_id} {name}")), f"{told.name}.{name}")
        run_id, job = one["run"]["runId"], {**one["job"], "facets": self._about_job("ASSET")}
        inputs, parent = self._inputs(asset.get("inputs", {}).items()), self._parent(self._own)
        facets = {**parent, **_args(dict(leaves(asset.get("config", {}))))}
        yield self._event("START", asset.get("started") or ended, run_id, job, facets, inputs)
        facets = {**parent, **_error(end, asset.get("error") or self._why)}
        made = self._outputs({name: asset["digest"]} if done else {})
        yield self._event(end, ended, run_id, job, facets, inputs, made)

    def _event(self, kind: str, at: float, run_id: str, job: Any, facets: Facets, *of: list[Any]) -> Event:
        inputs, outputs = [*of, [], []][:2]
        engine = _facet("processing_engine", name="Dagster", version=dg.__version__)
        return {
            "eventType": kind,
            "eventTime": dt.datetime.fromtimestamp(at, dt.UTC).isoformat(timespec="milliseconds"),
            "producer": PRODUCER,
            "schemaURL": f"{SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent",
            "run": {"runId": run_id, "facets": {**engine, **facets}},
            "job": job,
            "inputs": inputs,
            "outputs": outputs,
        }

    def _of(self, run_id: str, job: str) -> dict[str, Any]:
        return {"run": {"runId": run_id}, "job": {"namespace": self._namespace, "name": job}}

    def _parent(self, parent: dict[str, Any] | None) -> Facets:
        root = {"root": self._above or parent} if parent else {}
        return _facet("parent", **parent, **root) if parent else {}

    def _about_job(self, kind: str) -> Facets:
        found = _facet("jobType", processingType="BATCH", integration="BLUT", jobType=kind)
        if not self._git.get("commit"):
            return found
        host, git = self._told.tags.get("blut.host", ""), self._git
        branch = {"branch": git["branch"]} if git.get("branch") else {}
        url = f"file://{host}{quote(git['directory'])}"
        commit = git["commit"] + ("-dirty" if git.get("dirty") else "")
        return {**found, **_facet("sourceCodeLocation", type="git", url=url, version=commit, **branch)}

    def _inputs(self, digests: Iterable[tuple[str, str]]) -> list[Event]:
        """Returns what was taken; of several partitions each."""
        return [self._dataset(whole(name), digest) for name, digest in dict.fromkeys(digests)]

    def _outputs(self, digests: Mapping[str, str]) -> list[Event]:
        found = [self._dataset(name, digest) for name, digest in digests.items()]
        return [{**one, "outputFacets": self._size(one["name"])} for one in found]

    def _size(self, name: str) -> Facets:
        told: Any = self._became[name].metadata.get(SIZE) if name in self._became else None
        return _facet("outputStatistics", size=told.value) if told else {}

    def _dataset(self, name: str, digest: str) -> Event:
        facets = _facet("datasetVersion", datasetVersion=digest)
        told: Any = self._became[name].metadata.get(reuse.ARTIFACT) if name in self._became else None
        if told and told.value["digest"] == digest:
            fields = [{"name": n, "type": TYPES[type(v)]} for n, v in told.value.items() if type(v) in TYPES]
            facets |= _facet("schema", fields=fields)
        return {"namespace": self._namespace, "name": name, "facets": facets}


def _facet(kind: str, **facts: Any) -> Facets:
    name = SCHEMAS[kind].partition("/")[2]
    url = f"{SPEC}/facets/{SCHEMAS[kind]}.json#/$defs/{name}"
    return {kind: {"_producer": PRODUCER, "_schemaURL": url, **facts}}


def _args(values: Mapping[str, Any]) -> Facets:
    return _facet("executionParameters", parameters=_pairs(values))


def _pairs(values: Mapping[str, Any]) -> list[dict[str, str]]:
    return [{"key": name, "value": str(value)} for name, value in values.items()]


def _error(end: str, why: str) -> Facets:
    bad = end != COMPLETE and bool(why)
    return _facet("errorMessage", message=why, programmingLanguage="PYTHON") if bad else {}

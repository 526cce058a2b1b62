"""Collects what a report tells of a run, from the history, the store, the registry and the run's files."""

import json
import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg

from blut_assets.cli.report.pictures import Picture, pictures_of
from blut_assets.cli.run.ancestry import Ancestry
from blut_assets.cli.run.lookup import epochs_of, how_far, made_by
from blut_assets.history.lineage import Lineage
from blut_assets.history.partitions import partition_of_run
from blut_assets.recipes.args import args_of
from blut_assets.recipes.recipe import RECIPE_TAG
from blut_assets.stages import reuse
from blut_assets.terminal.output import numbers
from blut_resources.instance.instance import home_of, store_of
from blut_resources.registry.log import parted
from blut_resources.registry.models import Entry, ModelRegistry, Registration
from blut_resources.registry.verdicts import VERDICT_FILE, PromotionRefused, Verdict, read_verdict
from blut_resources.runs import manifest
from blut_resources.runs.files import manifest_path
from blut_resources.runs.settings import settings_of
from blut_resources.store.artifacts import StoreError
from blut_resources.text import one_line, text_of

SHORT, LOOKED_AT = 12, "looked at"
Values = Mapping[str, Any]


@dataclass(frozen=True)
class ReportedStep:
    """Describes what a run did about one asset.

    Attributes:
        result: in words: computed, reused and from which run, failed and why, not reached.
        seconds: computing took, also where a run before did; None where nobody knows.
        mine: this run computed it.
        peak: bytes of memory at most; None where it was not measured.
        job: by which job of a cluster.
        facts: of its artifact.
    """

    asset: str
    result: str
    digest: str = ""
    seconds: float | None = None
    mine: bool = False
    peak: int | None = None
    epochs: int = 0
    job: str = ""
    facts: Values = field(default_factory=dict)


@dataclass(frozen=True)
class ReportedVerdict:
    """Holds a verdict, and what the registry did with its candidate, oldest first."""

    verdict: Verdict
    digest: str
    history: Sequence[Values]


@dataclass(frozen=True)
class Report:
    """Holds what a report tells.

    Attributes:
        title: the recipe, or what else ran, with its partition; of a model without its run, its name.
        model: the name that was asked for; empty where a run was.
        license: of that, as it was registered.
        standing: the row of the run in the listing of runs; empty where its history is gone.
        newest: the newest epoch of a run that has ended, in words.
        outcome: how it ended by its own manifest.
        data: what was trained on, or where nothing was trained what all was made of.
        curves: the metrics of each epoch, by asset.
        texts: what an asset tells in more than a line.
        lineage: lines, of what the results were made of.
        settings: what it was told.
        commands: to do the same again.
        environment: of its manifest.
        missing: what is not there any more.
    """

    title: str
    model: str = ""
    license: str = ""
    standing: Values = field(default_factory=dict)
    ended: bool = True
    newest: str = ""
    outcome: str = ""
    why: str = ""
    steps: Sequence[ReportedStep] = ()
    checks: Sequence[Values] = ()
    data: Sequence[ReportedStep] = ()
    trained: bool = False
    curves: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)
    pictures: Sequence[Picture] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    judged: Sequence[ReportedVerdict] = ()
    lineage: Sequence[str] = ()
    settings: Values = field(default_factory=dict)
    commands: Sequence[str] = ()
    environment: Values = field(default_factory=dict)
    missing: Sequence[str] = ()


class ReportMaker:
    """Reads the history once for the reports on an instance."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance, self._store = instance, store_of(instance)
        self._registry = ModelRegistry(self._store.root / "registry")
        self._lineage = Lineage(instance)
        self._ancestry = Ancestry(instance, self._store, self._lineage)

    def of_run(
        self,
        run: dg.DagsterRun,
        came_to: Values,
        standing: Values,
        model: str = "",
        record: Registration | Entry | None = None,
    ) -> Report:
        """Returns what is known of a run.

        Args:
            came_to: its results, as `blut results` has them.
            standing: its row, as `blut jobs` has it.
            model: the name by which it was asked for.
            record: what the registry has of that name.
        """
        known, missing = self._manifest(run)
        events = made_by(self._instance, run.run_id)
        steps = self._steps(run, events, came_to["artifacts"], known.get("assets", {}))
        asset, newest = how_far(self._instance, run) if run.is_finished else ("", {})
        curves = epochs_of(self._instance, run.run_id)
        made = {one["digest"]: one["path"] for one in came_to["artifacts"] if one["digest"]}
        # where a gate refused it, the verdict is of the registry alone
        judged, unread = self._judged({**self._verdicts_on(made), **made}.items())
        missing += [
            _no_bytes(one["asset"], one["digest"])
            for one in came_to["artifacts"]
            if one["digest"] and not one["path"]
        ]
        data, trained = self._data(steps, curves, known.get("assets", {}), events)
        return Report(
            title=" ".join(filter(None, [came_to["recipe"], came_to["partition"]])),
            model=model,
            license=getattr(record, "license", ""),
            standing=standing,
            ended=run.is_finished,
            newest=f"{asset} {numbers(newest)}" if asset else "",
            outcome=known.get("outcome") or "",
            why=came_to["why"],
            steps=steps,
            checks=came_to["checks"],
            data=data,
            trained=trained,
            curves=curves,
            pictures=pictures_of(self._instance, events, drawn=curves),
            texts=_texts(events),
            judged=judged,
            lineage=self._lines([step.digest for step in steps if step.digest]),
            settings=_settings(run),
            commands=_commands(run),
            environment={name: known.get(name) for name in ("git", "seed", "python", "hardware", "packages")},
            missing=[*missing, *unread],
        )

    def of_model(self, model: str, record: Registration | Entry) -> Report:
        """Returns what is known of a registered model whose run is in no history here."""
        run = record.run if isinstance(record, Registration) else ""
        whose = f"run {run[:8]}, which registered it" if run else "the run that made it"
        missing = [f"{whose}: not in this history, and with it its args, costs, curves and pictures"]
        places = [(record.verdict, self._path(record.verdict))] if record.verdict else []
        needed = {"the model": record.candidate, "the verdict": record.verdict or ""}
        missing += [_no_bytes(name, one) for name, one in needed.items() if one and not self._path(one)]
        judged, unread = self._judged(places)
        lineage = [*self._ancestry.up(record.candidate), *self._ancestry.run_lines(record.candidate)]
        return Report(
            title=model,
            model=model,
            license=getattr(record, "license", ""),
            judged=judged,
            lineage=lineage,
            missing=[*missing, *unread],
        )

    def _manifest(self, run: dg.DagsterRun) -> tuple[dict[str, Any], list[str]]:
        path = manifest_path(home_of(self._instance), run.run_id)
        try:
            return manifest.read(path), []
        except (OSError, ValueError) as error:
            gone = isinstance(error, FileNotFoundError)
            why = "not there any more" if gone else f"not to be read ({one_line(error)})"
            return {}, [
                f"the run's manifest: {why}, so its machine, its packages and its commit are not known"
            ]

    def _path(self, digest: str) -> str:
        try:
            return str(self._store.open(digest))
        except StoreError:
            return ""

    def _steps(
        self,
        run: dg.DagsterRun,
        events: Mapping[str, reuse.Became],
        artifacts: Sequence[Values],
        noted: Mapping[str, Values],
    ) -> list[ReportedStep]:
        made = {one["asset"]: one for one in artifacts}
        names = dict.fromkeys([*noted, *made, *_planned(self._instance, run.run_id)])
        return [
            _made(name, events[name], made[name], noted.get(name, {}))
            if name in made
            else _unmade(name, noted.get(name, {}), ended=run.is_finished)
            for name in names
        ]

    def _data(
        self,
        steps: Sequence[ReportedStep],
        curves: Mapping[str, Any],
        noted: Mapping[str, Values],
        events: Mapping[str, reuse.Became],
    ) -> tuple[list[ReportedStep], bool]:
        """Returns what the trainings took, up to the sources; without one, the sources."""

        def taken(asset: str) -> Iterable[str]:
            event = events.get(asset)
            return (reuse.inputs_of(event) if event else noted.get(asset, {}).get("inputs", {})).values()

        trained = [step.asset for step in steps if step.asset in curves]
        above = {up for name in trained for one in taken(name) for up in self._lineage.above(one)}
        if trained:
            return [step for step in steps if step.digest in above and step.asset not in trained], True
        return [step for step in steps if step.digest and not [*taken(step.asset)]], False

    def _judged(self, places: Iterable[tuple[str, str]]) -> tuple[list[ReportedVerdict], list[str]]:
        found, missing = [], []
        for digest, path in places:
            if not path or not (Path(path) / VERDICT_FILE).is_file():
                continue
            try:
                verdict = read_verdict(Path(path), digest)
            except PromotionRefused as error:
                missing.append(f"the verdict {digest[:SHORT]}: {error}")
                continue
            found.append(ReportedVerdict(verdict, digest, self._history(verdict)))
        return found, missing

    def _verdicts_on(self, candidates: Collection[str]) -> dict[str, str]:
        records = [r for name in self._registry.names() for r in self._registry.registrations(name)]
        return {r.verdict: self._path(r.verdict) for r in records if r.candidate in candidates}

    def _history(self, verdict: Verdict) -> list[Values]:
        name = parted(verdict.model)[0] if "@" in verdict.model else verdict.model
        entries = self._registry.history(name) if name in self._registry.names() else []
        return [e.model_dump(mode="json") for e in entries if e.candidate == verdict.candidate]

    def _lines(self, digests: Sequence[str]) -> list[str]:
        """Returns what the last results were made of: those of which the run made nothing more."""
        below = {up for one in digests for up in self._lineage.above(one)[1:]}
        last = [one for one in dict.fromkeys(digests) if one not in below]
        return [line for one in last for line in (*self._ancestry.up(one), "")]


def _no_bytes(name: str, digest: str) -> str:
    return f"the bytes of {name}, {digest[:SHORT]}: not in the store any more"


def _planned(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    kind = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
    events = [entry.dagster_event for entry in instance.all_logs(run_id, of_type=kind)]
    return [event.asset_key.to_user_string() for event in events if event and event.asset_key]


def _made(name: str, event: reuse.Became, came_to: Values, noted: Values) -> ReportedStep:
    mine = came_to["result"] == "made"
    word = LOOKED_AT if noted.get("source") else "computed" if mine else came_to["result"]
    if not mine and (origin := reuse.word_of(event, reuse.ORIGIN)):
        whose = f" of {came_to['made_by']}" if came_to["made_by"] else ""
        word = f"reused, as run {origin[:8]}{whose} computed it"
    job, peak = came_to["job"], reuse.number_of(event, reuse.PEAK)
    return ReportedStep(
        asset=name,
        result=word,
        digest=came_to["digest"],
        seconds=reuse.number_of(event, reuse.SECONDS),
        mine=mine,
        peak=int(peak) if peak else None,
        epochs=noted.get("epochs", 0),
        job=" ".join(str(job[one]) for one in reuse.LAUNCHED if job.get(one)),
        facts=came_to["facts"],
    )


def _unmade(name: str, noted: Values, *, ended: bool) -> ReportedStep:
    seconds = noted["ended"] - noted["started"] if {"ended", "started"} <= noted.keys() else None
    if not noted:
        return ReportedStep(name, "not reached" if ended else "still to come")
    if noted["state"] == "failed":
        word = f"failed: {one_line(noted.get('error', 'no reason was recorded'), 300)}"
    else:
        word = "did not end" if ended else "at work"
    return ReportedStep(
        name,
        word,
        seconds=seconds,
        mine=True,
        peak=noted.get("peak_memory_bytes"),
        epochs=noted.get("epochs", 0),
    )


def _texts(events: Mapping[str, reuse.Became]) -> dict[str, str]:
    told = {name: getattr(event.metadata.get(reuse.SUMMARY), "value", None) for name, event in events.items()}
    return {name: text_of(str(value)) for name, value in told.items() if value}


def _settings(run: dg.DagsterRun) -> Values:
    args = args_of(run) if RECIPE_TAG in run.tags else None
    return settings_of(run.run_config, run.tags) if args is None else args


def _commands(run: dg.DagsterRun) -> list[str]:
    """Returns what to type to do it again, and to go on with what ended early; only a recipe has that."""
    recipe, args = run.tags.get(RECIPE_TAG), args_of(run)
    if not recipe or args is None:
        return []
    key = partition_of_run(run.tags)
    words = ["blut", "recipe", "run", recipe, "--args", json.dumps(args, sort_keys=True, default=str)]
    words += ["--partition", str(key)] if key else []
    onward = [f"blut plan resume {run.run_id[:8]}"] if run.is_finished and not run.is_success else []
    return [shlex.join(words), *onward]

"""Runs a stage's payload: waits for its turn, passes on its reports, asks for more memory if it may."""

import base64
import contextlib
import functools
import os
import re
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import Any

import dagster as dg

from blut_assets.stages import reuse
from blut_assets.stages.computing import computing
from blut_assets.stages.enough import Enough
from blut_assets.stages.findings import Findings
from blut_assets.stages.footprints import Kind, peaks_before
from blut_assets.stages.leasing import needs_of
from blut_assets.stages.limits import LimitsConfig
from blut_assets.stages.memory_limit import ChosenLimits, choose
from blut_assets.stages.partitions import partition_of
from blut_assets.stages.recording import RunRecorder
from blut_assets.stages.reported import reported
from blut_assets.stages.spec import StageSpec
from blut_assets.stages.until import Until
from blut_assets.stages.where import Where
from blut_resources.containment.asked import contained
from blut_resources.dagster_private.times import WHEN, keep_own_times
from blut_resources.files.foreign import read_regular
from blut_resources.instance.instance import home_of
from blut_resources.launchers.gate import MOST, a_job_of
from blut_resources.leases.lease import Lease, Needs
from blut_resources.machine import energy
from blut_resources.machine.gpus import DECLARED
from blut_resources.machine.gpus import gpus as gpus_here
from blut_resources.payloads import more_memory
from blut_resources.payloads.admission import TellingWaits, admitted
from blut_resources.payloads.code import UNCOUNTED
from blut_resources.payloads.payload import Payload, PayloadFailed
from blut_resources.payloads.run import run_payload
from blut_resources.runs.metrics import finite
from blut_resources.runs.pace import DOING, TimeLeft
from blut_resources.settings import settings
from blut_resources.text import lines, markdown_cell, one_line

EMBED_LIMIT = 400_000
IMAGE = re.compile(r"image/[\w.+-]+")
EACH_EPOCH = 500
STEP_LOG_S = 10.0
MOVES = "blut_moves"
"""What marks a line of the log that only says how far a payload is."""

Peaks = tuple[list[int], list[int]]
"""What earlier computations took at most, in bytes: those of the same kind, and those alike."""
Running = Generator[dg.AssetObservation, None, dict[str, Any]]


class PayloadRunner:
    """Runs the payloads of one asset in one step, each within its limits.

    Args:
        kind: number of GPUs -> what drives the cost of this computation with so many.
        refuse_lost: raises where another machine has taken over.
    """

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        spec: StageSpec,
        limits: LimitsConfig,
        record: RunRecorder,
        findings: Findings,
        kind: Callable[[int], Kind],
        until: Until,
        refuse_lost: Callable[[], object],
        where: Where,
    ) -> None:
        self.context, self.findings, self._where = context, findings, where
        self._spec, self._limits, self._record, self._kind = spec, limits, record, kind
        self._until, self._refuse_lost = until, refuse_lost
        self._name = spec.key.to_user_string()
        self._quiet_until, self._left, self._doing = 0.0, TimeLeft(), ""

    def run(self, payload: Payload, gpus: int | None, cpus: int | None = None) -> Running:
        """Run a payload within the asset's limits; yields an observation per epoch, returns the facts.

        Raises:
            PayloadFailed: if it did not reach ``done``.
            RetryRequested: if it was killed for lack of memory and a larger limit is allowed.
            NeverFits: if this machine can never give what it needs.
            DeadlinePassed: if the deadline of the run came while it waited for that.
        """
        gpus = self._gpus(gpus)
        peaks = peaks_before(self.context.instance, self._spec.key, self._kind(self.findings.gpus))
        footprint = self._spec.footprint.times(payload.ranks)
        elsewhere = self._where.is_elsewhere
        choice = choose(contained(settings()), self._limits, footprint, peaks, elsewhere)
        if (wanted := more_memory.remembered(self.context)) and wanted > (choice.limits.memory_max or 0):
            limits = replace(choice.limits, memory_max=wanted)
            choice = replace(choice, limits=limits, reason="oom_retry_up_to")
        self._say_chosen(choice)
        config, quota = self._kind(gpus).config, choice.limits.cpus
        env = {} if payload.isolation else os.environ
        computes = computing(footprint, config, env, quota, cpus, payload.ranks)
        if computes.note:
            self.context.log.warning(f"{self._name}: {computes.note}")
        needs = needs_of(footprint, choice.limits.memory_max, gpus, computes.cpus, peaks, elsewhere)
        payload = replace(payload, limits=choice.limits, threads=computes.threads, needs=needs)
        try:
            return (yield from self._once(payload, needs))
        except PayloadFailed as error:
            larger = more_memory.next_size(choice.limits.memory_max, self._limits.ceiling)
            if error.outcome.kind != "oom-kill" or larger is None:
                raise
            failure = dg.Failure(lines(error), error.as_metadata(), allow_retries=False)
            more_memory.ask_again(self.context, self._name, failure, larger)

    def _say_chosen(self, choice: ChosenLimits) -> None:
        """Say where its limits come from, if containment is asked for or declined."""
        if noted := choice.noted():
            self.context.log.info(f"{self._name}: {choice.describe()}")
            self._record.limited(noted)
            self.findings.show(memory_limit_from=choice.reason)

    def _once(self, payload: Payload, needs: Needs) -> Running:
        keep_own_times(self.context.log)
        facts: dict[str, Any] = {}
        shown, kept_back = Shown(), None
        left = self._until.left()
        payload = replace(payload, run=self.context.run.run_id, ends_s=left if isfinite(left) else None)
        admit = self._admit_job if self._where.is_elsewhere else functools.partial(self._admit, needs)
        hear = (self._record.last_words, self._until.words, self._record.is_behind)
        enough = Enough(home_of(self.context.instance), self.context.run, self._name).words
        how = {"refuse_lost": self._refuse_lost, "enough": enough, "launcher": self._where.launcher}
        for event in run_payload(self.context, payload, admit, *hear, **how):
            self._record.payload(event)
            if event["event"] == "epoch":
                kept_back = None if shown.next() else event
                if kept_back is None:
                    yield self._observed(event)
            elif event["event"] == "done":
                facts = event["facts"]
            elif event["event"] == "reported":
                facts = {**reported(self.context, self.findings, payload, event), **facts}
            elif event["event"] == "ended" and kept_back:
                yield self._observed(kept_back)
            self._heed(event)
        return facts

    def _heed(self, event: Mapping[str, Any]) -> None:
        """Say and keep what an event tells of the asset."""
        kind, log, findings = event["event"], self.context.log, self.findings
        if launched := event.get("launched"):
            findings.note_job(launched, ended=kind == "ended")
        if kind == "started" and (held := event.get("isolation")):
            findings.note_isolation(held)
        elif kind == "step":
            self._step(event)
        elif kind == "diverged":
            log.warning(f"{self._name} has diverged: {lines(event['message'])}")
        elif kind == "gpu_starved":
            likely = event.get("likely", "nobody knows why")  # the agent of a job may be an older one
            log.warning(f"{self._name}: GPU {event['gpu']} has next to nothing to do, likely for {likely}")
        elif kind == UNCOUNTED:
            findings.found_uncounted(Path(event["path"]))
        elif kind == "artifact":
            findings.show(**{event["name"]: _picture(Path(event["path"]), event["media_type"])})
        elif kind == "ended":
            peak = max(event["outcome"].peak or 0, findings.shown.get(reuse.PEAK, 0))
            findings.show(**event["enforcement"].shown(), **({reuse.PEAK: peak} if peak else {}))

    def _step(self, event: Mapping[str, Any]) -> None:
        share, at = event.get("share"), event.get("t") or time.time()
        done, total = (event["step"], event.get("of")) if share is None else (share, 1)
        self._left.note(done, total, at)
        doing = str(event["values"].get(DOING, ""))
        if time.monotonic() > self._quiet_until or doing != self._doing:
            self._quiet_until, self._doing = time.monotonic() + STEP_LOG_S, doing
            values = {name: value for name, value in event["values"].items() if name != DOING}
            at = (
                f"{doing}: {_of_all(event)}" if doing and "of" in event else doing or f"step {_of_all(event)}"
            )
            self._tell(at + _left(self._left.seconds()), values)

    def _observed(self, event: Mapping[str, Any]) -> dg.AssetObservation:
        number, metrics = event["epoch"], finite(event["metrics"])
        words = self._tell(f"epoch {number}", metrics)
        when = {WHEN: dg.TimestampMetadataValue(event["t"])} if event.get("t") else {}
        return dg.AssetObservation(
            self.context.asset_key,
            words,
            partition=partition_of(self.context),
            metadata={"epoch": number, **metrics} | {"epoch": number} | when,
        )

    def _tell(self, at: str, values: dict[str, Any]) -> str:
        """Say how far it is; returns that without the name of the asset."""
        words = " ".join(f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in values.items())
        told = f"{at}{': ' if words else ''}{words}"
        self.context.log.info(one_line(f"{self._name}: {told}"), extra={MOVES: True})
        return one_line(told)

    @contextlib.contextmanager
    def _admit(self, needs: Needs) -> Iterator[Lease]:
        context, meanwhile = self.context, self._until.refuse
        with admitted(context, context.run.run_id, self._name, needs, meanwhile) as granted:
            with energy.metered(granted.gpus) as used:
                yield granted
            self.findings.show(**used.added_to(self.findings.shown))

    @contextlib.contextmanager
    def _admit_job(self) -> Iterator[None]:
        """Be one of so many jobs, in place of a lease of this machine."""
        waiting = TellingWaits(self.context, self._name)

        def waits(most: int) -> None:
            jobs = "the only job" if most == 1 else f"one of the {most} jobs"
            waiting.say(f"waiting for {jobs} that {self._where.name} gets from here (${MOST})")
            self._until.refuse()

        with a_job_of(self._where.name, waits):
            waiting.say("")
            yield

    def _gpus(self, asked: int | None) -> int:
        """Returns how many GPUs it gets, and notes that: they drive what it takes."""
        declared = self._spec.footprint.gpus
        gpus = asked if asked is not None else self._any_gpu() if declared == "any" else declared
        self.findings.gpus = max(self.findings.gpus, gpus)
        return gpus

    def _any_gpu(self) -> int:
        """Returns one GPU, where there is one; a payload sees none that it has not leased."""
        if (elsewhere := self._where.any_gpu()) is not None:
            return elsewhere
        there = gpus_here()
        if not there.found:
            reason = f"{there.reason}; ${DECLARED} can declare what NVML does not know"
            self.context.log.info(f"{self._name}: runs without a GPU ({reason})")
        return min(1, len(there.found))


class Shown:
    """Chooses the epochs Dagster is told of:
    each of the first, then one in a hundredth of those there were.

    A point more would not be seen in a plot, and each is a row of the history and stays in memory; the table
    of metrics has them all.
    """

    def __init__(self) -> None:
        self._seen, self._due = 0, 1

    def next(self) -> bool:
        """Says whether the next one is told."""
        self._seen += 1
        if self._seen < self._due:
            return False
        self._due = self._seen + max(1, (self._seen - EACH_EPOCH) // 100)
        return True


def _of_all(step: Mapping[str, Any]) -> str:
    return f"{step['step']}/{step['of']}" if "of" in step else str(step["step"])


def _left(seconds: float | None) -> str:
    if seconds is None:
        return ""
    unit, name = next((u, n) for u, n in ((3600, "h"), (60, "min"), (1, "s")) if seconds >= 2 * u or u == 1)
    return f", {seconds / unit:.0f} {name} left"


def _picture(path: Path, media_type: str) -> dg.MetadataValue:
    """Returns markdown with a data URI, which is shown as a picture: Dagster has no image metadata."""
    data = b""
    if IMAGE.fullmatch(media_type):
        with contextlib.suppress(OSError):
            data = read_regular(path, EMBED_LIMIT)
    if not data:
        return dg.MetadataValue.text(f"{one_line(path.name)}, in the artifact")
    shown = base64.b64encode(data).decode()
    return dg.MetadataValue.md(f"![{markdown_cell(path.stem, 100)}](data:{media_type};base64,{shown})")

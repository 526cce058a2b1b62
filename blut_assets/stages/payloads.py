"""Runs a stage's payload: waits for its turn, passes on its reports, gives it more memory if told to."""

import base64
import contextlib
import functools
import os
import re
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from blut_assets.stages import reuse
from blut_assets.stages.footprints import peaks_before
from blut_resources.containment.limits import Limits, parse_size
from blut_resources.containment.unit import Enforcement
from blut_resources.files.durable import remove_tree
from blut_resources.files.foreign import read_regular
from blut_resources.leases.lease import Lease, Needs, estimate, lease
from blut_resources.machine import energy
from blut_resources.machine import memory as machine
from blut_resources.machine.gpus import DECLARED
from blut_resources.machine.gpus import gpus as gpus_here
from blut_resources.machine.memory import size_text
from blut_resources.payloads.code import UNCOUNTED
from blut_resources.payloads.run import Payload, PayloadFailed, run_payload
from blut_resources.runs.metrics import finite
from blut_resources.text import lines, markdown_cell, one_line

if TYPE_CHECKING:
    from blut_assets.stages.stage import Stage

EMBED_LIMIT = 400_000
IMAGE = re.compile(r"image/[\w.+-]+")
EACH_EPOCH = 500
STEP_LOG_S = 10.0
WAITING_TAG = "blut/waiting"
MOVES = "blut_moves"
"""What marks a line of the log that only says how far a payload is."""

Running = Generator[dg.AssetObservation, None, dict[str, Any]]


def run(stage: "Stage", payload: Payload, gpus: int | None) -> Running:
    """Run a payload within the stage's limits; yields an observation per epoch, returns the facts.

    Raises:
        PayloadFailed: if it did not reach ``done``; after an out-of-memory kill only where no larger limit
            is allowed.
        NeverFits: if this machine can never give what it needs.
    """
    limits = stage.limits.resolve(stage.spec.footprint.limits)
    there = set(payload.out.iterdir()) if payload.out.is_dir() else set()
    while True:
        try:
            return (yield from _once(stage, replace(payload, limits=limits), gpus))
        except PayloadFailed as error:
            larger = stage.limits.next_size_up(limits) if error.outcome.kind == "oom-kill" else None
            if larger is None or larger.memory_max is None:
                raise
            stage.context.log.warning(f"{error}\n{stage.name}: again, with {size_text(larger.memory_max)}")
            limits = larger
            for half_written in set(payload.out.iterdir()) - there:
                remove_tree(half_written)


def _once(stage: "Stage", payload: Payload, gpus: int | None) -> Running:
    facts: dict[str, Any] = {}
    quiet_until = 0.0
    shown, kept_back = Shown(), None
    admit = functools.partial(_admit, stage, payload.limits, gpus)
    for event in run_payload(stage.context, payload, admit, stage.record.last_words):
        stage.record.payload(event)
        if event["event"] == "started" and (held := event.get("isolation")):
            stage.note_isolation(held)
        if event["event"] == "epoch":
            kept_back = None if shown.next() else event
            if kept_back is None:
                yield _observed(stage, event)
        elif event["event"] == "step" and time.monotonic() > quiet_until:
            quiet_until = time.monotonic() + STEP_LOG_S
            _tell(stage, "step", _of_all(event), event["values"])
        elif event["event"] == "diverged":
            stage.context.log.warning(f"{stage.name} has diverged: {lines(event['message'])}")
        elif event["event"] == "gpu_starved":
            stage.context.log.warning(f"{stage.name}: GPU {event['gpu']} has next to nothing to do")
        elif event["event"] == UNCOUNTED:
            stage.found_uncounted(Path(event["path"]))
        elif event["event"] == "artifact":
            stage.show(**{event["name"]: _picture(Path(event["path"]), event["media_type"])})
        elif event["event"] == "done":
            facts = event["facts"]
        elif event["event"] == "ended":
            if kept_back:
                yield _observed(stage, kept_back)
            peak = max(event["outcome"].peak or 0, stage.shown.get(reuse.PEAK, 0))
            stage.show(**_held_by(event["enforcement"]), **({reuse.PEAK: peak} if peak else {}))
    return facts


class Shown:
    """Which epochs Dagster is told of: each of the first, then one in a hundredth of those there were.

    A point more would not be seen in a plot, and each is a row of the history and stays in memory; the table
    of metrics has them all.
    """

    def __init__(self) -> None:
        self._seen, self._due = 0, 1

    def next(self) -> bool:
        """Whether the next one is told."""
        self._seen += 1
        if self._seen < self._due:
            return False
        self._due = self._seen + max(1, (self._seen - EACH_EPOCH) // 100)
        return True


def _observed(stage: "Stage", event: Mapping[str, Any]) -> dg.AssetObservation:
    number, metrics = event["epoch"], finite(event["metrics"])
    _tell(stage, "epoch", number, metrics)
    return dg.AssetObservation(stage.spec.key, metadata={"epoch": number, **metrics} | {"epoch": number})


def _held_by(enforcement: Enforcement) -> dict[str, Any]:
    """Why stronger ways were passed over is worth a line only where the tree is not held."""
    shown = enforcement.as_metadata()
    return {k: v for k, v in shown.items() if not (enforcement.contained and k == "containment_reason")}


def _of_all(step: dict[str, Any]) -> str:
    return f"{step['step']}/{step['of']}" if "of" in step else str(step["step"])


def _tell(stage: "Stage", unit: str, number: Any, values: dict[str, Any]) -> None:
    words = " ".join(f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in values.items())
    line = one_line(f"{stage.name}: {unit} {number}{': ' if words else ''}{words}")
    stage.context.log.info(line, extra={MOVES: True})


@contextlib.contextmanager
def _admit(stage: "Stage", limits: Limits, gpus: int | None) -> Iterator[Lease]:
    """Queue for what the payload needs: its limit, else what its kind took before, else what was declared."""
    footprint, context = stage.spec.footprint, stage.context
    declared = parse_size(footprint.memory, "footprint.memory") if footprint.memory else None
    if gpus is None:
        gpus = _any_gpu(stage) if footprint.gpus == "any" else footprint.gpus
    stage.gpus = max(stage.gpus, gpus)
    same, alike = peaks_before(context.instance, stage.spec.key, stage.kind(stage.gpus))
    memory = estimate(declared, same, limits.memory_max, alike)
    if (same or alike) and not limits.memory_max:
        # the kernel counts cached files in: what ran here before must not be said to fit never again
        memory = min(memory, machine.memory().budget)
    needs = Needs(
        memory=memory,
        gpus=gpus,
        vram=parse_size(footprint.vram, "footprint.vram") if footprint.vram and gpus else 0,
    )

    waited_since: list[float] = []

    def say(text: str) -> None:
        waited_since.append(time.monotonic())
        context.log.info(f"{stage.name}: {text}")
        context.instance.add_run_tags(context.run.run_id, {WAITING_TAG: text})

    holder = {"run": context.run.run_id, "asset": stage.name, "pid": str(os.getpid())}
    with lease(needs, holder=holder, on_wait=say) as granted:
        if waited_since:  # a tag cannot be taken off
            waited = f"no more, after {time.monotonic() - waited_since[0]:.0f} s"
            context.instance.add_run_tags(context.run.run_id, {WAITING_TAG: waited})
        with energy.metered(granted.gpus) as used:
            yield granted
        stage.show(**used.added_to(stage.shown))


def _any_gpu(stage: "Stage") -> int:
    """One, where there is one; a payload sees none that it has not leased."""
    there = gpus_here()
    if not there.found:
        reason = f"{there.reason}; ${DECLARED} can declare what NVML does not know"
        stage.context.log.info(f"{stage.name}: runs without a GPU ({reason})")
    return min(1, len(there.found))


def _picture(path: Path, media_type: str) -> dg.MetadataValue:
    """Dagster has no image metadata; markdown with a data URI is shown as a picture."""
    data = b""
    if IMAGE.fullmatch(media_type):
        with contextlib.suppress(OSError):
            data = read_regular(path, EMBED_LIMIT)
    if not data:
        return dg.MetadataValue.text(f"{one_line(path.name)}, in the artifact")
    shown = base64.b64encode(data).decode()
    return dg.MetadataValue.md(f"![{markdown_cell(path.stem, 100)}](data:{media_type};base64,{shown})")

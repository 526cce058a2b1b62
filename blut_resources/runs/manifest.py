"""Writes the manifest of a run: what ran, of what, on what, and how it ended;
``manifest.json`` of its directory.

It is written when a run starts, and once more when it has ended, by the run itself or by whoever finds it
dead. In between, and for the second time, it is what was written first and what the events say since.
"""

import contextlib
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from blut_resources.containment.asked import CONTAINED
from blut_resources.files import reserve
from blut_resources.files.documents import DocumentError, read_json
from blut_resources.files.durable import StoreError, write_atomic
from blut_resources.files.full import CAUSE
from blut_resources.files.here import here
from blut_resources.files.private import user_name
from blut_resources.machine import processes
from blut_resources.runs import heartbeat, status
from blut_resources.runs.deadline import WORD, uptime
from blut_resources.runs.files import STATUS, manifest_path, status_path
from blut_resources.runs.intent import RECIPE_TAG, experiment_of, intent_of, seed_of
from blut_resources.runs.settings import settings_of
from blut_resources.settings import settings

SCHEMA = "blut.run_manifest.v1"
LOOK_S = 30.0
"""How long an end waits for git."""
CAUSES = {
    "diverged": "diverged",
    "oom-kill": "oom",
    "timeout": "timeout",
    CAUSE: "full disk",
    WORD: WORD,
    "DagsterExecutionInterruptedError": "cancelled",  # by Ctrl-C: for Dagster, a failure
    "GeneratorExit": "cancelled",  # the same, while Dagster had an event of the asset in hand
}
"""Ends of a step that are the outcome of its run."""
FULL = CAUSES[CAUSE]
STATES = {"asset_started": "running", "asset_reused": "reused", "asset_finished": "computed"}
_looking: dict[str, "_Look"] = {}


def read(path: Path) -> dict[str, Any]:
    """Returns the manifest of a run;
    of one that has not ended, as far as it has come, with ``outcome`` None.

    Raises:
        FileNotFoundError: there is none.
        DocumentError: it is damaged; the message names it.
    """
    known = read_json(Path(path).read_bytes(), str(path))
    if not isinstance(known, dict) or "outcome" not in known:
        raise DocumentError(f"{path}: no manifest of a run; delete it, the run's events are in {STATUS}")
    if known["outcome"]:
        return known
    return _joined(known, folded(status.read(Path(path).with_name(STATUS))))


def begin(home: Path, run: Any, history: str, worker: int | None = None) -> None:
    """Write down what is known of a `dagster.DagsterRun` that starts.

    Args:
        history: names the history that knows the run.
        worker: the pid of its process, where that is not this one.
    """
    path = manifest_path(home, run.run_id)
    if path.exists():
        return
    asked = {"contained": settings().get(CONTAINED) or None}
    argv = processes.read(f"/proc/{worker}/cmdline").split("\0")[:-1] if worker else sys.orig_argv
    who = {"user": user_name(os.geteuid()), "host": socket.gethostname()}
    where = {**asked, **who, "argv": argv, "cwd": str(here()), "pid": worker or os.getpid()}
    known = {**_about(run), **where, "history": history, "started": round(time.time(), 3)}
    known |= {"boot": processes.boot_id(), "started_uptime": round(uptime(), 3)}
    with contextlib.suppress(OSError, StoreError):  # no reason to end a run
        write_atomic(path, _encoded(known), durable=False)
        reserve.keep(path.parent)
    _say(home, run.run_id, "run_started", intent=known["intent"], experiment=known["experiment"])
    look_around(home, run.run_id)


def look_around(home: Path, run_id: str) -> None:
    """Find out, once in this process, what the run runs on; it takes a moment and delays nothing."""
    if run_id not in _looking:
        _looking[run_id] = _Look(home, run_id)


def looked_around(run_id: str) -> None:
    """Wait until that has been found out, and note it in the stream of the run, which survives a crash."""
    if run_id in _looking:
        _looking[run_id].note()


class _Look:
    """Looks around in a thread of its own.

    It is noted in the stream when a payload starts: of a run without one, the manifest alone has it.
    """

    def __init__(self, home: Path, run_id: str) -> None:
        self._home, self._run_id, self._noted = home, run_id, False
        self.found: dict[str, Any] = {}
        # not waited for at the end: it imports, and an interrupt may have left a lock of imports to nobody
        self._thread = threading.Thread(target=self._look, name="blut-environment", daemon=True)
        self._thread.start()

    def _look(self) -> None:
        from blut_resources.machine.environment import environment

        self.found = environment()

    def wait(self) -> dict[str, Any]:
        self._thread.join(LOOK_S)
        return self.found

    def note(self) -> None:
        if self.wait() and not self._noted:
            self._noted = True
            _say(self._home, self._run_id, "environment", **self.found)


def complete(home: Path, run: Any, outcome: str, by: str) -> None:
    """Write the end into the manifest of a `dagster.DagsterRun`, unless it has one.

    Args:
        outcome: ``succeeded``, ``failed``, ``cancelled``, or ``killed`` if nobody saw the end; one whose
            process has left that there was no room for its end failed by that.
        by: who says so, ``run`` or ``another process``.
    """
    path = manifest_path(home, run.run_id)
    reserve.drop(path.parent)
    known = _known(path) or {**_about(run), "started": None}
    if known["outcome"]:
        heartbeat.drop(path.parent)
        return
    looked = _looking[run.run_id].wait() if run.run_id in _looking else {}
    events = list(status.read(status_path(home, run.run_id)))
    found = folded(events) | looked
    ended = events[-1]["t"] if events and by != "run" else round(time.time(), 3)
    beat = heartbeat.last(path.parent, known.get("boot")) if by != "run" else None
    ended, seconds = _lived(known, ended, *beat) if beat else (ended, _took(known, ended, by))
    heartbeat.drop(path.parent)
    if outcome in ("failed", "killed"):
        full = reserve.was_needed(path.parent)  # what failed then may be in no event
        cause = FULL if full else _cause(found["assets"])
        outcome = cause if cause and (outcome == "failed" or cause == FULL) else outcome
    end = {"outcome": outcome, "ended": ended, "seconds": seconds, "completed_by": by}
    computed = any(asset["state"] == "computed" for asset in found["assets"].values())
    with contextlib.suppress(OSError, StoreError):
        write_atomic(path, _encoded({**_joined(known, found), **end}), durable=computed)
    _say(home, run.run_id, "run_ended", outcome=outcome, by=by)


def _took(known: Mapping[str, Any], ended: float, by: str) -> float | None:
    """Returns how long a run took, also where the time of day was set meanwhile.

    Whoever finds it dead knows only until when it spoke, and that it was not longer than until now.
    """
    told = max(0.0, ended - known["started"]) if known["started"] else None
    if known.get("boot") != processes.boot_id():
        return told
    passed = round(uptime() - known["started_uptime"], 3)
    return passed if by == "run" or told is None else min(told, passed)


def _lived(known: Mapping[str, Any], spoke: float, lived: float, at: float) -> tuple[float, float]:
    """Returns when a run that was found dead ended, and how long it took, by its last beat.

    It may have spoken after that, but not for longer than until the next beat was due.

    Args:
        spoke: when it said its last word, in seconds since 1970.
        lived: uptime at its last beat, in seconds; ``at`` is the time of day then.
    """
    beats, told = lived - known["started_uptime"], spoke - known["started"]
    seconds = max(0.0, min(max(told, beats), beats + heartbeat.BEAT_S))
    return round(max(spoke, at), 3), round(seconds, 3)


def retell(home: Path, run_id: str) -> None:
    """Take into a manifest that has its end what the events of the run have said since."""
    path = manifest_path(home, run_id)
    known = _known(path)
    if known and known["outcome"]:
        found = folded(status.read(status_path(home, run_id)))
        with contextlib.suppress(OSError, StoreError):
            write_atomic(path, _encoded(_joined(known, found)), durable=False)


def folded(events: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns what the events of a run come to."""
    where: dict[str, Any] = {}
    assets: dict[str, dict[str, Any]] = {}
    for event in events:
        facts = {name: event[name] for name in event.keys() - {"t", "kind", "asset", "offset", "lost_before"}}
        if event["kind"] == "environment":
            where = facts
        elif "asset" in event:
            _fold(assets.setdefault(event["asset"], {"state": "running"}), event, facts)
    made = {name: asset["digest"] for name, asset in assets.items() if "digest" in asset}
    taken = {key: digest for asset in assets.values() for key, digest in asset.get("inputs", {}).items()}
    sources = {name: made[name] for name, asset in assets.items() if name in made and asset.get("source")}
    peaks = [asset["peak_memory_bytes"] for asset in assets.values() if "peak_memory_bytes" in asset]
    return {
        **{name: where.get(name) for name in ("git", "python", "packages", "hardware")},
        "inputs": {**{key: digest for key, digest in taken.items() if key not in made}, **sources},
        "artifacts": made,
        "peak_memory_bytes": max(peaks, default=None),
        "assets": assets,
    }


def _fold(asset: dict[str, Any], event: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    kind = event["kind"]
    if kind == "asset_retried":
        asset["retried"] = [*asset.get("retried", ()), {**facts, "t": event["t"]}]
    elif kind in STATES:
        times = {"started": event["t"]} if kind == "asset_started" else {"ended": event["t"]}
        asset |= {**facts, **times, "state": STATES[kind]}
    elif kind == "asset_failed":
        asset |= {**facts, "ended": event["t"], "state": "failed"}
    elif kind == "limited":
        asset["containment"] = facts
    elif kind == "payload_started":
        if "containment" in asset:
            asset["containment"] |= {"held_by": facts.get("containment"), "contained": facts.get("contained")}
        if "launched" in facts:
            asset["launched"] = facts["launched"]
    elif kind == "resumed":
        asset["resumed_from"] = facts
    elif kind == "epoch":
        asset["epochs"] = asset.get("epochs", 0) + 1
    elif kind == "gauge":
        seen = max(facts.get("memory_peak_bytes", 0), facts.get("memory_bytes", 0))
        asset["peak_memory_bytes"] = max(asset.get("peak_memory_bytes", 0), seen)


def _joined(known: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """Join what is known; a seed that nobody has set is a default of the asset that uses it."""
    seeds = [known["seed"], *(seed_of(asset.get("config", {})) for asset in found["assets"].values())]
    return {**known, **found, "seed": next((seed for seed in seeds if seed is not None), None)}


def _cause(assets: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Returns the cause of the first asset that failed."""
    failed = (asset.get("cause", "") for asset in assets.values() if asset["state"] == "failed")
    return CAUSES.get(next(failed, ""))


def _about(run: Any) -> dict[str, Any]:
    """Returns what Dagster knows of a run."""
    config, tags = settings_of(run.run_config, run.tags), run.tags
    selection = sorted(key.to_user_string() for key in run.asset_selection or ())
    return {
        "schema": SCHEMA,
        "run_id": run.run_id,
        "job": run.job_name,
        "recipe": tags.get(RECIPE_TAG),
        "selection": selection,
        "parent_run_id": run.parent_run_id,
        "intent": intent_of(config, tags),
        "experiment": experiment_of("+".join(selection) or run.job_name, config, tags),
        "seed": seed_of(config),
        "config": config,
        "tags": tags,
        "outcome": None,
    }


def _known(path: Path) -> dict[str, Any] | None:
    with contextlib.suppress(OSError, ValueError):
        return read_json(path.read_bytes(), str(path))
    return None


def _say(home: Path, run_id: str, kind: str, **facts: Any) -> None:
    with contextlib.closing(status.Status(status_path(home, run_id))) as events:
        events.write(kind, **facts)


def _encoded(known: Mapping[str, Any]) -> bytes:
    return json.dumps(known, indent=1, default=str).encode() + b"\n"

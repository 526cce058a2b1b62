"""Writes the order by which a payload is started: its frozen JSON, source, environment and limits."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from blut_resources.containment.sandbox.isolation import Isolation
from blut_resources.launchers.base import Order, OrderedJob
from blut_resources.leases.lease import Lease
from blut_resources.payload_kit.session import CONFIG_ENV
from blut_resources.payloads import orphans
from blut_resources.payloads.code import CODE
from blut_resources.payloads.environment import payload_environment, secret_names
from blut_resources.payloads.files import START, TOGETHER
from blut_resources.payloads.isolated import (
    FLAGS,
    clean_environment,
    compiled_for,
    let,
    search_path,
    take_compiled,
)
from blut_resources.payloads.payload import Payload
from blut_resources.payloads.threads import thread_variables

GRACE_S = float(os.environ.get("BLUT_GRACE_S", "10"))
"""Seconds between SIGTERM and SIGKILL: time for a payload to finish its checkpoint."""
CONFIG, HERE = "config.json", "here"


def order_for(payload: Payload, place: Path, bootstrap: Mapping[str, str], lease: Lease | None) -> Order:
    """Write what a payload is to read into its place, and return the order to start it.

    Args:
        bootstrap: variables by which Dagster Pipes finds the messages.
        lease: what was admitted; its GPUs are the only ones that the payload sees.
    """
    if payload.isolation:
        return _isolated(payload, payload.isolation, place, bootstrap, lease)
    # the directory that a command was typed in may be removed, or full, before its last payload starts
    here, config = place / HERE, place / CONFIG
    here.mkdir(exist_ok=True)
    config.write_text(json.dumps({**payload.frozen(), "outside": payload.outside}, indent=1))
    told = payload.files.told(payload.module)
    (place / CODE).write_text(told)
    env = {**payload_environment(os.environ, payload.variables), **bootstrap, CONFIG_ENV: str(config)}
    env["PYTHONPATH"] = os.pathsep.join(json.loads(told)["path"])  # for the processes that it starts
    env |= {**thread_variables(payload.threads, env), **(lease.environment if lease else {})}
    program = [TOGETHER, str(payload.ranks), START] if payload.ranks > 1 else [START]
    return Order(
        command=[sys.executable, "-P", "-u", *program, str(place / CODE), payload.module],
        env=env,
        cwd=here,
        limits=payload.limits,
        place=place,
        name=payload.name,
        grace_s=GRACE_S,
        on_orphan="adopt" if payload.adopt else "kill",
        lease=lease.path if lease else None,
        mark=orphans.mark_of(payload.work),
        job=_job(payload, env),
    )


def _job(payload: Payload, env: Mapping[str, str]) -> OrderedJob:
    """Returns what is told to who starts it on another machine."""
    return OrderedJob(
        module=payload.module,
        fingerprint=payload.fingerprint,
        run=payload.run,
        out=payload.out,
        inputs=payload.inputs,
        needs=payload.needs,
        variables=secret_names(env, payload.variables),
        ends_s=payload.ends_s,
    )


def _isolated(
    payload: Payload, isolation: Isolation, place: Path, bootstrap: Mapping[str, str], lease: Lease | None
) -> Order:
    """Returns the order of a payload that sees nothing but its inputs; what it works in is its own."""
    work, config = place / "work", place / CONFIG
    work.mkdir()
    payload.out.mkdir(parents=True, exist_ok=True)
    (place / "inputs").mkdir()
    own = {"work": str(work), "outside": payload.outside}
    config.write_text(json.dumps({**payload.frozen(), **own}, indent=1))
    path = search_path(payload.files.source(payload.module), place)
    (place / CODE).write_text(payload.files.told(payload.module, path))
    granted = {
        **thread_variables(payload.threads, isolation.variables),
        **(lease.environment if lease else {}),
    }
    data = [Path(file) for file in payload.files.digests]
    kept = payload.compiled and compiled_for(payload.compiled, payload.files.digests)
    cache = take_compiled(kept, work) if kept else {}
    allowed = let(isolation, place, payload.out, [*payload.inputs.values(), *data])
    told = {**isolation.variables, **bootstrap, **granted, **cache, CONFIG_ENV: str(config)}
    env = clean_environment(work, told)
    return Order(
        command=[sys.executable, *FLAGS, START, str(place / CODE), payload.module],
        env=env,
        cwd=work,
        limits=payload.limits,
        place=place,
        name=payload.name,
        grace_s=GRACE_S,
        lease=lease.path if lease else None,
        isolation=allowed.as_spec(lease.gpus if lease else ()) if isolation.sandboxed else None,
        job=_job(payload, env),
    )

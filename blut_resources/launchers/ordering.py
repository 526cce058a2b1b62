"""Says in a file all that a job is to do: what its agent reads, on whatever node it is started."""

import functools
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blut_resources.launchers import node
from blut_resources.launchers.base import Order
from blut_resources.launchers.files import CONFIG, SCHEMA
from blut_resources.launchers.scheduler import memory_of
from blut_resources.machine import wire

if TYPE_CHECKING:
    from blut_resources.launchers.profiles import Profile


def launch_of(order: Order, profile: "Profile") -> dict[str, Any]:
    """Returns all that a job is to do, as its file has it; no secrets."""
    assert order.job
    job, key = order.job, os.urandom(6).hex()
    config = wire.read(order.place / CONFIG) or {}
    out = str(config.get("out", job.out))
    return {
        "schema": SCHEMA,
        "key": key,
        "comment": f"blut:{order.place.parent.parent.parent}:{job.run}:{job.fingerprint}:{key}",
        "module": job.module,
        "fingerprint": job.fingerprint,
        "run": job.run,
        "name": order.name,
        "command": list(order.command),
        "env": {name: value for name, value in order.env.items() if name not in job.variables},
        "passed": list(job.variables),
        "cwd": str(order.cwd),
        "limits": {name: value for name, value in asdict(order.limits).items() if value is not None},
        "grace_s": order.grace_s,
        "isolation": dict(order.isolation) if order.isolation else None,
        "out": out,
        "own_out": not any(Path(out).glob("*")),
        "inputs": {name: str(path) for name, path in job.inputs.items()},
        "root": node.FRAMEWORK,
        "prefixes": sorted({sys.prefix, sys.base_prefix}),
        "commit": _commit(),
        "environment": node.environment(),
        "strict": profile.environment == "strict",
        "memory": memory_of(order, profile),
    }


@functools.cache
def _commit() -> str:
    return node.commit()


def not_shared(order: Order, profile: "Profile") -> str:
    """Says what the nodes do not see; empty if they see all, as far as the profile tells."""
    assert order.job
    if not profile.share:
        return ""
    share = Path(profile.share)
    paths = {"the store": order.place, **{f"input {name}": path for name, path in order.job.inputs.items()}}
    for what, path in paths.items():
        if not path.is_relative_to(share) and not path.resolve().is_relative_to(share.resolve()):
            return f"{what} ({path}) is not below share={share}, so its nodes would not see it"
    return ""

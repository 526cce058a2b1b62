"""Lets a process start when what it needs is free, and says meanwhile, in the run, who is waited for."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator

import dagster as dg

from blut_resources.leases.lease import Lease, Needs, lease

WAITING_TAG = "blut/waiting"


def say_waiting(instance: dg.DagsterInstance, run_id: str, text: str) -> None:
    """Say by a tag of a run what it waits for; a run that is not in the history says nothing."""
    with contextlib.suppress(Exception):  # a function that is called directly has no run
        instance.add_run_tags(run_id, {WAITING_TAG: text})


@contextlib.contextmanager
def admitted(
    context: dg.AssetExecutionContext | dg.OpExecutionContext,
    run_id: str,
    name: str,
    needs: Needs,
    meanwhile: Callable[[], object] = bool,
) -> Iterator[Lease]:
    """Hold what is needed for as long as the block runs; the log and a tag of the run say what is waited for.

    Args:
        meanwhile: called again and again while it waits; what it raises ends the wait.

    Raises:
        NeverFits: this machine can never give that much.
        LeaseError: the directory of the leases cannot be used.
    """
    waited_since: list[float] = []

    def tag(text: str) -> None:
        say_waiting(context.instance, run_id, text)

    def say(text: str) -> None:
        waited_since.append(time.monotonic())
        context.log.info(f"{name}: {text}")
        tag(text)

    holder = {"run": run_id, "asset": name, "pid": str(os.getpid())}
    with lease(needs, holder=holder, on_wait=say, meanwhile=meanwhile) as granted:
        if waited_since:  # a tag cannot be taken off
            tag(f"no more, after {time.monotonic() - waited_since[0]:.0f} s")
        yield granted

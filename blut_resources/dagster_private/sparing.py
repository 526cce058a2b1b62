"""Runs a job in this process without what Dagster does more than once for it."""

import contextlib
from collections.abc import Iterator
from typing import Any

import dagster as dg

from blut_resources.dagster_private.inputs_known import inputs_known
from blut_resources.dagster_private.resolving import resolved_once


@contextlib.contextmanager
def spared(instance: dg.DagsterInstance) -> Iterator[None]:
    """Let a run inside the block cost less; what is kept of it is the same.

    Its config is resolved once. Where its events go into files, they are written a few at a time, and its
    steps know what it has stored itself.
    """
    log: Any = instance.event_log_storage
    with contextlib.ExitStack() as held:
        held.enter_context(resolved_once())
        if hasattr(log, "together"):
            held.enter_context(inputs_known(held.enter_context(log.together())))
        yield

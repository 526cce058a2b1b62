"""Chooses where the events of a run in this process are logged, and reads what such a record says."""

import contextlib
import logging
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
from dagster._core.execution import context_creation_job

from blut_resources.dagster_private.names import RECORD


@contextlib.contextmanager
def console_goes_to(handler: logging.Handler) -> Iterator[None]:
    """Let the runs inside the block report to ``handler``, and nowhere else on the terminal.

    A job's own loggers are used only where its run config names them, and a recipe's has no place for that;
    and Dagster's default ones come from a function whose name is looked up in one module. When it changes,
    look at where ``dagster._core.execution.context_creation_job`` calls ``default_system_loggers``.
    """

    @dg.logger
    def console(_: dg.InitLoggerContext) -> logging.Logger:
        own = logging.Logger("blut")
        own.addHandler(handler)
        return own

    place: Any = context_creation_job
    before = place.default_system_loggers
    place.default_system_loggers = lambda *_: [(console, {})]
    try:
        yield
    finally:
        place.default_system_loggers = before


def said_in(record: logging.LogRecord) -> Mapping[str, Any]:
    """Returns what Dagster has put into a record: ``dagster_event`` and ``orig_message`` among others.

    Its documentation shows them in its own loggers' output only. When it changes, look at
    ``DagsterLogRecordMetadata`` in ``dagster._core.log_manager``.
    """
    return getattr(record, RECORD, {})

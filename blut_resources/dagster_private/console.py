"""Chooses where the events of a run in this process are logged, and reads what such a record says."""

import contextlib
import logging
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from blut_resources.dagster_private.names import RECORD


@contextlib.contextmanager
def console_goes_to(handler: logging.Handler) -> Iterator[None]:
    """Let the runs inside the block report to ``handler``, and nowhere else on the terminal.

    A job's own loggers are used only where its run config names them, and the UI would show that config, and
    run it again. So Dagster's default logger, which is public, gets another function for the time being.
    When it changes, look at ``default_system_loggers`` in ``dagster._loggers``.
    """
    own = logging.Logger("blut")
    own.addHandler(handler)
    default: Any = dg.colored_console_logger
    before = default._logger_fn
    default._logger_fn = lambda _: own
    try:
        yield
    finally:
        default._logger_fn = before


def said_in(record: logging.LogRecord) -> Mapping[str, Any]:
    """Returns what Dagster has put into a record: ``dagster_event`` and ``orig_message`` among others.

    Its documentation shows them in its own loggers' output only. When it changes, look at
    ``DagsterLogRecordMetadata`` in ``dagster._core.log_manager``.
    """
    return getattr(record, RECORD, {})

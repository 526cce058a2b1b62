"""Says whether a step runs in the process of its run, or in one that another process has started for it.

Public API does not tell. Look at ``for_inner_plan`` of ``RetryMode``, which every executor that gives a step
to another process passes on; at ``dagster._core.executor.child_process_executor``, whose children belong to
the process that started them; and at the command ``dagster api execute_step``.
"""

import multiprocessing
import sys
from collections.abc import Collection
from typing import Any

import dagster as dg

CHILDREN = "dagster._core.executor.child_process_executor"
COMMAND = "execute_step"


def runs_for_another(context: dg.AssetExecutionContext) -> bool:
    """Says whether the process of the run is another one."""
    step: Any = context.get_step_execution_context()
    return step.retry_mode.deferred or worker() is not None or COMMAND in sys.argv


def assets_of_run(context: dg.AssetExecutionContext) -> Collection[dg.AssetKey]:
    """Returns what the run of a step is to make, where public API tells it of the step only.

    Look at ``executable_asset_keys`` of ``AssetGraph``.
    """
    layer: Any = context.job_def.asset_layer
    return layer.executable_asset_keys


def worker() -> int | None:
    """Returns the pid of the process of the run whose child this is; None where it is no such child."""
    parent, own = multiprocessing.parent_process(), multiprocessing.current_process()
    started = getattr(getattr(own, "_target", None), "__module__", "")
    return parent.pid if parent is not None and started == CHILDREN else None

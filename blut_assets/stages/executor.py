"""Decides where the steps of a run are executed: in its process, unless its config asks for one each."""

from typing import Any

import dagster as dg

STOCK = dg.multi_or_in_process_executor
IN_PROCESS: dict[str, Any] = {"in_process": {}}
EXECUTION = "execution"
"""Beside the args of a recipe, what Dagster calls by that name in the config of every job."""


@dg.executor(
    name="in_process_or_multiprocess",
    config_schema=dg.Field(STOCK.config_schema.config_type, default_value=IN_PROCESS),
    requirements=STOCK.get_requirements,
)
def in_process_or_multiprocess(init_context: dg.InitExecutorContext) -> Any:
    """Returns Dagster's own choice of executors, but in one process where nothing is said.

    Training has its own process anyway, and a step in this one costs 0.06 s instead of 3 s.
    """
    create = STOCK.executor_creation_fn
    assert create is not None
    return create(init_context)

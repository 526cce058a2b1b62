"""The chain of `tests.contained` with a process for each step."""

import dagster as dg

from tests.contained import CHAIN, RESOURCES

defs = dg.Definitions(assets=CHAIN, resources=RESOURCES, executor=dg.multiprocess_executor)

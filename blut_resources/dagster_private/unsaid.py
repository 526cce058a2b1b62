"""Hands the value of an asset on without storing a materialization of it.

To Dagster, whatever an asset returns is a new version: freshness is renewed, and who listens is told. Public
API has no other result that has a value for the assets below. When Dagster changes, look at
``_log_materialization_or_observation_events_for_asset`` in ``dagster._core.execution.plan.execute_step``,
which stores nothing of an output with this metadata.
"""

from typing import Any

import dagster as dg

from blut_resources.dagster_private.names import OBSERVED


def unsaid(value: Any) -> dg.MaterializeResult[Any]:
    """Returns what an asset yields to hand a value on; what became of the asset is for an observation."""
    return dg.MaterializeResult(value=value, metadata={OBSERVED: True})

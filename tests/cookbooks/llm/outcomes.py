"""What became of a materialization: the metadata of what it made, or why it failed."""

from typing import Any

import dagster as dg


def metadata(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, Any]]:
    """Of each asset, by its name."""
    return {
        event.asset_key.path[-1]: {k: v.value for k, v in event.materialization.metadata.items()}
        for event in result.get_asset_materialization_events()
        if event.asset_key
    }


def failure(result: dg.ExecuteInProcessResult) -> str:
    """What the one step that failed says."""
    (event,) = [e for e in result.all_events if e.is_step_failure]
    data: Any = event.event_specific_data
    return data.user_failure_data.description or data.error.message

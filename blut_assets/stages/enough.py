"""Says whether a training has had what its run is given for it, or was given up for others."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from blut_resources.runs.pruning import BUDGET_TAG, budget_of, pruned_for


class Enough:
    """Looks at the budget that the tags of a run give the training of one asset, and at who gives it up."""

    def __init__(self, home: Path, run: dg.DagsterRun, name: str) -> None:
        self._home, self._run_id = home, run.run_id
        self._budget = budget_of(run.tags.get(BUDGET_TAG, ""), name)

    def words(self, event: Mapping[str, Any]) -> str:
        """Returns why it is to end now, with a checkpoint; empty where it is not.

        Args:
            event: of its last epoch; empty where it has said nothing new.
        """
        if self._budget is not None and event.get("epoch", -1) >= self._budget:
            return f"paused, for the {self._budget} epochs are over that its trial was given"
        why = pruned_for(self._home, self._run_id)
        return f"given up: {why}" if why else ""

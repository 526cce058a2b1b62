"""Decides whether a run that failed is worth another one: the deployment's ``run_retries`` asks its tags."""

import contextlib
import functools
import warnings
from collections.abc import Callable
from typing import Any

import dagster as dg

from blut_assets.deployment import deployed
from blut_resources.dagster_private.names import RETRY_ON_FAILURE_TAG

HOPELESS_TAG = "blut/not_retried"
"""The run that would end the same way again; a run that re-executes it inherits the tag, not the end."""


def note_failure(instance: dg.DagsterInstance, run_id: str, *, hopeless: bool) -> None:
    """Tell a deployment that retries runs whether this one, of which a step fails now, may pass later."""
    with contextlib.suppress(Exception):  # where nothing can be written, why the step failed is worth more
        if hopeless:
            instance.add_run_tags(run_id, {RETRY_ON_FAILURE_TAG: "false", HOPELESS_TAG: run_id})
            return
        run = instance.get_run_by_id(run_id)
        if run and run.tags.get(HOPELESS_TAG, run_id) != run_id:
            again = instance.run_retries_retry_on_asset_or_op_failure
            instance.add_run_tags(run_id, {RETRY_ON_FAILURE_TAG: str(again).lower()})


def gate_check(
    *, asset: Any, name: str, description: str | None = None
) -> Callable[[Callable[..., dg.AssetCheckResult]], dg.AssetChecksDefinition]:
    """Declare a check that stops a run, and that no retry of the run changes: its asset would be reused.

    Args:
        asset: what is judged.
        name: of the check.
        description: for the UI; the docstring of the function if not given.
    """

    def declare(function: Callable[..., dg.AssetCheckResult]) -> dg.AssetChecksDefinition:
        @functools.wraps(function)
        def check(context: dg.AssetCheckExecutionContext, *args: Any, **inputs: Any) -> dg.AssetCheckResult:
            with deployed(context):
                result = function(context, *args, **inputs)
            if not result.passed:
                note_failure(context.instance, context.run.run_id, hopeless=True)
            return result

        return check_beside(asset, check, blocking=True, name=name, description=description)

    return declare


def check_beside(
    asset: Any, function: Callable[..., dg.AssetCheckResult], **options: Any
) -> dg.AssetChecksDefinition:
    """Declare a check that judges the partition of its run, where the asset has partitions.

    Args:
        asset: what is judged.
        function: of the check.
        options: of ``dg.asset_check``.
    """
    parted = getattr(asset, "partitions_def", None)
    if parted is not None:
        options["partitions_def"] = parted
    with warnings.catch_warnings():
        # Dagster calls partitions of checks a preview, which whoever loads a cookbook can do nothing about
        warnings.filterwarnings("ignore", "Specifying a partitions_def on an AssetCheckSpec")
        return dg.asset_check(asset=asset, **options)(function)

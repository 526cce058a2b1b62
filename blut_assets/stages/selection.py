"""Refuses a run's selection of assets, where it must, before its first step."""

import dagster as dg

from blut_resources.dagster_private.names import ASSET_JOB


def refuse_empty_selection(context: dg.AssetExecutionContext) -> None:
    """Refuse a selection that matches nothing: `dg launch --assets` would run every asset there is.

    Raises:
        Failure: with the remedy, for a run of such a selection.
    """
    if context.run.job_name == ASSET_JOB and not context.run.asset_selection:
        raise dg.Failure(
            "the asset selection matched nothing, and Dagster would then run everything: check its spelling"
            " with `dg list defs`, or select '*' to mean all",
            allow_retries=False,
        )

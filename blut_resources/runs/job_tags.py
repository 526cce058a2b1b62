"""Puts on a run what its job says of its runs, where whoever launched it did not."""

import dagster as dg

from blut_resources.runs.intent import RECIPE_TAG
from blut_resources.runs.settings import outdated


def with_job_tags(context: dg.AssetExecutionContext) -> dg.DagsterRun:
    """Returns the run of a step, to which the tags of its job were added if that is a recipe's.

    The daemon gives none of them to what a condition on a job has launched, and without them nobody knows
    its recipe, nor its args.
    """
    run, said = context.run, context.job_def.run_tags
    if RECIPE_TAG not in said:
        return run
    missing = {name: value for name, value in said.items() if name not in run.tags}
    added = {**missing, **outdated(run.run_config, run.tags, said)}
    if added:
        context.instance.add_run_tags(run.run_id, added)
    return run.with_tags({**run.tags, **added}) if added else run

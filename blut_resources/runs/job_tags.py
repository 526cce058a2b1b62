"""Puts on a run what its job says of its runs, where whoever launched it did not."""

import dagster as dg

from blut_resources.runs.intent import RECIPE_TAG


def with_job_tags(context: dg.AssetExecutionContext) -> dg.DagsterRun:
    """Returns the run of a step, to which the tags of its job were added if that is a recipe's.

    The daemon gives none of them to what a condition on a job has launched, and without them nobody knows
    its recipe, nor its args.
    """
    run, said = context.run, context.job_def.run_tags
    missing = {name: value for name, value in said.items() if name not in run.tags}
    if not missing or RECIPE_TAG not in said:
        return run
    context.instance.add_run_tags(run.run_id, missing)
    return run.with_tags({**run.tags, **missing})

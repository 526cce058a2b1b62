"""``python -m tests.contained_run``: make the chain, in half the time that Dagster's own command takes."""

import sys
import uuid

import dagster as dg

from blut_resources.alive import reap_dead_runs
from blut_resources.holding import launch_here
from blut_resources.instance.instance import open_instance
from tests.contained import CHAIN, RESOURCES

if __name__ == "__main__":
    with open_instance() as instance:
        reap_dead_runs(instance)
        run_id = str(uuid.uuid4())
        launch_here(instance, run_id)
        chain = dg.define_asset_job("chain", dg.AssetSelection.assets(*CHAIN))
        job = dg.Definitions(assets=CHAIN, jobs=[chain], resources=RESOURCES).resolve_job_def("chain")
        done = job.execute_in_process(instance=instance, raise_on_error=False, run_id=run_id)
    sys.exit(0 if done.success else 1)

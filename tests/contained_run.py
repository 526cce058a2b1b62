"""``python -m tests.contained_run``: make the chain, in half the time that Dagster's own command takes."""

import sys

import dagster as dg

from blut_resources.alive import reap_dead_runs
from blut_resources.instance.instance import open_instance
from tests.contained import CHAIN, RESOURCES

if __name__ == "__main__":
    with open_instance() as instance:
        reap_dead_runs(instance)
        done = dg.materialize(CHAIN, resources=RESOURCES, instance=instance, raise_on_error=False)
    sys.exit(0 if done.success else 1)

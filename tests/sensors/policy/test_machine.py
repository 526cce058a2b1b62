"""What a policy sees of the machine: a sweep is at work also between two of its trials."""

from pathlib import Path

import dagster as dg

from blut_assets.sweeps.record import SweepRecord
from blut_assets.testing import blut_instance as blut_instance
from blut_resources.instance.instance import home_of
from sensors.policy.machine import look


def test_a_policy_waits_for_the_end_of_a_sweep(blut_instance: dg.DagsterInstance) -> None:
    home = Path(home_of(blut_instance))
    record = SweepRecord(home, "3fa2000000000000")
    record.write_head({"kind": "sweep"})
    mark = record.lead_here()
    assert "sweep 3fa20000 is at work" in look(blut_instance, "night", with_gpus=False).busy
    mark.remove()
    assert look(blut_instance, "night", with_gpus=False).busy == ""

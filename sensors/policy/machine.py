"""Measures what the machine has to give at this moment, and who is at work on it."""

from collections.abc import Sequence

import dagster as dg

from blut_assets.history.partitions import partition_of_run
from blut_assets.sweeps.record import records
from blut_resources.instance.instance import home_of
from blut_resources.leases.lease import Claim, holders, waiters
from blut_resources.leases.queue import needs_text
from blut_resources.machine.gpus import gpus
from blut_resources.machine.memory import available, memory
from sensors.policy.decide import Machine
from sensors.policy.history import POLICY_TAG

PERSON = "a person goes first"
_STATUS = dg.DagsterRunStatus
AT_WORK = [
    *(_STATUS.QUEUED, _STATUS.NOT_STARTED, _STATUS.STARTING),
    *(_STATUS.STARTED, _STATUS.CANCELING, _STATUS.MANAGED),
]


def look(
    instance: dg.DagsterInstance, name: str, *, with_gpus: bool, partition: str | None = None
) -> Machine:
    """Returns the machine as the policy ``name`` finds it, for one partition if it has several;
    GPUs are asked only if told to, which can take a second.

    Raises:
        LeaseError: if the leases cannot be read.
        ValueError: an environment variable about memory or GPUs makes no sense.
    """
    held, waiting = holders(), waiters()
    budget = memory().budget - sum(claim.needs.memory for claim in held)
    taken = {uuid for claim in held for uuid in claim.gpus}
    there = gpus().found if with_gpus else ()
    return Machine(
        instance=str(home_of(instance)),
        memory_free=max(0, min(available(), budget)),
        gpus_free=tuple(gpu.free for gpu in there if gpu.uuid not in taken),
        busy=_busy(instance, name, partition, [*held, *waiting]),
    )


def _busy(instance: dg.DagsterInstance, name: str, partition: str | None, claims: Sequence[Claim]) -> str:
    """Returns the first run, here or under another instance, that the policy did not start, or that it did
    for another partition.
    """
    for record in records(home_of(instance)):
        if record.leads() == "yes":  # also between two of its trials
            return f"{PERSON}: sweep {record.short} is at work"
    runs = instance.get_runs(dg.RunsFilter(statuses=AT_WORK))
    for run in reversed(runs):
        other = run.tags.get(POLICY_TAG)
        if other != name or partition_of_run(run.tags) != partition:
            first = f"one retraining at a time, the policy {other} goes first" if other else PERSON
            state = run.status.value.lower().replace("_", " ")
            return f"{first}: run {run.run_id[:8]} of {run.job_name} is {state}"
    own = {run.run_id for run in runs}
    for claim in claims:
        needs = claim.needs
        # a permit alone, as for a removal, computes nothing
        computes = needs.cpus or needs.memory or needs.gpus or claim.problem
        if claim.holder.get("run") not in own and computes:
            asset = claim.holder.get("asset", "a program")
            who = f"{asset} (pid {claim.holder.get('pid', '?')})"
            what = needs_text(needs) or "what cannot be read"
            return f"{PERSON}: {who} holds or waits for {what}"
    return ""

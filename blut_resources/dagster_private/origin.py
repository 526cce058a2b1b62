"""Shows a run of a terminal where the UI shows its own."""

import dagster as dg
from dagster._core.remote_origin import ManagedGrpcPythonEnvCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from blut_resources.dagster_private.names import REPOSITORY_LABEL_TAG


def show_under_its_job(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Give a run that names its repository in a tag the origin that the UI's own runs have.

    Without one, neither the timeline nor the page of its job shows it, and public API gives one to the runs
    of the UI only. Look at ``replace_job_origin`` of ``RunStorage``, at ``remote_job_origin`` of
    ``DagsterRun``, and at ``dagster._core.remote_origin``.
    """
    label = run.tags.get(REPOSITORY_LABEL_TAG)
    if not label or run.remote_job_origin is not None:
        return
    repository, _, location = label.partition("@")
    code = ManagedGrpcPythonEnvCodeLocationOrigin(LoadableTargetOrigin(), location)
    origin = RemoteRepositoryOrigin(code, repository).get_job_origin(run.job_name)
    instance.run_storage.replace_job_origin(run, origin)

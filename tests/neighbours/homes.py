"""Homes that somebody else made, or that cannot be written; and one of Blut's own."""

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_origin import ManagedGrpcPythonEnvCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from blut_assets.building import assemble
from blut_assets.discovery import Discovered
from blut_resources.instance.instance import open_instance
from tests.neighbours.toy import cookbook

ANNA = 12345
"""A user who has no other files on this machine."""
OLD_STORAGE = """\
storage:
  custom:
    module: blut_resources.instance_storage
    class: LockedSqliteStorage
    config: {base_dir: {env: DAGSTER_HOME}}
"""
OLD_LOGS = """\
compute_logs:
  module: blut_resources.compute_logs
  class: LocalLogs
  config: {base_dir: {env: DAGSTER_HOME}}
"""
OLD_YAML = f"{OLD_STORAGE}{OLD_LOGS}telemetry: {{enabled: false}}\n"
"""What an older version of Blut wrote."""


@dg.asset
def theirs() -> int:
    """Something of another project's."""
    return 1


@dg.asset(key=["neighbour", "line"])
def same_name() -> int:
    """An asset of theirs whose key is that of one of Blut's."""
    return 1


@dg.op
def fails() -> None:
    raise ValueError("theirs")


@dg.job
def failing() -> None:
    """A job of theirs that fails."""
    fails()


CODE = ManagedGrpcPythonEnvCodeLocationOrigin(LoadableTargetOrigin(module_name="theirs"), "theirs")
JOB = RemoteRepositoryOrigin(CODE, "__repository__").get_job_origin("failing")


def plain(home: Path) -> str:
    """Dagster's own, without a yaml, with one run in it. Returns the run's id."""
    home.mkdir()
    with dg.DagsterInstance.from_config(str(home)) as instance:
        return dg.materialize([theirs], instance=instance).run_id


def with_yaml(home: Path) -> str:
    """The same, whose yaml says what is the default."""
    home.mkdir()
    (home / "dagster.yaml").write_text(f"storage:\n  sqlite:\n    base_dir: {home}\n")
    with dg.DagsterInstance.from_config(str(home)) as instance:
        return dg.materialize([theirs], instance=instance).run_id


def shared(home: Path) -> str:
    """Another project's, with runs that ended, one in a queue and one that waits for its container."""
    home.mkdir()
    (home / "dagster.yaml").write_text("run_monitoring: {enabled: true}\ntelemetry: {enabled: false}\n")
    with dg.DagsterInstance.from_config(str(home)) as instance:
        dg.materialize([theirs, same_name], instance=instance)
        for status in (dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.QUEUED):
            instance.create_run_for_job(failing, status=status, remote_job_origin=JOB)
        return failing.execute_in_process(instance=instance, raise_on_error=False).run_id


def own(home: Path) -> str:
    """One that Blut made, with a result in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(home))
        with open_instance() as instance:
            job = assemble(Discovered([cookbook()])).resolve_job_def("neighbour_line")
            return job.execute_in_process(instance=instance).run_id


def old(home: Path) -> str:
    """One that an older version made."""
    run_id = own(home)
    (home / "dagster.yaml").write_text(OLD_YAML)
    return run_id


def nothing(home: Path) -> str:
    """No home yet."""
    return ""


def unwritable(make: Callable[[Path], str]) -> Callable[[Path], str]:
    """The same, where nobody can write; it is Anna's."""

    def made(home: Path) -> str:
        run_id = make(home)
        for path in [*home.rglob("*"), home]:
            os.chown(path, ANNA, ANNA)
            path.chmod(stat.S_IMODE(path.stat().st_mode) & ~0o222)
        return run_id

    return made


MADE: dict[str, Callable[[Path], str]] = {
    "plain": plain,
    "with a yaml": with_yaml,
    "of another project": shared,
    "own": own,
    "old": old,
    "own, 100%25 odd? [a]": own,
    "read only": unwritable(own),
    "old, read only": unwritable(old),
    "plain, read only": unwritable(plain),
    "of another user": own,
}
BY_ANNA = ("read only", "old, read only", "plain, read only", "of another user")
STOCK = ("plain", "with a yaml", "of another project", "plain, read only")


def copied(home: Path, to: Path) -> None:
    """Copy a home with owners and modes."""
    shutil.copytree(home, to, symlinks=True)
    for path in [home, *home.rglob("*")]:
        state = path.lstat()
        os.chown(to / path.relative_to(home), state.st_uid, state.st_gid, follow_symlinks=False)

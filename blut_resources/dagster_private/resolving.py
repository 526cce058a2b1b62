"""Resolves the config of a run once, where Dagster does so for the plan, the run and its steps anew.

Public API takes a config as it was written only. When Dagster changes, look at ``ResolvedRunConfig.build``
and at who calls it: nobody changes what it returns.
"""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
from dagster._core.system_config.objects import ResolvedRunConfig


@contextlib.contextmanager
def resolved_once() -> Iterator[None]:
    """Let what a job makes of a config be found again inside the block."""
    build, known = ResolvedRunConfig.build, list[tuple[dg.JobDefinition, Any, ResolvedRunConfig]]()

    def found(job_def: dg.JobDefinition, run_config: Mapping[str, object] | None = None) -> ResolvedRunConfig:
        for job, config, resolved in known:
            if job is job_def and config == run_config:
                return resolved
        known.append((job_def, run_config, build(job_def, run_config)))
        return known[-1][2]

    ResolvedRunConfig.build = staticmethod(found)  # type: ignore[method-assign]
    try:
        yield
    finally:
        ResolvedRunConfig.build = staticmethod(build)  # type: ignore[method-assign]

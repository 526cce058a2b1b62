"""Runs Dagster's UI and daemon inside this process.

Public API is the commands `dagster dev`, `dagster-webserver` and `dagster-daemon`, which open a port that
asks nobody who they are. When it changes, look at ``dagster_webserver.cli`` and ``dagster._daemon.cli``:
what they call is called here.
"""

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget, WorkspaceFileTarget
from dagster._daemon.controller import DagsterDaemonController, create_daemons_from_instance
from dagster_webserver import graphql
from dagster_webserver.app import create_app_from_workspace_process_context
from starlette.responses import JSONResponse
from starlette.types import ASGIApp

POLL_RATE_MS = 2000


class AsciiJson(JSONResponse):
    """Answers with JSON in ASCII: names may hold what UTF-8 cannot encode, and the page that shows one must
    come."""

    def render(self, content: Any) -> bytes:
        """Return the body."""
        return json.dumps(content, separators=(",", ":")).encode()


@contextlib.contextmanager
def loaded(
    instance: dg.DagsterInstance, workspace: Sequence[Path], module: str, name: str
) -> Iterator[WorkspaceProcessContext]:
    """Start code servers for the code locations in ``workspace``, or else for ``module``, called ``name``."""
    own = ModuleTarget(module, None, working_directory=None, location_name=name)
    target = WorkspaceFileTarget([str(path) for path in workspace]) if workspace else own
    with WorkspaceProcessContext(instance, target, dg.__version__) as context:
        yield context


def application(context: WorkspaceProcessContext) -> ASGIApp:
    """Returns the web application of the UI, which answers GraphQL in ASCII.

    The class of its answers is looked up by name in ``dagster_webserver.graphql``.
    """
    graphql.JSONResponse = AsciiJson  # pyright: ignore[reportPrivateImportUsage]
    return create_app_from_workspace_process_context(context, live_data_poll_rate=POLL_RATE_MS)


@contextlib.contextmanager
def daemons(context: WorkspaceProcessContext) -> Iterator[DagsterDaemonController]:
    """Run the daemons of an instance in threads; ``check_daemon_threads`` raises if one has ended."""
    with contextlib.ExitStack() as held:
        made = [held.enter_context(daemon) for daemon in create_daemons_from_instance(context.instance)]
        yield held.enter_context(DagsterDaemonController(context, made))

"""Implements `blut ui`: Dagster's UI and daemon, for whoever has the link that it prints."""

from pathlib import Path
from typing import Annotated

import typer

from blut_assets.terminal.lazy import single
from blut_assets.terminal.output import failed

app = single()


@app.command()
def ui(
    port: Annotated[int, typer.Option("--port", "-p", min=0, max=65535, help="0 takes a free one.")] = 3000,
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    host_name: Annotated[
        list[str] | None,
        typer.Option("--host-name", metavar="NAME", help="A name that it has besides localhost."),
    ] = None,
    socket: Annotated[
        Path | None, typer.Option("--socket", help="A Unix socket of yours alone, in place of a port.")
    ] = None,
    workspace: Annotated[
        list[Path] | None,
        typer.Option("--workspace", "-w", exists=True, dir_okay=False, help="A workspace.yaml of Dagster's."),
    ] = None,
) -> None:
    """Serve the UI and run the daemon, until Ctrl-C.

    In a project that loads Blut it serves the code that the project declares, as `dg dev` does.

    Whoever can use the UI can run what you can run. So it is for those who have the printed link: its token
    is new with each start. Other pages in your browser are refused, and so are other names of this machine.
    """
    from blut_resources.instance.instance import open_instance
    from blut_resources.instance.location import declared_here

    try:
        from blut_resources.ui import server
    except ModuleNotFoundError as error:
        failed(f"blut ui needs the extra `ui`: {error.name} is not installed: pip install 'blut[ui]'")
    try:
        listener = server.listen_at(socket) if socket else server.listen(host, port)
    except server.CannotListen as error:
        failed(str(error))
    with open_instance() as instance:
        here = declared_here(instance)
        server.serve(
            instance,
            listener,
            (here.module, here.name),
            workspace or here.workspace,
            host_name or (),
            ready=lambda token: print(f"the UI: {server.link(listener, token)}", flush=True),
        )

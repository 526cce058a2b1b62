"""The thin `blut` command: the same definitions and the same functions as Dagster's own front doors."""

import gc

from blut_resources.startup import without_collector


def main() -> None:
    """Run the command line."""
    with without_collector():
        from blut_assets.cli.app import app
    try:
        app(prog_name="blut")
    finally:
        gc.freeze()  # or the end of the process searches all that is about to go

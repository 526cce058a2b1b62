"""Runs the thin `blut` command: the definitions and the functions are those of Dagster's own front doors."""

import os
import sys

from blut_resources.dagster_private.startup import without_collector
from blut_resources.runs.hang_up import is_interrupt
from blut_resources.screen import be_plain, is_plain


def main() -> None:
    """Run the command line.

    What cannot be read or written is said in a line, with the remedy, and is status 1; where the command's
    own words cannot be written, its status is that of the run that it made, else 1.
    """
    from blut_assets.cli.shell import terminal

    terminal.use()
    if is_plain():
        be_plain()
    try:
        _run()
    except SystemExit as end:
        if not isinstance(end.code, int | None):
            raise
        raise SystemExit(terminal.finish(end.code or 0)) from None
    except BaseException as error:
        if not is_interrupt(type(error)):
            raise
        # a second one, while the first was seen to, or Dagster's, while it asked for a config
        raise SystemExit(terminal.finish(130)) from None


def _run() -> None:
    with without_collector():
        from blut_assets.cli.app import app

    _refuse_nowhere()
    if "_BLUT_COMPLETE" in os.environ:
        from blut_assets.cli.shell import bash

        bash.use()
    try:
        app(_words(), prog_name="blut")
    except Exception as error:
        from blut_assets.chosen import UnknownCookbook
        from blut_assets.terminal.output import failed, wrong
        from blut_resources.files.durable import StoreError, explanation
        from blut_resources.files.full import OF_THE_DISK
        from blut_resources.files.named import PathRefused
        from blut_resources.instance.damage import explained, is_of_database
        from blut_resources.instance.home import find_home
        from blut_resources.machine.amounts import LimitsError

        if isinstance(error, UnknownCookbook | PathRefused | LimitsError):
            wrong(str(error))
        if isinstance(error, StoreError):
            failed(str(error))
        if isinstance(error, OSError) and error.errno in OF_THE_DISK:
            failed(explanation(error, find_home()))
        if not is_of_database(error):
            raise
        failed(str(explained(find_home(), error)))


def _words() -> list[str] | None:
    """Returns the cockpit for `blut` alone on a terminal that can show it; None for the words given."""
    from blut_assets.cli.app import COCKPIT

    if sys.argv[1:] == ["--plain"]:
        return ["--plain", "--help"]
    terminal = all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))  # it draws on the last
    able = (
        terminal
        and not is_plain()
        and os.environ.get("TERM", "dumb") not in ("", "dumb")
        and not os.environ.get("CI")
    )
    return [COCKPIT] if able and len(sys.argv) == 1 and "_BLUT_COMPLETE" not in os.environ else None


def _refuse_nowhere() -> None:
    """End the command where its working directory was removed: nothing counts from there."""
    from blut_resources.files.here import here

    try:
        here()
    except OSError as error:
        from blut_assets.terminal.output import failed

        failed(f"blut: the working directory is gone ({error.strerror}): cd to one that is there")

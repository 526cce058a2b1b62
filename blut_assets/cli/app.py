"""Holds the root of `blut`: where each command is. Mounting one is a line in `COMMANDS`."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any

import typer

from blut_assets.cli.shell.usage import said
from blut_assets.own_packages import scaffolded
from blut_assets.terminal.lazy import PLAIN, lazy_group
from blut_resources.screen import be_plain
from blut_resources.text import one_line

COMMANDS = {
    "init": "blut_assets.cli.commands.init",
    "cookbook": "blut_assets.cli.commands.cookbook",
    "recipe": "blut_assets.cli.commands.recipe",
    "config": "blut_assets.cli.commands.config",
    "sweep": "blut_assets.cli.commands.sweep",
    "hpo": "blut_assets.cli.commands.hpo",
    "plan": "blut_assets.cli.commands.plan",
    "jobs": "blut_assets.cli.commands.jobs",
    "log": "blut_assets.cli.commands.log",
    "cancel": "blut_assets.cli.commands.jobs:cancel",
    "results": "blut_assets.cli.commands.results",
    "report": "blut_assets.cli.commands.report",
    "runs": "blut_assets.cli.commands.runs",
    "lineage": "blut_assets.cli.commands.lineage",
    "stage": "blut_assets.cli.commands.stage",
    "data": "blut_assets.cli.commands.data",
    "model": "blut_assets.cli.commands.model",
    "verdict": "blut_assets.cli.commands.verdict",
    "database": "blut_assets.cli.commands.database",
    "cache": "blut_assets.cli.commands.cache",
    "footprint": "blut_assets.cli.commands.footprint",
    "policy": "blut_assets.cli.commands.policy",
    "alerts": "blut_assets.cli.commands.alerts",
    "auto": "blut_assets.cli.commands.policy:auto",
    "launch": "blut_assets.cli.commands.launch",
    "ui": "blut_assets.cli.commands.ui",
    "tui": "blut_assets.cli.cockpit.command",
    "doctor": "blut_assets.cli.commands.doctor",
}
"""Command -> its module, or ``module:attribute`` of a `typer.Typer` or a function; by default ``app``."""
COCKPIT = "tui"
"""The command that `blut` alone is on a terminal."""


class _Places(Mapping[str, str]):
    """Lists the commands of Blut, and after them those that cookbooks bring, by the catalogue.

    A command of Blut is found without asking the cookbooks, and none of theirs takes its name.
    """

    def __getitem__(self, name: str) -> str:
        return COMMANDS[name] if name in COMMANDS else _brought()[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**COMMANDS, **_brought(in_help=True)})

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _brought(in_help: bool = False) -> Mapping[str, str]:
    """Returns the cookbooks' commands; in help nothing of a cookbook that is not there stops the others."""
    from blut_assets.chosen import UnknownCookbook
    from blut_assets.cli.shell.catalogue import catalogue

    try:
        return catalogue()["commands"]
    except UnknownCookbook:
        if in_help:
            return {}
        raise


class _Blut(lazy_group(_Places())):
    """Says as the root of all commands whatever is wrong with their words."""

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **extra: Any) -> Any:
        self._words = [*args]
        with said(self, self._words):
            return super().make_context(info_name, args, *rest, **extra)

    def invoke(self, ctx: Any) -> Any:
        with said(self, self._words):
            return super().invoke(ctx)


app = typer.Typer(**{**PLAIN, "add_completion": True}, cls=_Blut)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"blut {version('blut')}{_commit()}, dagster {version('dagster')}")
        raise typer.Exit


def _commit() -> str:
    """Returns ``+`` and the commit of a checkout, and whether files differ from it; else nothing."""
    from blut_resources.machine.environment import SOURCE, git_state

    # an installed Blut may lie in a checkout too, of somebody else's project
    state = git_state() if (SOURCE / ".git").exists() else None
    return f"+{state['commit'][:12]}{'-dirty' if state['dirty'] else ''}" if state else ""


@app.callback(
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage, 124 ended at its deadline, 130 interrupted. A run id"
    " may be cut short as long as it is unique. Listings print JSON with --json. Nothing here needs a running"
    " web server."
)
def root(
    context: typer.Context,
    _: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_version,
            is_eager=True,
            help="Print the versions, and the commit of a checkout.",
        ),
    ] = False,
    plain: Annotated[
        bool,
        typer.Option(
            "--plain",
            help="Plain lines for a screen reader, one fact each: nothing is drawn anew, in columns or in"
            " colour. Also behind any command, or BLUT_PLAIN=1.",
        ),
    ] = False,
) -> None:
    """Blut: software-defined assets for training models on machines you own."""
    if plain:
        be_plain()
    if scaffolded() and context.invoked_subcommand != COCKPIT:  # which shows its frame first
        _take_resources()


def _take_resources() -> None:
    """Load the definitions: what the project gives of a deployment counts in a listing as in a run."""
    try:
        import_module("blut_assets.definitions")
    except Exception as error:  # a command that needs them says more; others do without
        typer.echo(f"blut: blut_assets/defs cannot be loaded: {one_line(error)}", err=True)

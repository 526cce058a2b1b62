"""Imports commands when somebody asks for them: most need Dagster, and a listing need not."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from blut_resources.screen import be_plain

HELP = {"help_option_names": ["-h", "--help"]}
"""`context_settings` of every command and group."""

PLAIN: dict[str, Any] = {
    "add_completion": False,
    "no_args_is_help": True,
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
    "context_settings": HELP,
}
"""How every `typer.Typer` here is made: Rich takes longer to import than a listing takes."""


class LazyCommands(Mapping[str, Any]):
    """Maps a command's name to the command, out of ``module`` or ``module:attribute``,
    by default its ``app``.

    The attribute is a `typer.Typer`, or a function that is the command.
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = places

    def __getitem__(self, name: str) -> Any:
        module, _, attribute = self._places[name].partition(":")
        app = getattr(import_module(module), attribute or "app")
        if not isinstance(app, typer.Typer):
            function, app = app, single()
            app.command()(function)
        command = get_command(app)
        command.name = name
        command.context_settings = {**HELP, **command.context_settings}
        _list_help_first(command)
        _take_plain(command)
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def lazy_group(places: Mapping[str, str]) -> type[TyperGroup]:
    """Returns a group of these commands."""

    class LazyGroup(TyperGroup):
        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            _list_help_first(self)
            self.commands = LazyCommands(places)  # pyright: ignore[reportAttributeAccessIssue]

    return LazyGroup


def _list_help_first(command: Any) -> None:
    """Let a command, and those below it, list the option for help before all others."""
    params = command.get_params
    command.get_params = lambda context: sorted(params(context), key=lambda one: one.name != "help")
    for inner in getattr(command, "commands", {}).values():
        _list_help_first(inner)


def _take_plain(command: Any) -> None:
    """Let a command, and those below it, take ``--plain`` as `blut` itself does, whose help names it."""
    command.params += get_command(_plain).params
    for inner in getattr(command, "commands", {}).values():
        _take_plain(inner)


def single(**settings: Any) -> typer.Typer:
    """Returns a `typer.Typer` for one command without a group around it."""
    return typer.Typer(**{**PLAIN, "no_args_is_help": False, **settings})


def group(text: str, **settings: Any) -> typer.Typer:
    """Returns a `typer.Typer` for a group of commands; it stays one if it has a single command."""
    app = typer.Typer(**{**PLAIN, "help": text, **settings})
    app.callback()(_nothing)
    return app


def _nothing() -> None:
    """Do nothing: a callback makes it a group."""


def _only_plain(
    _: Annotated[
        bool,
        typer.Option(
            "--plain",
            help="Plain lines for a screen reader.",
            hidden=True,
            expose_value=False,
            is_eager=True,
            callback=lambda wanted: be_plain() if wanted else None,
        ),
    ] = False,
) -> None:
    """Do nothing: it has the option that every other command takes too."""


_plain = single()
_plain.command()(_only_plain)

"""Every command of `blut` with its arguments and options."""

import inspect
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from blut_assets.cli.app import app
from docs.generate.markdown import code, prose, table


def commands() -> str:
    """A section for each command, in the order of ``blut --help``."""
    return "\n\n".join(_section(path, command) for path, command in walk(get_command(app)))


def walk(group: Any, path: tuple[str, ...] = ("blut",)) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that does something, with the words that call it."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            if command.invoke_without_command:
                yield (*path, name), command
            yield from walk(command, (*path, name))
        elif not command.hidden:
            yield (*path, name), command


def _section(path: tuple[str, ...], command: Any) -> str:
    name = " ".join(path)
    context = command.make_context(name, [], resilient_parsing=True)
    usage = " ".join(command.get_usage(context).removeprefix("Usage:").split())
    rows = [record for one in command.params if (record := one.get_help_record(context))]
    words = f"## {name}\n\n```text\n{usage}\n```\n\n{prose(_text(command.help or ''))}"
    options = table(("option", "meaning"), [(code(option), prose(meaning)) for option, meaning in rows])
    return f"{words}\n\n{options}" if rows else words


def _text(help_text: str) -> str:
    """What a command says of itself; a paragraph marked with \\b keeps its lines."""
    paragraphs = inspect.cleandoc(help_text).split("\n\n")
    return "\n\n".join(
        "```text\n" + one.removeprefix("\b").strip("\n") + "\n```" if one.startswith("\b") else one
        for one in paragraphs
    )

"""Says what was typed wrong as everything else that is refused is said: where, what, and what would do."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer

from blut_assets.cli.typer_private import (
    BadOptionUsage,
    BadParameter,
    MissingParameter,
    NoArgsIsHelpError,
    NoSuchOption,
    UsageError,
)
from blut_resources.text import meant, one_line, said_of

NO_COMMAND = re.compile(r"No such command '(.*)'\.")
UNEXPECTED = re.compile(r"Got unexpected extra argument\(?s?\)? \((.*)\)", re.DOTALL)
TAKES_NONE = re.compile(r"Option '.*' does not take a value\.")
QUOTED = re.compile(r"'([^']*)'")


class SaidUsage(UsageError):
    """Holds the sentence about wrong usage; it is shown as it is."""

    def show(self, file: Any = None) -> None:
        """Write the sentence to standard error."""
        typer.echo(self.message, file=file, err=file is None)


@contextmanager
def said(root: Any, words: Sequence[str]) -> Iterator[None]:
    """Let wrong usage of what goes on meanwhile be said in one sentence; its status stays 2.

    Args:
        root: the group of all commands.
        words: that were typed behind its name.
    """
    try:
        yield
    except (SaidUsage, NoArgsIsHelpError):
        raise
    except UsageError as error:
        raise SaidUsage(_sentence(error, root, words)) from None


def _sentence(error: UsageError, root: Any, words: Sequence[str]) -> str:
    context = error.ctx
    where, command = (context.command_path, context.command) if context else _typed(root, words)
    what, remedy = _problem(error, command)
    return one_line(f"{where}: {what}; `{where} -h` {remedy}")


def _typed(root: Any, words: Sequence[str]) -> tuple[str, Any]:
    """Returns the name of the command that was typed, and the command."""
    path, command = ["blut"], root
    for word in words:
        if not hasattr(command, "commands") or word not in command.commands:
            break
        path, command = [*path, word], command.commands[word]
    return " ".join(path), command


def _problem(error: UsageError, command: Any) -> tuple[str, str]:
    """Returns what is wrong, and what the help of the command says of that."""
    if match := NO_COMMAND.match(error.message):
        return f"no command is called {match[1]!r}{meant(match[1], command.commands)}", "lists them"
    if isinstance(error, NoSuchOption):
        names = [name for one in command.params for name in (*one.opts, *one.secondary_opts)]
        near = meant(error.option_name, [name for name in names if name.startswith("-")])
        return f"there is no option {error.option_name}{near}", "lists them"
    if isinstance(error, MissingParameter):
        return f"{_called(error.param)} is missing", "says what it is"
    if isinstance(error, BadParameter):
        return _bad_value(error), "says what it takes"
    if isinstance(error, BadOptionUsage):
        says = "takes no value" if TAKES_NONE.match(error.message) else "needs a value"
        return f"{error.option_name} {says}", "says what it does"
    if match := UNEXPECTED.match(error.message):
        return f"it takes no more arguments, but {match[1]!r} follows", "says what it takes"
    return error.message.rstrip("."), "says more"


def _bad_value(error: BadParameter) -> str:
    why, value = error.message, ""
    for problem in getattr(error.__cause__, "errors", list)()[:1]:
        why, value = said_of(problem), str(problem["input"])
    why = re.sub("^Value error, ", "", why).rstrip(".")
    told = "" if repr(value) in why or not value else f" {value!r}:"
    return f"{_called(error.param)}{told or ':'} {why}{meant(value, QUOTED.findall(why)[1:])}"


def _called(param: Any) -> str:
    """Returns how a parameter is typed: an option by its name, an argument as the help has it."""
    if param is None:
        return "a value"
    if param.param_type_name == "option":
        return max(param.opts, key=len)
    return f"the argument {(param.metavar or param.name).upper()}"

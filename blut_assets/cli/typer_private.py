"""Holds the private parts of Typer that `blut` needs, about completion in a shell and about wrong usage.

Typer completes names and values by public means, but not in the way in which bash splits words, and a group
has no public way to offer more than its commands. When it changes, look at ``typer._completion_classes``,
whose classes are looked up there by name when a shell asks, and at ``typer._click``, Click's own code under
Typer's name. What is wrong with the words of a command is told by exceptions there, and only two of them
have public names.
"""

from typer import _completion_classes
from typer._click.exceptions import (
    BadOptionUsage,
    BadParameter,
    MissingParameter,
    NoArgsIsHelpError,
    NoSuchOption,
    UsageError,
)
from typer._click.shell_completion import CompletionItem
from typer._completion_classes import BashComplete

__all__ = [
    "BadOptionUsage",
    "BadParameter",
    "BashComplete",
    "CompletionItem",
    "MissingParameter",
    "NoArgsIsHelpError",
    "NoSuchOption",
    "UsageError",
    "complete_bash_by",
]


def complete_bash_by(kind: type[BashComplete]) -> None:
    """Have Typer answer bash with this class."""
    _completion_classes.BashComplete = kind

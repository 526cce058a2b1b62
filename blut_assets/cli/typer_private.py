"""Holds the private parts of Typer that `blut` needs, all of them about completion in a shell.

Typer completes names and values by public means, but not in the way in which bash splits words, and a group
has no public way to offer more than its commands. When it changes, look at ``typer._completion_classes``,
whose classes are looked up there by name when a shell asks, and at ``typer._click``, Click's own code under
Typer's name.
"""

from typer import _completion_classes
from typer._click.shell_completion import CompletionItem
from typer._completion_classes import BashComplete

__all__ = ["BashComplete", "CompletionItem", "complete_bash_by"]


def complete_bash_by(kind: type[BashComplete]) -> None:
    """Have Typer answer bash with this class."""
    _completion_classes.BashComplete = kind

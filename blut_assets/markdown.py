"""Text that others wrote, such as a model's answer, inside the Markdown that the UI shows: as it stands.

A block of code would do that too, but it never breaks a line, and an answer may be one long line.
"""

import re

ANYWHERE = re.compile(r"([\\`*_\[\]<>|~&])")
AT_THE_START = re.compile(r"^( *)(?:([#+=:-])|(\d+)([.)]))")
LOST_SPACES = re.compile(r"^ +| {2,}")
BREAK, SPACE, START = "  \n", "&nbsp;", "&#8203;"
"""The end of a line, a space that stays, and what makes an empty line one and keeps spaces before a line."""

MADE = re.compile(rf"\\(?P<as_it_is>[\\`*_\[\]<>|~&#+=:.)-])|(?P<line>{BREAK})|(?P<space>{SPACE})|{START}")


def literal(text: str) -> str:
    """Markdown that is shown as this text: its lines and spaces, and no heading, list or tag."""
    return BREAK.join(_line(line.rstrip()) for line in text.expandtabs(4).rstrip().splitlines())


def _line(text: str) -> str:
    text = AT_THE_START.sub(r"\1\3\\\2\4", ANYWHERE.sub(r"\\\1", text))
    return LOST_SPACES.sub(_kept, text) or START


def _kept(spaces: re.Match[str]) -> str:
    return ("" if spaces.start() else START) + SPACE * len(spaces[0])


def text_of(markdown: str) -> str:
    """The text again that was made `literal`, but for tabs, and for spaces and empty lines at an end."""
    return MADE.sub(_found, markdown)


def _found(mark: re.Match[str]) -> str:
    return mark["as_it_is"] or ("\n" if mark["line"] else " " if mark["space"] else "")

"""Text that others wrote, such as a model's answer, inside the Markdown that the UI shows: as it stands.

A block of code would do that too, but it never breaks a line, and an answer may be one long line.
"""

import re

ANYWHERE = re.compile(r"([\\`*_\[\]<>|~&])")
AT_THE_START = re.compile(r"^( *)(?:([#+=:-])|(\d+)([.)]))")
LOST_SPACES = re.compile(r"^ +| +$| {2,}")
SPACE = "&nbsp;"
ESCAPED = re.compile(rf"\\(?P<as_it_is>[\\`*_\[\]<>|~&#+=:.)\n-])|{SPACE}")


def literal(text: str) -> str:
    """Markdown that is shown as this text: its lines and spaces, and no heading, link or tag."""
    return "\\\n".join(_line(line) for line in text.expandtabs(4).rstrip("\n").split("\n"))


def _line(text: str) -> str:
    text = AT_THE_START.sub(r"\1\3\\\2\4", ANYWHERE.sub(r"\\\1", text))
    return LOST_SPACES.sub(lambda spaces: SPACE * len(spaces[0]), text)


def text_of(markdown: str) -> str:
    """The text again that was made `literal`, but for tabs, and for empty lines at its end."""
    return ESCAPED.sub(lambda found: found["as_it_is"] or " ", markdown)

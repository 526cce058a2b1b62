"""Makes harmless what others wrote, such as a file's name, a model's answer or a payload's output.

A terminal obeys control characters, Markdown draws pictures and links, a child's environment takes no NUL.
What is not shown as it stands is written as Python would: ``\\x1b``, ``\\u202e``.
"""

import codecs
import difflib
import html as _html
import io
import re
from collections.abc import Iterable
from typing import Any

LINE, VARIABLE = 1000, 32_768
"""Characters of a line, and bytes of an environment variable, of which Linux takes 128 KiB."""
CUT = " … "

# controls, marks that turn or hide what stands beside them, line ends of Unicode, halves of surrogate pairs
_UNSEEN = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    r"\ud800-\udfff\U000e0000-\U000e007f"
)
_IN_LINES = re.compile(f"[{_UNSEEN}]")
_IN_A_LINE = re.compile(rf"[\t\n{_UNSEEN}]")
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
_LINE_END = re.compile(r"\r\n?")


def one_line(value: object, most: int = LINE) -> str:
    """Returns a name or message in one line of at most ``most`` characters;
    what is longer loses its middle.
    """
    return _cut(_IN_A_LINE.sub(_written, _cut(str(value), most)), most)


def meant(name: str, names: Iterable[str]) -> str:
    """Returns which of the names one that is none of them may stand for, in words; empty if none is near."""
    near = difflib.get_close_matches(name, sorted(names), 1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def said_of(problem: Any) -> str:
    """Returns what one of the errors of pydantic says, without the kind of exception that it begins with."""
    return re.sub(r"^(?:Value error|Assertion failed), ", "", problem["msg"])


def lines(value: object) -> str:
    """Returns text of many lines for a terminal: line ends and tabs stay, nothing else is obeyed."""
    return _IN_LINES.sub(_written, _LINE_END.sub("\n", str(value)))


def output(value: object) -> str:
    """Returns what a program printed, as `lines`; its colours are dropped."""
    return lines(_COLOUR.sub("", str(value)))


class Output:
    """Makes harmless what a program prints, piece by piece as it comes, as `output` does."""

    def __init__(self) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self._lines = io.IncrementalNewlineDecoder(decoder, translate=True)

    def __call__(self, chunk: bytes) -> bytes:
        """Returns what is to be shown of the next bytes; half a character waits for its other half."""
        return output(self._lines.decode(chunk)).encode()


def html(value: object) -> str:
    """Returns text for between tags, or inside a quoted attribute, of HTML and SVG."""
    return _html.escape(lines(value))


def variable(value: object, most: int = VARIABLE) -> str:
    """Returns a value for the environment of a child, of at most ``most`` bytes of UTF-8."""
    text = _LINE_END.sub("\n", str(value)[:most])
    return _IN_LINES.sub(_written, text).encode()[:most].decode(errors="ignore")


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    head = (most - len(CUT)) * 2 // 3
    return text[:head] + CUT + text[head + len(CUT) - most :]


def _written(found: re.Match[str]) -> str:
    character = found[0]
    if "\udc80" <= character <= "\udcff":  # a byte of a name that is no UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


ANYWHERE = re.compile(r"([\\`*_\[\]<>|~&])")
AT_THE_START = re.compile(r"^( *)(?:([#+=:-])|(\d+)([.)]))")
ADDRESS = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)|(?<=@)", re.IGNORECASE)
"""Where an address is broken: the UI makes links of them, also of those whose signs are escaped."""
LOST_SPACES = re.compile(r"^ +| {2,}")
BREAK, SPACE, START = "  \n", "&nbsp;", "&#8203;"
"""The end of a line, a space that stays, and what makes an empty line one and keeps spaces before a line."""

MADE = re.compile(rf"\\(?P<as_it_is>[\\`*_\[\]<>|~&#+=:.)-])|(?P<line>{BREAK})|(?P<space>{SPACE})|{START}")


def markdown(value: object) -> str:
    """Returns Markdown that is shown as this text:
    its lines and spaces, and no heading, list, link, picture or tag.

    A block of code would do that too, but it never breaks a line, and an answer may be one long line.
    """
    text = lines(value).expandtabs(4).rstrip()
    return BREAK.join(_markdown_line(line.rstrip()) for line in text.split("\n"))


def markdown_cell(value: object, most: int = LINE) -> str:
    """Returns Markdown for a cell of a table or a place within a line,
    of at most ``most`` characters of text.
    """
    return markdown(one_line(value, most))


def _markdown_line(text: str) -> str:
    text = AT_THE_START.sub(r"\1\3\\\2\4", ANYWHERE.sub(r"\\\1", text))
    return LOST_SPACES.sub(_kept, ADDRESS.sub(START, text)) or START


def _kept(spaces: re.Match[str]) -> str:
    return ("" if spaces.start() else START) + SPACE * len(spaces[0])


def text_of(markdown: str) -> str:
    """Returns the text that `markdown` was made of, but for tabs,
    and for spaces and empty lines at an end.
    """
    return MADE.sub(_found, markdown)


def _found(mark: re.Match[str]) -> str:
    return mark["as_it_is"] or ("\n" if mark["line"] else " " if mark["space"] else "")

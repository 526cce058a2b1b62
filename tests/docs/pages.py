"""The pages as they are written: README, what lies below ``docs``, and the blocks of code in them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

from tests.conftest import REPOSITORY

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
COMMAND = re.compile(r"(?:\.venv/bin/|/venv/bin/|^)blut ([^#>\n]+)", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: where it stands, the word after the fence, and what is in it."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(*languages: str) -> list[Block]:
    """The blocks of these languages on every page; all blocks if none is named."""
    found = [block for page in PAGES for block in _blocks(page)]
    return [block for block in found if not languages or block.language in languages]


def _blocks(page: Path) -> Iterator[Block]:
    for token in MarkdownIt().parse(page.read_text()):
        if token.type == "fence" and token.map:
            name = str(page.relative_to(REPOSITORY))
            yield Block(name, token.map[0] + 1, token.info.strip(), token.content)


def words_as_code(page: Path) -> list[str]:
    """What stands between single backticks on a page."""
    parsed = MarkdownIt("commonmark").enable("table").parse(page.read_text())
    tokens = [child for token in parsed for child in token.children or []]
    return [token.content for token in tokens if token.type == "code_inline"]


def commands() -> list[str]:
    """What stands after ``blut`` on each line of a block that calls it."""
    found = [line for block in blocks() for line in COMMAND.findall(block.text)]
    # one that stands within quotes ends with a quote that is not its own
    return [line.strip() if line.count('"') % 2 == 0 else line.strip().removesuffix('"') for line in found]

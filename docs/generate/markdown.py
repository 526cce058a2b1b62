"""Tables and words as Markdown."""

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; what would end a cell or a row inside of a cell is escaped."""
    lines = [_row(head), _row(["---"] * len(head))]
    return "\n".join([*lines, *(_row([_cell(text) for text in row]) for row in rows)])


def code(text: str) -> str:
    """Words as they are typed; nothing for none."""
    return f"`{text}`" if text else ""


def prose(text: str) -> str:
    """A docstring or a help text, in which single words may stand between double backticks."""
    return text.replace("``", "`").replace("<", "&lt;")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"

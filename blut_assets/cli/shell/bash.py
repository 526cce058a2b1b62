"""Completes words in bash, to which ``mine@prod`` is three: it ends one at ``@``, ``:`` and ``=``.

Typer's own class takes each of them for an argument, and offers the whole of a name where bash replaces the
end of it only. Imported when a shell asks, and at no other time.
"""

from collections.abc import Iterable
from typing import Any

from blut_assets.cli.typer_private import BashComplete, complete_bash_by

BREAKS = frozenset("@:=")


class WholeWords(BashComplete):
    """Puts words together again as they were typed, and offers of each name what bash replaces."""

    _stays = ""

    def get_completion_args(self) -> tuple[list[str], str]:
        """Returns the words before the one in work, and that one."""
        before, last = super().get_completion_args()
        if not last:
            return joined(before), last
        words = joined([*before, last])
        self._stays = _before_end(words[-1], last)
        return words[:-1], words[-1]

    def format_completion(self, item: Any) -> str:
        """Returns what takes the place of the end of the word."""
        return super().format_completion(item).removeprefix(self._stays)


def joined(words: Iterable[str]) -> list[str]:
    """Returns words with those together between which there is only a break."""
    whole: list[str] = []
    goes_on = False
    for word in words:
        breaks = _is_break(word)
        if whole and (goes_on or breaks):
            whole[-1] += word
        else:
            whole.append(word)
        goes_on = breaks
    return whole


def _before_end(word: str, last: str) -> str:
    """Returns what stays as it is typed, of the value in a word whose last part is ``last`` to bash."""
    # an `@` belongs to what follows it, unlike the others
    stays = (word if _is_break(last) else word.removesuffix(last)).removesuffix("@")
    return stays.partition("=")[2] if word.startswith("-") else stays


def _is_break(word: str) -> bool:
    return bool(word) and BREAKS.issuperset(word)


def use() -> None:
    """Have Typer answer with it."""
    complete_bash_by(WholeWords)

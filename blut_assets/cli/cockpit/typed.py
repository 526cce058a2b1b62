"""Asks for a line to be typed, and has a command of `blut` do what it says, in a thread of its own."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from blut_assets.cli.cockpit.starting import said_by

Step = tuple[str, list[str]]
"""What is said of an answer, and the words of the command that it leads to; none where it leads to none."""


def ordered(words: Sequence[str], tell: Callable[[str], object]) -> None:
    """Run a command of `blut`, and tell what it said from another thread."""
    threading.Thread(target=lambda: tell(said_by([*words])), name=f"blut-{words[0]}", daemon=True).start()


class TypedAnswer(ABC):
    """Holds what is asked, and what was typed so far.

    Attributes:
        about: what it is asked about; empty where nothing is asked.
        dropped: what is said of a question that was left.
    """

    dropped: str

    def __init__(self) -> None:
        self.about, self.text = "", ""

    def begin(self, about: str) -> None:
        """Ask."""
        self.about, self.text = about, ""

    @abstractmethod
    def question(self) -> str:
        """Returns what is asked."""

    @abstractmethod
    def answered(self, about: str, typed: str) -> Step:
        """Returns what an answer leads to."""

    def shown(self) -> str:
        """Returns what is asked, with what was typed so far."""
        return f"{self.question()}: {self.text}_"

    def key(self, key: str, letter: str | None, tell: Callable[[str], object]) -> str:
        """Take a key while something is asked; returns what is to be said.

        Args:
            tell: gets what the command said, from another thread.
        """
        if key == "enter":
            about, self.about = self.about, ""
            said, words = self.answered(about, self.text.strip())
            if words:
                ordered(words, tell)
            return said
        if key == "escape":
            self.about = ""
            return self.dropped
        if key in ("backspace", "ctrl+h"):
            self.text = self.text[:-1]
        elif letter:
            self.text += letter
        return ""

"""Asks tasks that check themselves: questions of reasoning-gym, made by a seed."""

import importlib
import importlib.metadata
import importlib.util
import re
from dataclasses import dataclass
from typing import Any

TAGGED = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
ASKED = "\n\nGive only the final answer, without any explanation."
SIZE = 50
REMEDY = "run `pip install reasoning-gym==0.1.25`, or leave `reasoning` empty"


class ReasoningError(ValueError):
    """Says that a task cannot be had, why, and what to do."""


@dataclass(frozen=True)
class Puzzle:
    """Holds one question; ``entry`` is what its checker wants to see again."""

    id: str
    messages: list[dict[str, str]]
    entry: dict[str, Any]


def size_of(name: str) -> tuple[str, int]:
    """Returns the task that ``task`` or ``task:size`` names, and how many questions of it.

    Raises:
        ReasoningError: the size is none, or reasoning-gym is not installed.
    """
    if importlib.util.find_spec("reasoning_gym") is None:
        raise ReasoningError(f"reasoning: {name!r} is a task of reasoning-gym, which is not here: {REMEDY}")
    task, colon, size = name.partition(":")
    if colon and not (size.isdecimal() and len(size) < 10 and int(size)):
        raise ReasoningError(f"reasoning: {name!r}: {size!r} is no number of questions; such as chain_sum:50")
    return task, int(size or SIZE)


class ReasoningTask:
    """Draws a procedural task of a size, by a seed."""

    def __init__(self, name: str, *, seed: int) -> None:
        """Find the task; ``name`` is a task of reasoning-gym, or ``task:size``.

        Raises:
            ReasoningError: it is not installed, or has no such task.
        """
        self.name, self.size = size_of(name)
        reasoning_gym: Any = importlib.import_module("reasoning_gym")
        try:
            self._data = reasoning_gym.create_dataset(self.name, size=self.size, seed=seed)
        except (ValueError, KeyError) as error:
            raise ReasoningError(f"reasoning: {name!r}: {error}") from error
        self.version = importlib.metadata.version("reasoning-gym")

    def puzzles(self) -> list[Puzzle]:
        """Returns the questions."""
        return [
            Puzzle(str(number), [{"role": "user", "content": entry["question"] + ASKED}], entry)
            for number, entry in enumerate(self._data)
        ]

    def score(self, answer: str, puzzle: Puzzle) -> float:
        """Score from 0 to 1, by the task's own checker; 1 is solved."""
        found = TAGGED.search(answer)
        return float(self._data.score_answer((found[1] if found else answer).strip(), puzzle.entry))

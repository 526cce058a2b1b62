"""Defines what every model is asked, be it in transformers or in llama.cpp: tokens, logits, text."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

Logits = np.ndarray[Any, np.dtype[np.float32]]
Values = np.ndarray[Any, np.dtype[np.float64]]
ROWS = 64
"""Rows whose distributions are held at a time."""


@dataclass(frozen=True)
class Answer:
    """Holds a greedy answer: ``stopped`` if the model ended it (or a stop string did), not the limit."""

    text: str
    n_tokens: int
    stopped: bool


class Engine(Protocol):
    """Stands for a loaded model."""

    kind: str
    n_vocab: int
    context: int

    def encode(self, text: str) -> list[int]:
        """Returns the tokens of a text in which control tokens are read as such;
        none is added at either end.
        """
        ...

    @property
    def begins_with(self) -> list[int]:
        """Returns tokens that the model expects before every text."""
        ...

    @property
    def ends_with(self) -> int | None:
        """Returns the token that ends an answer."""
        ...

    def prompt(self, messages: Sequence[dict[str, str]]) -> str:
        """Returns a conversation rendered by the model's template, ready for the answer."""
        ...

    def logits(self, tokens: Sequence[int]) -> Logits:
        """Returns the next-token logits after each token, [len(tokens), vocabulary]."""
        ...

    def answer(self, tokens: Sequence[int], *, most: int, stop: Sequence[str] = ()) -> Answer:
        """Returns the greedy continuation."""
        ...

    def close(self) -> None:
        """Free the model."""
        ...


def text_of(text: str, stop: Sequence[str]) -> tuple[str, bool]:
    """Returns the text up to the first stop string, and whether there was one."""
    ends = [at for word in stop if word and (at := text.find(word)) >= 0]
    return (text[: min(ends)], True) if ends else (text, False)


def shifted(rows: Logits) -> tuple[Logits, Values]:
    """Returns logits less their maximum, and the logarithm of what their exponentials sum to, row by row.

    The sum is in float64: over a vocabulary float32 would lose what a 16-bit model differs by.
    """
    values = rows - rows.max(axis=-1, keepdims=True)
    return values, np.log(np.exp(values).sum(axis=-1, dtype=np.float64))


def log_probs(rows: Logits, targets: Sequence[int]) -> Values:
    """Returns the log-probability of one target for each row."""
    wanted = np.asarray(targets)
    found = np.empty(len(wanted))
    for part in chunks(len(wanted)):
        values, total = shifted(rows[part])
        found[part] = values[np.arange(len(values)), wanted[part]] - total
    return found


def chunks(n: int) -> Iterator[slice]:
    """Yields slices that cover ``range(n)``."""
    return (slice(start, min(start + ROWS, n)) for start in range(0, n, ROWS))


def greedy(
    advance: Callable[[Sequence[int]], int],
    is_end: Callable[[int], bool],
    decode: Callable[[Sequence[int]], str],
    tokens: Sequence[int],
    most: int,
    stop: Sequence[str],
) -> Answer:
    """Write until the model ends, a stop string appears, or ``most`` tokens are written.

    Args:
        advance: takes tokens into the context and names the likeliest next one.
    """
    written: list[int] = []
    given = tokens
    while len(written) < most:
        token = advance(given)
        if is_end(token):
            return Answer(decode(written), len(written), stopped=True)
        written.append(token)
        given = [token]
        if stop:
            text, found = text_of(decode(written), stop)
            if found:
                return Answer(text, len(written), stopped=True)
    return Answer(decode(written), len(written), stopped=False)

"""Measures how long rows are in tokens, how much of them is learned, and which are worth a look."""

import statistics
from dataclasses import dataclass, field

from cookbooks.llm.chat.masking import Encoded, EncodedPair

SAMPLES = 2
Sample = tuple[str, Encoded | EncodedPair]


def size_of(encoded: list[Encoded] | EncodedPair) -> tuple[int, int]:
    """Returns the tokens of the longest example of a row, and how many are learned in all."""
    if isinstance(encoded, EncodedPair):
        sides = [len(encoded.chosen_ids), len(encoded.rejected_ids)]
        return len(encoded.prompt_ids) + max(sides), sum(sides)
    return max(len(one.input_ids) for one in encoded), sum(one.n_learned for one in encoded)


@dataclass
class Measured:
    """Holds tokens of the rows that are kept, and the rows that are shown: the first ones and the longest."""

    lengths: list[int] = field(default_factory=list)
    n_learned: int = 0
    first: list[Sample] = field(default_factory=list)
    longest: Sample | None = None
    longest_length: int = 0

    def add(self, name: str, encoded: list[Encoded] | EncodedPair) -> None:
        """Count one row and keep it if it is to be shown."""
        sample = encoded if isinstance(encoded, EncodedPair) else encoded[-1]
        length, learned = size_of(encoded)
        if len(self.first) < SAMPLES:
            self.first.append((name, sample))
        elif length > self.longest_length:
            self.longest = (f"{name}, the longest", sample)
        self.longest_length = max(self.longest_length, length)
        self.lengths.append(length)
        self.n_learned += learned

    def samples(self) -> list[Sample]:
        """Returns what is shown."""
        return [*self.first, *([self.longest] if self.longest else [])]

    def facts(self) -> dict[str, int]:
        """Returns totals and percentiles, in tokens."""
        ordered = sorted(self.lengths)
        return {
            "total": sum(ordered),
            "learned": self.n_learned,
            "longest": ordered[-1],
            "median": round(statistics.median(ordered)),
            "p95": ordered[(len(ordered) * 95 - 1) // 100],
        }

"""Encodes examples of a split as token ids and labels that no trainer can change any more."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cookbooks.llm.chat.masking import Encoded, EncodedPair, encode_pair, encode_row
from cookbooks.llm.chat.template import MaskError
from cookbooks.llm.training_loop.process import Refused

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase as Tokenizer

SIDES = ("train", "eval")


@dataclass(frozen=True)
class Examples:
    """Holds both sides of a split, encoded. ``columns`` are what the trainer is given of each example."""

    train: Sequence[dict[str, list[int]]]
    held: Sequence[dict[str, list[int]]]
    longest: int
    n_tokens: int
    n_learned: int
    texts: Sequence[dict[str, Any]] = field(default=(), repr=False)

    def dataset(self, side: str = "train") -> "Dataset":
        """Returns one side, as TRL takes it."""
        from datasets import Dataset

        return Dataset.from_list([*(self.train if side == "train" else self.held)])

    @property
    def fingerprint(self) -> str:
        """Returns the digest of every id and label of both sides, in order."""
        text = json.dumps([self.train, self.held], separators=(",", ":"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def facts(self) -> dict[str, Any]:
        """Counts the training side."""
        counts = {"n_train": len(self.train), "n_eval": len(self.held), "longest": self.longest}
        return {**counts, "n_tokens": self.n_tokens, "n_learned_tokens": self.n_learned}


def rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the rows of a file in the normal form, each with its place."""
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                row = json.loads(line)
                yield f"{path.name}:{number} (id {row.get('id')})", row


def read_examples(tokenizer: "Tokenizer", split: Path, seq_len: int) -> Examples:
    """Returns conversations or texts of a split directory.

    Raises:
        Refused: naming the row that cannot be learned from, or that there is none.
    """
    return examples_of(tokenizer, {side: list(rows(split / f"{side}.jsonl")) for side in SIDES}, seq_len)


def examples_of(
    tokenizer: "Tokenizer", sides: dict[str, list[tuple[str, dict[str, Any]]]], seq_len: int
) -> Examples:
    """Encode rows that are not in a file, as `read_examples` does.

    Raises:
        Refused: as `read_examples`.
    """
    found: dict[str, list[Encoded]] = {side: [] for side in SIDES}
    for side, place, row in ((s, p, r) for s in SIDES for p, r in sides[s]):
        try:
            encoded = encode_row(tokenizer, row)
        except MaskError as error:
            raise Refused(f"{place}: {error}") from error
        for one in encoded:
            _refuse_long(place, len(one.input_ids), seq_len)
            found[side].append(one)
    _refuse_empty(found["train"])
    plain = {s: [{"input_ids": e.input_ids, "labels": e.labels} for e in es] for s, es in found.items()}
    return Examples(
        plain["train"],
        plain["eval"],
        longest=max(len(e.input_ids) for es in found.values() for e in es),
        n_tokens=sum(len(e.input_ids) for e in found["train"]),
        n_learned=sum(e.n_learned for e in found["train"]),
        texts=[row for _, row in sides["train"]],
    )


def read_pairs(tokenizer: "Tokenizer", split: Path, seq_len: int) -> Examples:
    """Returns preference pairs of a split directory.

    Raises:
        Refused: as `read_examples`.
    """
    found: dict[str, list[EncodedPair]] = {side: [] for side in SIDES}
    for side in SIDES:
        for place, row in rows(split / f"{side}.jsonl"):
            try:
                pair = encode_pair(tokenizer, row)
            except MaskError as error:
                raise Refused(f"{place}: {error}") from error
            _refuse_long(place, _pair_length(pair), seq_len)
            found[side].append(pair)
    _refuse_empty(found["train"])
    names = ("prompt_ids", "chosen_ids", "rejected_ids")
    plain = {s: [{n: getattr(p, n) for n in names} for p in ps] for s, ps in found.items()}
    learned = [len(p.chosen_ids) + len(p.rejected_ids) for p in found["train"]]
    return Examples(
        plain["train"],
        plain["eval"],
        longest=max(_pair_length(p) for ps in found.values() for p in ps),
        n_tokens=sum(learned) + sum(2 * len(p.prompt_ids) for p in found["train"]),
        n_learned=sum(learned),
    )


def _pair_length(pair: EncodedPair) -> int:
    return len(pair.prompt_ids) + max(len(pair.chosen_ids), len(pair.rejected_ids))


def _refuse_long(place: str, length: int, seq_len: int) -> None:
    if length > seq_len:
        raise Refused(
            f"{place}: {length} tokens, seq_len is {seq_len}: cutting it would leave out how the answer ends."
            " Raise seq_len, shorten the row, or build the dataset with this seq_len, which drops it"
        )


def _refuse_empty(found: Sequence[object]) -> None:
    if not found:
        raise Refused("the training side of the split has no examples: lower eval_ratio or bring more data")

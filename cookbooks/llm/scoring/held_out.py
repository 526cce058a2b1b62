"""Reads rows of a dataset as a model sees them: token ids, which of them are answers, the prompt before."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blut_resources.payload_kit.refuse import Refused
from cookbooks.llm.chat.masking import MaskError, answers_of, encode_row
from cookbooks.llm.evaluation.matching import normalised
from cookbooks.llm.training_loop.examples import rows


@dataclass(frozen=True)
class Example:
    """Holds one row.

    ``labels`` are the ids, or -100 where no answer is; ``prompt`` and ``answer`` are those of its last
    answer, empty for plain text.
    """

    id: str
    ids: list[int]
    labels: list[int]
    prompt: list[dict[str, str]]
    answer: str


def read_file(tokenizer: Any, path: Path, *, most: int | None = None, seed: int = 0) -> list[Example]:
    """Returns the examples of a dataset or of one side of a split, in their order;
    ``most`` of them drawn by ``seed`` if there are more.

    Of a preference pair it is the chosen answer.

    Raises:
        Refused: a row cannot be rendered.
    """
    found = list(rows(path))
    if most is not None and len(found) > most:
        kept = sorted(random.Random(seed).sample(range(len(found)), most))
        found = [found[index] for index in kept]
    return [_example(tokenizer, place, row) for place, row in found]


def _example(tokenizer: Any, place: str, row: dict[str, Any]) -> Example:
    if "chosen" in row:
        row = {"id": row.get("id"), "messages": [*row["prompt"], *row["chosen"]], "learn": "last"}
    elif row.get("learn") == "each":
        row = {**row, "learn": "last"}
    try:
        encoded = encode_row(tokenizer, row)[0]
    except MaskError as error:
        raise Refused(f"{place}: {error}") from error
    messages: Sequence[dict[str, str]] = row.get("messages") or []
    prompt, answer = list[dict[str, str]](), ""
    if messages:
        last = answers_of(messages)[-1]
        prompt, answer = [dict(message) for message in messages[:last]], messages[last]["content"]
    return Example(str(row.get("id") or place), encoded.input_ids, encoded.labels, prompt, answer)


def questions_of(path: Path) -> set[str]:
    """Returns what users say in a dataset, normalised."""
    return {
        normalised(message["content"])
        for _, row in rows(path)
        for message in row.get("messages") or row.get("prompt") or []
        if message["role"] == "user"
    }

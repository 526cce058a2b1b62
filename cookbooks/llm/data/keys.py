"""Says what makes two rows the same:
exactly, or but for case, spaces, punctuation and spelling in Unicode.
"""

import hashlib
import json
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from cookbooks.llm.data.roles import Message


def exact_key(row: Mapping[str, Any]) -> str:
    """Returns the key of a row: one for all rows that say the same, whatever their ids."""
    return _digest(["exact", {name: value for name, value in row.items() if name != "id"}])


def opposite_key(row: Mapping[str, Any]) -> str:
    """Returns the `exact_key` of a pair that prefers the other answer to the same prompt."""
    return exact_key({**row, "chosen": row["rejected"], "rejected": row["chosen"]})


def plain(text: str) -> str:
    """Returns text without case, punctuation, invisible characters and repeated spaces,
    in compatibility form.

    Symbols stay: they are what tells ``2+2`` from ``2<2``. A text of nothing else is kept as it is.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    kept = "".join(_plain(character) for character in folded)
    return " ".join(kept.split()) or " ".join(folded.split())


def _plain(character: str) -> str:
    category = unicodedata.category(character)
    if category.startswith("P"):
        return " "
    return "" if category == "Cf" else character


def group_keys(row: Mapping[str, Any], *, same_prompt: bool, same_answer: bool) -> list[str]:
    """Returns keys of a row: rows that share one belong together; the first stands for the whole row.

    A conversation also has the keys of its beginnings, for each ends in an answer that is learned.
    """
    if "text" in row:
        return [_digest(["row", plain(row["text"])])]
    if "chosen" in row:
        prompt, *sides = (_said(row[name]) for name in ("prompt", "chosen", "rejected"))
        exchanges = [(prompt, side) for side in sides]
        whole = [_digest(["pair", prompt, sides])]
    else:
        said = _said(row["messages"])
        answers = [index for index, (role, _) in enumerate(said) if role == "assistant"]
        exchanges = [(said[:index], said[index : index + 1]) for index in reversed(answers)]
        whole = [_digest(["row", prompt, answer]) for prompt, answer in exchanges]
    prompts = [_digest(["prompt", prompt]) for prompt, _ in exchanges] if same_prompt else []
    return [*whole, *prompts, *(_digest(["answer", answer]) for _, answer in exchanges if same_answer)]


def _said(messages: Sequence[Message]) -> list[list[str]]:
    return [
        [message["role"], plain(message["content"])] for message in messages if message["role"] != "system"
    ]


def _digest(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

"""Checks that llama.cpp cuts text into the tokens that the model was trained on."""

from collections.abc import Iterable
from typing import Any

from cookbooks.llm.llama.library import LlamaError
from cookbooks.llm.scoring.gguf_engine import GgufEngine


def compare_tokenizers(engine: GgufEngine, tokenizer: Any, texts: Iterable[str]) -> None:
    """Compare what both cut texts into, control tokens included.

    Raises:
        LlamaError: at the first difference, which it shows.
    """
    for text in (*texts, "".join(map(str, tokenizer.all_special_tokens))):
        theirs = list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])
        ours = engine.encode(text)
        if ours != theirs:
            raise LlamaError(difference(engine, ours, theirs))


def difference(engine: GgufEngine, ours: list[int], theirs: list[int]) -> str:
    """Describes the first place where two lists of tokens differ."""
    at = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), len(ours))
    before, one, other = (engine.decode(tokens) for tokens in (ours[:at], ours[at:][:3], theirs[at:][:3]))
    return (
        f"llama.cpp cuts text into other tokens than the model's tokenizer: after {before[-30:]!r} it reads"
        f" {one!r} as {ours[at:][:3]}, the tokenizer {other!r} as {theirs[at:][:3]}"
    )

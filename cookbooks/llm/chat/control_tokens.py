"""Finds control tokens inside texts, and writes them so that they are none."""

import functools
from typing import TYPE_CHECKING, Any

from cookbooks.llm.chat.template import control_pattern

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase as Tokenizer


def control_tokens_in(tokenizer: "Tokenizer", text: str) -> list[str]:
    """Returns the control tokens that a text would be cut into; a token for unknown characters is none."""
    found = control_pattern(tokenizer).findall(text)
    if found or _is_literal(tokenizer):
        return found
    special = [token for token in tokenizer.all_special_ids if token != tokenizer.unk_token_id]
    ids = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    return [str(tokenizer.decode([token])) for token in ids if token in special]


@functools.lru_cache(maxsize=8)
def _is_literal(tokenizer: "Tokenizer") -> bool:
    """Returns True if the tokenizer does not change a text before it looks for tokens."""
    backend: Any = getattr(tokenizer, "backend_tokenizer", None)
    return backend is not None and backend.normalizer is None


def neutralised(tokenizer: "Tokenizer", text: str) -> str:
    """Returns the text with a space in each control token,
    ``<|im_end|>`` as ``< |im_end|>``; other text stays.

    Empty where that cannot be done.
    """
    while found := control_tokens_in(tokenizer, text):
        before = text
        for token in found:
            text = text.replace(token, f"{token[0]} {token[1:]}" if len(token) > 1 else "")
        if text == before:
            # it does not stand there as it is written in the vocabulary
            return ""
    return text

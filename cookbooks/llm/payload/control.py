"""Control tokens inside texts: found, and written so that they are none."""

from typing import TYPE_CHECKING

from cookbooks.llm.payload.chat import control_pattern

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase as Tokenizer


def control_tokens_in(tokenizer: "Tokenizer", text: str) -> list[str]:
    """The control tokens that a text would be cut into; a token for unknown characters is none."""
    found = control_pattern(tokenizer).findall(text)
    if found:
        return found
    # a tokenizer may change a text before it looks for tokens
    special = [token for token in tokenizer.all_special_ids if token != tokenizer.unk_token_id]
    ids = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    return [str(tokenizer.decode([token])) for token in ids if token in special]


def neutralised(tokenizer: "Tokenizer", text: str) -> str:
    """The text with a space in each control token, ``<|im_end|>`` as ``< |im_end|>``; other text stays.

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

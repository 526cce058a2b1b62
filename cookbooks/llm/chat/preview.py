"""Shows what will be learned: samples with the learned tokens marked."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from blut_resources.text import lines, markdown_cell
from cookbooks.llm.chat.masking import IGNORE, Encoded, EncodedPair
from cookbooks.llm.chat.template import decoded

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase as Tokenizer

BEGIN, END = "⟦", "⟧"
LIMIT = 1500
"""Characters of a sample that are shown; the end is always among them."""


def marked(tokenizer: "Tokenizer", encoded: Encoded) -> str:
    """Returns the example as the model sees it, what is learned in ``⟦ ⟧``."""
    parts: list[str] = []
    for learned, ids in _runs(encoded):
        text = decoded(tokenizer, ids)
        parts.append(f"{BEGIN}{text}{END}" if learned else text)
    return "".join(parts)


def _runs(encoded: Encoded) -> Iterator[tuple[bool, list[int]]]:
    run: list[int] = []
    before = False
    for token, label in zip(encoded.input_ids, encoded.labels, strict=True):
        learned = label != IGNORE
        if run and learned != before:
            yield before, run
            run = []
        run.append(token)
        before = learned
    if run:
        yield before, run


def as_example(prompt: Sequence[int], completion: Sequence[int]) -> Encoded:
    """Returns one side of a pair as an example."""
    return Encoded([*prompt, *completion], [*[IGNORE] * len(prompt), *completion])


def preview(tokenizer: "Tokenizer", samples: Sequence[tuple[str, Encoded | EncodedPair]]) -> str:
    """Returns Markdown with a fenced block for each sample, under its title."""
    text = [f"The model learns to write what stands in **{BEGIN} {END}**; the rest it only reads."]
    for title, encoded in samples:
        if isinstance(encoded, Encoded):
            text += _block(title, tokenizer, encoded)
            continue
        text += _block(f"{title}, chosen", tokenizer, as_example(encoded.prompt_ids, encoded.chosen_ids))
        text += _block(f"{title}, rejected", tokenizer, as_example(encoded.prompt_ids, encoded.rejected_ids))
    return "\n".join(text) + "\n"


def _block(title: str, tokenizer: "Tokenizer", encoded: Encoded) -> list[str]:
    text = lines(marked(tokenizer, encoded))
    if len(text) > LIMIT:
        text = f"{text[: LIMIT // 2]}\n[… {len(text) - LIMIT} characters …]\n{text[-LIMIT // 2 :]}"
    fence = "```"
    while fence in text:
        fence += "`"
    counts = f"{len(encoded.input_ids)} tokens, {encoded.n_learned} learned"
    return ["", f"**{markdown_cell(title, LIMIT)}** ({counts})", "", fence, text.rstrip("\n"), fence]

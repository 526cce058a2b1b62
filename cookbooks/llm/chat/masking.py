"""Decides which tokens of a row are learned: only the assistant's, for any chat template.

The template itself is asked. For each answer it renders the messages before it with the prompt that
generation starts from; what follows in the rendered conversation is what the model would have to write, up
to and with the token that ends its turn. A template that renders an answer otherwise (one that drops the
thoughts of earlier answers, say) is refused, unless it has ``{% generation %}`` marks of its own.

Trainers and the preview of a dataset use this one module: ids and labels come from here and nowhere else.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from cookbooks.llm.chat.template import (
    MaskError,
    Message,
    added_pattern,
    apply_template,
    control_pattern,
    is_added,
    render,
    template_of,
    tokens_of,
)
from cookbooks.llm.data.roles import is_learned

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase as Tokenizer

IGNORE = -100
"""The label of a token that is not learned."""

Learn = Literal["all", "last", "each"]
"""Of a conversation: every answer in one example, only the last one, or an example for each answer."""

MARKS = re.compile(r"\{%-?\s*generation\b")
EACH = "Set learn: each (an example for each answer) or learn: last, or use a template that renders all alike"
PROMPT = "Use a chat template that renders an answer after its own generation prompt"


class Unstable(MaskError):
    """Says that an answer is rendered otherwise in a conversation than it is asked for."""


@dataclass(frozen=True)
class Encoded:
    """Holds one example for a trainer; ``labels`` are the ids, or `IGNORE`."""

    input_ids: list[int]
    labels: list[int]

    @property
    def n_learned(self) -> int:
        """Returns how many tokens carry a loss."""
        return sum(label != IGNORE for label in self.labels)


@dataclass(frozen=True)
class EncodedPair:
    """Holds one preference pair; both completions end with the token that ends a turn."""

    prompt_ids: list[int]
    chosen_ids: list[int]
    rejected_ids: list[int]


def encode_row(tokenizer: "Tokenizer", row: Mapping[str, Any]) -> list[Encoded]:
    """Returns the examples of a row with ``text`` or ``messages``;
    more than one only where it says ``learn: each``.

    Raises:
        MaskError: it cannot be rendered, or its answers cannot be told exactly.
    """
    if "text" in row:
        return [encode_text(tokenizer, row["text"])]
    return encode_messages(tokenizer, row["messages"], row.get("learn", "all"))


def encode_text(tokenizer: "Tokenizer", text: str) -> Encoded:
    """Encode plain text: every token is learned, and that it ends, but not the token that begins it.

    Raises:
        MaskError: the tokenizer has no token for the end.
    """
    end = tokenizer.eos_token_id
    if end is None:
        raise MaskError("the tokenizer has no eos_token: a model trained with it never stops; set one")
    ids = [*tokenizer(text, verbose=False)["input_ids"]]
    if not ids or ids[-1] != end:
        ids.append(end)
    begins = len(ids) > 1 and ids[0] == tokenizer.bos_token_id
    return Encoded(ids, [IGNORE, *ids[1:]] if begins else list(ids))


def encode_messages(
    tokenizer: "Tokenizer", messages: Sequence[Message], learn: Learn = "all"
) -> list[Encoded]:
    """Returns the examples of a conversation.

    Raises:
        MaskError: the template refuses it, its answers cannot be told exactly, or it has none.
    """
    answers = answers_of(messages)
    if not answers:
        raise MaskError("no message is an answer that is learned: nothing would be learned")
    if learn == "each":
        return [_encode(tokenizer, messages[: index + 1], [index]) for index in answers]
    return [_encode(tokenizer, messages, answers if learn == "all" else answers[-1:])]


def answers_of(messages: Sequence[Message]) -> list[int]:
    """Returns the places of the answers that are learned."""
    return [index for index, message in enumerate(messages) if is_learned(message)]


def encode_pair(tokenizer: "Tokenizer", row: Mapping[str, Any]) -> EncodedPair:
    """Returns the prompt and both completions of a preference row.

    Raises:
        MaskError: as `encode_messages`, or the two sides see different prompts.
    """
    prompt, chosen = _completion(tokenizer, [*row["prompt"], *row["chosen"]])
    other, rejected = _completion(tokenizer, [*row["prompt"], *row["rejected"]])
    if prompt != other:
        raise MaskError("the chat template renders the prompt otherwise for chosen than for rejected")
    return EncodedPair(prompt, chosen, rejected)


def _completion(tokenizer: "Tokenizer", messages: Sequence[Message]) -> tuple[list[int], list[int]]:
    encoded = encode_messages(tokenizer, messages, "last")[0]
    learned = [index for index, label in enumerate(encoded.labels) if label != IGNORE]
    return encoded.input_ids[: learned[0]], encoded.input_ids[learned[0] : learned[-1] + 1]


def _encode(tokenizer: "Tokenizer", messages: Sequence[Message], answers: Sequence[int]) -> Encoded:
    try:
        text, spans = learned_spans(tokenizer, messages, answers)
    except Unstable:
        if not MARKS.search(template_of(tokenizer)):
            raise
        return _by_marks(tokenizer, messages, answers)
    tokens = tokens_of(tokenizer, text, [start for start, _ in spans])
    labels = [IGNORE] * len(tokens.ids)
    for start, end in spans:
        learned = slice(tokens.at(start), tokens.at(end))
        labels[learned] = tokens.ids[learned]
    return Encoded(tokens.ids, labels)


def learned_spans(
    tokenizer: "Tokenizer", messages: Sequence[Message], answers: Sequence[int]
) -> tuple[str, list[tuple[int, int]]]:
    """Returns the rendered conversation, and for each of these answers where it is learned, in characters.

    Raises:
        Unstable: an answer is rendered otherwise in the conversation than it is asked for.
        MaskError: the template refuses the conversation, or does not end an answer.
    """
    full = render(tokenizer, messages)
    return full, [_span(tokenizer, messages, index, full) for index in answers]


def _span(tokenizer: "Tokenizer", messages: Sequence[Message], index: int, full: str) -> tuple[int, int]:
    before = render(tokenizer, messages[:index], prompt=True)
    last = index == len(messages) - 1
    alone = full if last else render(tokenizer, messages[: index + 1])
    if not alone.startswith(before):
        raise Unstable(f"{_differs(alone, before, 'an answer', 'the model is asked for one with')}. {PROMPT}")
    end = _same(tokenizer, alone, full)
    if end < len(before) or control_pattern(tokenizer).sub("", alone[end:]).strip():
        what = f"answer {index} in a conversation"
        raise Unstable(f"{_differs(full, alone, what, 'as the last message')}. {EACH}")
    content = messages[index]["content"].strip()
    start = len(before)
    if not full[start:].lstrip().startswith(content) and before == render(tokenizer, messages[:index]):
        # no prompt for generation in this template: the header before the answer is not the model's to write
        start = max(start, full.find(content, start))
    return start, _turn_end(tokenizer, full, start, end, content, last)


def _same(tokenizer: "Tokenizer", alone: str, full: str) -> int:
    """Returns how far two renderings agree, without cutting through an added token."""
    shared = _common(alone, full)
    for text in {alone, full}:
        for match in added_pattern(tokenizer).finditer(text):
            if match.start() < shared < match.end():
                shared = match.start()
    return shared


def _turn_end(tokenizer: "Tokenizer", full: str, start: int, end: int, content: str, last: bool) -> int:
    if content.split("</think>")[-1].strip() not in full[start:end]:
        raise MaskError(
            f"the model's chat template leaves out the answer {content[:40]!r}: it is not for text"
        )
    found = [match.end() for match in added_pattern(tokenizer).finditer(full, start, end)]
    if found and not full[found[-1] : end].strip():
        return found[-1]
    shown = full[start:end].rstrip()[-20:]
    if last:
        raise MaskError(
            f"the chat template ends the answer {shown!r} with no token of its own: a model trained with it"
            " never stops. Use a template that writes eos_token after each answer"
        )
    raise Unstable(
        f"the chat template ends the answer {shown!r} with {full[end : end + 20]!r} where another message"
        f" follows: the model would not learn to stop there. {EACH}"
    )


def _common(one: str, other: str) -> int:
    if other.startswith(one):
        return len(one)
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(other))


def _differs(full: str, other: str, what: str, when: str) -> str:
    shared = _common(other, full)
    shown = [repr(text[shared : shared + 40]) if text[shared:] else "nothing more" for text in (full, other)]
    return f"the chat template renders {what} as {shown[0]}, but {when} {shown[1]}"


def _by_marks(tokenizer: "Tokenizer", messages: Sequence[Message], answers: Sequence[int]) -> Encoded:
    """Encode by the template's own ``{% generation %}`` marks."""
    options = {"tokenize": True, "return_dict": True, "return_assistant_tokens_mask": True}
    found = apply_template(tokenizer, messages, **options)
    ids = list(found["input_ids"])
    runs = [(start, _trimmed(tokenizer, ids, start, end)) for start, end in _runs(found["assistant_masks"])]
    if not runs:
        raise MaskError("the {% generation %} marks of the chat template mark nothing: mend or remove them")
    if any(not is_added(tokenizer, ids[end - 1]) for _, end in runs):
        raise MaskError(
            "the {% generation %} marks of the chat template leave out the token that ends an answer: a model"
            " trained with it never stops. Put {% endgeneration %} after it"
        )
    labels = [IGNORE] * len(ids)
    for start, end in _chosen(runs, messages, answers):
        labels[start:end] = ids[start:end]
    return Encoded(ids, labels)


def _chosen(
    runs: list[tuple[int, int]], messages: Sequence[Message], answers: Sequence[int]
) -> list[tuple[int, int]]:
    """Returns the marked parts of these answers."""
    said = [index for index, message in enumerate(messages) if message["role"] == "assistant"]
    if len(answers) == len(said):
        return runs
    if [*answers] == said[-1:]:
        return runs[-1:]
    if len(runs) != len(said):
        raise MaskError(
            f"the {{% generation %}} marks of the chat template mark {len(runs)} parts of {len(said)}"
            " answers, so that one with weight 0 cannot be told: mend or remove the marks"
        )
    return [run for index, run in zip(said, runs, strict=True) if index in answers]


def _runs(mask: Sequence[int]) -> Iterator[tuple[int, int]]:
    start = None
    for index, value in enumerate([*mask, 0]):
        if value and start is None:
            start = index
        elif not value and start is not None:
            yield start, index
            start = None


def _trimmed(tokenizer: "Tokenizer", ids: list[int], start: int, end: int) -> int:
    """Returns the end of a run without the blanks that some templates write after the end of a turn."""
    while end - 1 > start and not is_added(tokenizer, ids[end - 1]):
        if str(tokenizer.decode([ids[end - 1]])).strip():
            break
        end -= 1
    return end

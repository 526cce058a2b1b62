"""Reads a chat template as blocks: one text before and after what each role says.

Most templates are that, though written as programs; who has no Jinja can still say blocks. What is read is
rendered both ways for several conversations, and refused where one comes out otherwise.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

from cookbooks.llm.models.directory import TODAY

SYSTEM, USER, ASSISTANT = "system", "user", "assistant"
GENERATION = re.compile(r"\{%-?\s*(?:end)?generation\s*-?%\}")
"""A tag of transformers that marks what is learned; it writes nothing."""
WORDS = ("qsaq", "quaq", "qabq", "qucq", "qadq", "queq")
"""Stand for what is said: templates look for nothing like it."""
Conversation = Sequence[tuple[str, str]]


class NotBlocks(ValueError):
    """Says what of a chat template is more than blocks."""


class Block(NamedTuple):
    """Holds what stands before and after the words of a role."""

    before: str
    after: str

    def around(self, words: str) -> str:
        """Returns them as the template writes them."""
        return f"{self.before}{words}{self.after}"


@dataclass(frozen=True)
class Blocks:
    """Holds a chat template as blocks.

    Attributes:
        start: stands first where no system message does, such as one that the model has by default.
        system: None where the template has no such part.
        prompt: what the model's answer is written after.
    """

    start: str
    system: Block | None
    user: Block
    assistant: Block
    prompt: str

    def render(self, conversation: Conversation) -> str:
        """Returns the text of a conversation whose answer is to be generated."""
        roles = {SYSTEM: self.system, USER: self.user, ASSISTANT: self.assistant}
        said = [block.around(words) for role, words in conversation if (block := roles[role])]
        return "".join(["" if conversation[0][0] == SYSTEM else self.start, *said, self.prompt])


def read_blocks(template: str, tokens: dict[str, str], *, starts_itself: bool) -> Blocks:
    """Returns the blocks of a chat template, with the date that it was rendered with in training.

    Args:
        template: Jinja, as transformers renders it.
        tokens: ``bos_token``, ``eos_token`` and the like, by name.
        starts_itself: whether the program that is told the blocks writes ``bos_token`` first by itself.

    Raises:
        NotBlocks: it is more than that, or is not understood.
    """
    write = _renderer(template, tokens, tokens.get("bos_token", "") if starts_itself else "")
    s, u, a, again, answer, last = WORDS
    one = write([(USER, u)], False)
    prompt = _after(write([(USER, u)], True), one)
    before, after = _cut(one, u)
    # before a last answer some write an empty thought, and before those that are asked on about none
    _, end = _cut(_after(write([(USER, u), (ASSISTANT, a)], False), one), a)
    begin, rest = _cut(_after(write([(USER, u), (ASSISTANT, a), (USER, again)], False), one), a)
    assistant, user = Block(begin, end), Block(*_cut(_after(rest, end), again))
    if user.after != after or not before.endswith(user.before):
        raise NotBlocks("it writes the first user message otherwise than the next")
    start = before.removesuffix(user.before)
    found = Blocks(start, _system(write, s, u, user), user, assistant, prompt)
    talk: list[tuple[str, str]] = [
        (USER, u),
        (ASSISTANT, a),
        (USER, again),
        (ASSISTANT, answer),
        (USER, last),
    ]
    heads: list[list[tuple[str, str]]] = [[], *([[(SYSTEM, s)]] if found.system else [])]
    for conversation in [[*head, *talk[:turns]] for head in heads for turns in (1, 3, 5)]:
        if write(conversation, True) != found.render(conversation):
            roles = ", ".join(role for role, _ in conversation)
            raise NotBlocks(
                f"a conversation of {roles} comes out otherwise than by one text around each message"
            )
    return found


def _system(write: Callable[[Conversation, bool], str], words: str, asked: str, user: Block) -> Block | None:
    """Returns the block of a system message; None where it is refused, left out, or put into another."""
    try:
        text = write([(SYSTEM, words), (USER, asked)], False)
    except NotBlocks:
        return None
    rest = user.around(asked)
    return Block(*_cut(text.removesuffix(rest), words)) if words in text and text.endswith(rest) else None


def _renderer(template: str, tokens: dict[str, str], bos: str) -> Callable[[Conversation, bool], str]:
    """Returns what renders as transformers does, less a ``bos`` at the start."""
    import jinja2
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(message: str) -> NoReturn:
        raise jinja2.TemplateError(message)

    def as_json(value: Any, **how: Any) -> str:
        return json.dumps(value, ensure_ascii=False, **how)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
    )
    environment.filters["tojson"] = as_json
    environment.globals |= {"raise_exception": refuse, "strftime_now": TODAY.strftime}

    try:
        parsed = environment.from_string(GENERATION.sub("", template))
    except jinja2.TemplateError as error:
        raise NotBlocks(f"it cannot be rendered: {error}") from error

    def write(conversation: Conversation, prompt: bool) -> str:
        messages = [{"role": role, "content": words} for role, words in conversation]
        try:
            text = parsed.render(messages=messages, add_generation_prompt=prompt, **tokens)
        except (jinja2.TemplateError, TypeError, ValueError, KeyError, IndexError) as error:
            raise NotBlocks(f"it cannot be rendered: {error}") from error
        return text.removeprefix(bos)

    return write


def _after(text: str, before: str) -> str:
    if not text.startswith(before):
        raise NotBlocks("what it writes of a message depends on what follows")
    return text.removeprefix(before)


def _cut(text: str, words: str) -> tuple[str, str]:
    if text.count(words) != 1:
        raise NotBlocks("it leaves out what a message says, or says it twice")
    before, _, after = text.partition(words)
    return before, after

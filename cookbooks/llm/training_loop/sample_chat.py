"""Shows what a model says to a few prompts before and after its training: not a part of the result.

Nothing is drawn at random, and the model is left as it was. What goes wrong here costs the sample, never the
training.
"""

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cookbooks.llm.chat.template import render
from cookbooks.llm.training_loop.examples import rows
from cookbooks.llm.training_loop.process import say
from cookbooks.llm.training_loop.score import as_in_training
from cookbooks.llm.training_loop.teacher_answers import ends_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase as Tokenizer
    from transformers import Trainer

HELD_OUT, MOST, LOOKED_AT = 2, 3, 50
"""Held-out prompts, prompts at all, and rows among which short ones are sought."""
PROMPT_TOKENS, TEXT_TOKENS, ANSWER_TOKENS = 256, 32, 32
SECONDS = 10.0
"""For all answers before, and again after: a large model on a CPU says less."""


class Prompt(NamedTuple):
    """Holds what is asked: a question, or the beginning of a ``text``."""

    kind: str
    text: str
    ids: list[int]


class SampleChat:
    """Answers the same prompts as often as it is asked for."""

    def __init__(self, tokenizer: "Tokenizer", held: Path, questions: Sequence[str]) -> None:
        self._tokenizer = tokenizer
        self._said: dict[str, list[str]] = {}
        self._prompts = self._unharmed(lambda: _prompts(tokenizer, held, questions)) or []

    def ask(self, trainer: "Trainer", when: str) -> None:
        """Let the trainer's model answer, greedily; ``when`` names the answers."""
        self._said[when] = self._unharmed(lambda: _answers(trainer, self._tokenizer, self._prompts)) or []

    @property
    def samples(self) -> list[dict[str, str]]:
        """Returns, of each prompt that was answered every time, ``kind``, ``prompt``,
        and the answers by name.
        """
        found = zip(self._prompts, *self._said.values(), strict=False)
        return [
            {"kind": prompt.kind, "prompt": prompt.text, **dict(zip(self._said, said, strict=True))}
            for prompt, *said in found
        ]

    @staticmethod
    def _unharmed(look: Callable[[], Any]) -> Any:
        try:
            return look()
        except Exception as error:
            say(f"sample chat: left out: {type(error).__name__}: {error}")
            return None


def _prompts(tokenizer: "Tokenizer", held: Path, questions: Sequence[str]) -> list[Prompt]:
    """Returns the questions of the user's first, then held-out prompts that are short, each once."""
    asked = [{"messages": [{"role": "user", "content": text}]} for text in questions[:HELD_OUT]]
    found: dict[str, Prompt] = {}
    for row in [*asked, *(row for _, row in itertools.islice(rows(held), LOOKED_AT))]:
        prompt = _prompt(tokenizer, row)
        if prompt and len(prompt.ids) <= PROMPT_TOKENS:
            found.setdefault(prompt.text, prompt)
        if len(found) == min(MOST, len(asked) + HELD_OUT):
            break
    return [*found.values()]


def _prompt(tokenizer: "Tokenizer", row: Mapping[str, Any]) -> Prompt | None:
    """Returns the prompt of a row of the normal form;
    None where the model has no template to render it with.
    """
    if "text" in row:
        ids = list(tokenizer(row["text"], verbose=False)["input_ids"])
        ids = ids[: min(TEXT_TOKENS, len(ids) // 2)]
        return Prompt("text", str(tokenizer.decode(ids, skip_special_tokens=True)), ids) if ids else None
    if not tokenizer.chat_template:
        return None
    messages = row["prompt"] if "prompt" in row else _before_answer(row["messages"])
    ids = tokenizer(render(tokenizer, messages, prompt=True), add_special_tokens=False, verbose=False)
    return Prompt("question", messages[-1]["content"], list(ids["input_ids"]))


def _before_answer(messages: Sequence[Mapping[str, str]]) -> Sequence[Mapping[str, str]]:
    return messages[:-1] if messages[-1]["role"] == "assistant" else messages


def _answers(trainer: "Trainer", tokenizer: "Tokenizer", prompts: Sequence[Prompt]) -> list[str]:
    import torch

    model: Any = trainer.model
    ends, was_training = ends_of(model, tokenizer), model.training
    gpus = [trainer.args.device] if trainer.args.device.type == "cuda" else []
    deadline, found = time.monotonic() + SECONDS, []
    model.eval()
    try:
        with torch.no_grad(), torch.random.fork_rng(gpus), as_in_training(trainer.args):
            for prompt in prompts:
                if time.monotonic() > deadline:
                    break
                words = list(_words(model, prompt.ids, ends, deadline))
                ended = bool(words) and words[-1] in ends
                text = tokenizer.decode(words[: len(words) - ended], clean_up_tokenization_spaces=False)
                found.append(f"{text}{'' if ended else ' ...'}")
    finally:
        model.train(was_training)
    return found


def _words(model: Any, ids: Sequence[int], ends: set[int], deadline: float) -> Iterator[int]:
    """Yields the likeliest tokens after these, up to one that ends an answer."""
    import torch

    given, past = list(ids), None
    for _ in range(ANSWER_TOKENS):
        if time.monotonic() > deadline:
            return
        inputs = torch.tensor([given], device=model.device)
        out = model(input_ids=inputs, past_key_values=past, use_cache=True, logits_to_keep=1)
        past, token = out.past_key_values, int(out.logits[0, -1].argmax())
        yield token
        if token in ends:
            return
        given = [token]

"""Brings preference pairs in their shapes to their normal form.

1. ``prompt``, ``chosen`` and ``rejected`` as strings;
2. ``prompt`` as messages or a string, ``chosen`` and ``rejected`` as messages, the prompt in front or not;
3. ``chosen`` and ``rejected`` as whole conversations without a ``prompt``: what they share is the prompt;
4. the same as transcripts, ``\\n\\nHuman: … \\n\\nAssistant: …``;
5. OpenAI's rows: ``input`` with ``messages``, ``preferred_output`` and ``non_preferred_output``;
6. LLaMA-Factory's: ``conversations`` with one message each as ``chosen`` and ``rejected``, or Alpaca's
   ``instruction`` and ``input`` in place of the prompt.

The two sides are one answer each, and differ.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from cookbooks.llm.data.formats import LOSSY_ROW, Normaliser, asked, refuse_lossy, string, unknown
from cookbooks.llm.data.problems import RowError, shorten
from cookbooks.llm.data.reading import kind_of
from cookbooks.llm.data.roles import Message, conversation

PAIR_KEYS = ("prompt", "chosen", "rejected", "system")
SIDES = ("chosen", "rejected")
TURN = re.compile(r"(?:\A|\n\n)(Human|Assistant):[ \t]?")


@dataclass
class PreferenceNormaliser:
    """Brings pairs to the normal form; counts what it passed over."""

    normaliser: Normaliser = field(default_factory=Normaliser)

    def __call__(self, value: dict[str, Any], place: str) -> dict[str, Any]:
        """Returns the normal form of one pair, without its id.

        Raises:
            RowError: it has none.
        """
        value = _usual(self.normaliser.renamed(value))
        if not set(SIDES) <= value.keys():
            raise unknown(value, "chosen and rejected, and mostly prompt", list(PAIR_KEYS))
        refuse_lossy(value, LOSSY_ROW, "")
        shape, prompt, sides = self._parts(value)
        self.normaliser.refuse_mixture(shape, place)
        if value.get("system") and (not prompt or prompt[0]["role"] != "system"):
            prompt = [{"role": "system", "content": string(value, "system")}, *prompt]
        sides = {name: self._side(prompt, sides[name], name) for name in SIDES}
        # nothing of a prompt is learned anyway
        prompt = [{"role": one["role"], "content": one["content"]} for one in prompt]
        prompt = conversation([*prompt, *sides["chosen"]], "prompt", self.normaliser.consecutive)[:-1]
        _refuse_same(sides)
        for key in value.keys() - {*PAIR_KEYS, "id"}:
            self.normaliser.passed_over[key] += 1
        return {"prompt": prompt, **sides}

    def _parts(self, value: dict[str, Any]) -> tuple[str, list[Message], dict[str, list[Message]]]:
        types = {name: type(value[name]) for name in SIDES}
        if types["chosen"] is not types["rejected"] or types["chosen"] not in (str, list):
            what = f"is {kind_of(value['chosen'])}, and rejected is {kind_of(value['rejected'])}"
            remedy = "write both as strings, or both as lists of messages"
            raise RowError("wrong type", "chosen", what, remedy)
        if types["chosen"] is str:
            return self._strings(value)
        sides = {name: self.normaliser.messages(value[name], name) for name in SIDES}
        if value.get("prompt") is None:
            return "conversations", *_shared(sides)
        return "messages", self._prompt(value["prompt"]), sides

    def _strings(self, value: dict[str, Any]) -> tuple[str, list[Message], dict[str, list[Message]]]:
        if value.get("prompt") is not None:
            sides = {name: [{"role": "assistant", "content": value[name]}] for name in SIDES}
            return "strings", self._prompt(value["prompt"]), sides
        if not all(TURN.match(value[name]) for name in SIDES):
            what = "is missing, and chosen is neither a list of messages nor a transcript"
            raise RowError("missing field", "prompt", what, "write the prompt that both answer")
        return "transcripts", *_shared({name: _transcript(value[name]) for name in SIDES})

    def _prompt(self, value: Any) -> list[Message]:
        if not isinstance(value, str):
            return self.normaliser.messages(value, "prompt")
        if TURN.match(value):
            turns = _transcript(value)
            if turns[-1] == {"role": "assistant", "content": ""}:
                turns.pop()
            return turns
        return [{"role": "user", "content": value}]

    def _side(self, prompt: list[Message], side: list[Message], name: str) -> list[Message]:
        """Returns the one answer of a side; a prompt that stands in front of it again goes."""
        if len(side) > len(prompt) and side[: len(prompt)] == prompt:
            side = side[len(prompt) :]
        if len(side) != 1 or side[0]["role"] != "assistant":
            what = f"is {', '.join(message['role'] for message in side)}, not one answer to the prompt"
            raise RowError("role", name, what, "put all that comes before the answer into prompt")
        if "weight" in side[0]:
            remedy = "both answers of a pair are learned from; remove the key, or the pair"
            raise RowError("unsupported field", f"{name}[0].weight", "is 0", remedy)
        if not side[0]["content"].strip():
            raise RowError("empty answer", f"{name}[0].content", "the answer is empty", "remove the pair")
        return side


def _usual(value: dict[str, Any]) -> dict[str, Any]:
    """Returns a row of another program with the keys of the first shapes."""
    given = value.get("input")
    if {"preferred_output", "non_preferred_output"} <= value.keys() and isinstance(given, dict):
        refuse_lossy(given, LOSSY_ROW, "input.")
        kept = {"id": value["id"]} if "id" in value else {}
        sides = {"chosen": value["preferred_output"], "rejected": value["non_preferred_output"]}
        return {**kept, "prompt": given.get("messages"), **sides}
    if "prompt" in value or not set(SIDES) <= value.keys():
        return value
    rest = {key: held for key, held in value.items() if key not in ("conversations", "instruction", "input")}
    if "conversations" in value:
        sides = {name: [value[name]] if isinstance(value[name], dict) else value[name] for name in SIDES}
        return {**rest, "prompt": value["conversations"], **sides}
    if "instruction" in value:
        return {**rest, "prompt": asked(value)}
    return value


def _shared(sides: dict[str, list[Message]]) -> tuple[list[Message], dict[str, list[Message]]]:
    """Returns what two conversations begin with, and what is left of each."""
    chosen, rejected = sides["chosen"], sides["rejected"]
    length = 0
    while length < min(len(chosen), len(rejected)) - 1 and chosen[length] == rejected[length]:
        length += 1
    if not length:
        what = "is missing, and chosen and rejected share no beginning"
        raise RowError("missing field", "prompt", what, "write the prompt that both answer")
    return chosen[:length], {"chosen": chosen[length:], "rejected": rejected[length:]}


def _transcript(text: str) -> list[Message]:
    _, *parts = TURN.split(text)
    roles = {"Human": "user", "Assistant": "assistant"}
    return [
        {"role": roles[speaker], "content": said.strip()}
        for speaker, said in zip(parts[::2], parts[1::2], strict=True)
    ]


def _refuse_same(sides: dict[str, list[Message]]) -> None:
    chosen, rejected = (sides[name][0]["content"].strip() for name in SIDES)
    if chosen == rejected:
        what = f"is the same as chosen: {shorten(rejected)}"
        raise RowError("same answers", "rejected", what, "nothing can be learned from it; remove the pair")

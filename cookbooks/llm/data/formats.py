"""Tells which format a row of examples is in, and brings it to its normal form."""

import difflib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from cookbooks.llm.data.problems import RowError, shorten
from cookbooks.llm.data.reading import kind_of
from cookbooks.llm.data.roles import ROLES, SHAREGPT, Consecutive, Message, conversation, role_of

Format = Literal["auto", "text", "prompt_completion", "messages", "sharegpt", "alpaca"]
ALIASES = {"answer": "completion", "response": "completion", "question": "prompt"}
"""Other names of keys in ``columns``."""
LISTS = ("messages", "conversations", "conversation")
KEYS: dict[str, tuple[str, ...]] = {
    "text": ("text",),
    "prompt_completion": ("prompt", "completion"),
    "messages": LISTS,
    "sharegpt": (*LISTS, "system"),
    "alpaca": ("instruction", "input", "output", "system", "history"),
}
"""The keys of each format; others are passed over and counted."""

KNOWN = "text; messages; conversations; prompt and completion; instruction and output"
LOSSY_ROW = ("tools", "functions", "images", "image", "audio", "audios", "videos", "chat_template_kwargs")
LOSSY_MESSAGE = (
    *("tool_calls", "function_call", "images", "image", "audio", "refusal"),
    *("reasoning_content", "reasoning", "thinking"),
)
"""Keys that change what is learned; passing over them would be a silent mistake."""

WEIGHTS = ("weight", "train", "loss")
"""Keys of a message by which other programs say whether an answer is learned."""
MESSAGE_REMEDY = {
    "reasoning_content": "write it into content as <think>…</think>, if the model's template has such a part",
}


@dataclass
class Normaliser:
    """Brings rows to the normal form; counts what it passed over or changed."""

    format: str = "auto"
    mixed: bool = False
    roles: Mapping[str, str] = field(default_factory=dict)
    consecutive: Consecutive = "refuse"
    columns: Mapping[str, str] = field(default_factory=dict)
    """Key of a format -> what it is called in the rows."""
    passed_over: Counter[str] = field(default_factory=Counter)
    merged: int = 0
    found: dict[str, str] = field(default_factory=dict)
    """Format -> the place where it was first seen."""

    def __call__(self, value: dict[str, Any], place: str) -> dict[str, Any]:
        """Returns the normal form of one row, without its id.

        Raises:
            RowError: it has none.
        """
        value = self.renamed(value)
        name = detect(value) if self.format == "auto" else self.format
        self.refuse_mixture(name, place)
        result = NORMAL[name](self, value)
        for key in value.keys() - {*KEYS[name], "id"}:
            self.passed_over[key] += 1
        refuse_lossy(value, LOSSY_ROW, "")
        return result

    def renamed(self, value: dict[str, Any]) -> dict[str, Any]:
        """Returns a row with the keys of its format.

        Raises:
            RowError: a column is missing.
        """
        if not self.columns:
            return value
        named = set(self.columns.values())
        if missing := sorted(named - value.keys()):
            what = f"is missing; the columns are {', '.join(sorted(value)[:8]) or 'none'}"
            raise RowError("missing field", missing[0], what, "mend columns, or the row")
        kept = {key: held for key, held in value.items() if key not in named}
        return {**kept, **{ALIASES.get(key, key): value[column] for key, column in self.columns.items()}}

    def refuse_mixture(self, name: str, place: str) -> None:
        """Note the format of a row.

        Raises:
            RowError: rows before were in another one, and that is not accepted.
        """
        others = [other for other in self.found if other != name]
        if others and not self.mixed:
            remedy = "put each format into a file of its own, or set mixed: accept"
            first = f"the rows from {self.found[others[0]]} on are {others[0]}"
            raise RowError("mixed formats", "format", f"is {name}, but {first}", remedy)
        if [other for other in others if (other == "text") != (name == "text")]:
            remedy = "plain text and conversations are two datasets: separate them"
            raise RowError("mixed formats", "format", f"is {name} among {others[0]}", remedy)
        self.found.setdefault(name, place)

    def conversation(self, messages: list[Message], where: str) -> dict[str, Any]:
        """Returns messages as a row, if their order can be learned."""
        kept = conversation(messages, where, self.consecutive)
        if self.consecutive == "merge":
            self.merged += sum(1 for message in messages if message["content"].strip()) > len(kept)
        return {"messages": kept}

    def messages(self, value: Any, where: str) -> list[Message]:
        """Returns checked messages out of a list with ``role``/``content`` or ``from``/``value``."""
        found = []
        for index, item in enumerate(_list(value, where)):
            at = f"{where}[{index}]"
            if not isinstance(item, dict):
                what = f"is {kind_of(item)}, not an object"
                raise RowError("wrong type", at, what, 'write {"role": "user", "content": "…"}')
            found.append(self.message(item, at))
        return found

    def message(self, item: dict[str, Any], at: str) -> Message:
        """Returns one checked message.

        Args:
            at: where it stands in its row; empty if it is the row.
        """
        before = f"{at}." if at else ""
        old = "from" in item and "role" not in item
        speaker, said = ("from", "value") if old else ("role", "content")
        refuse_lossy(item, LOSSY_MESSAGE, before)
        spelling = string(item, speaker, at)
        spellings = SHAREGPT if old else {role: role for role in ROLES}
        role = role_of(spelling, f"{before}{speaker}", spellings, self.roles)
        unlearned = {} if role != "assistant" or _weight(item, at) else {"weight": 0}
        return {"role": role, "content": _content(item, said, at), **unlearned}


def check_columns(columns: Mapping[str, str], keys: Iterable[str]) -> None:
    """Refuse a mapping of columns to what no format has.

    Raises:
        ValueError: naming the key and those that there are.
    """
    for key in columns:
        if ALIASES.get(key, key) not in keys:
            raise ValueError(f"columns: {key!r} is none of {', '.join(dict.fromkeys([*keys, *ALIASES]))}")


def detect(value: Mapping[str, Any]) -> str:
    """Returns the format of a row by its keys.

    Raises:
        RowError: none fits, or more than one.
    """
    found = [name for name, keys in _signs(value).items() if keys]
    if len(found) == 1:
        return found[0]
    if found:
        what = f"could be {' or '.join(found)}"
        remedy = f"remove the keys of the others, or set format: {found[0]}"
        if "text" in found:
            # mostly the same conversation, rendered for some model: to learn it is to learn the questions too
            remedy += "; text would be learned whole, also what others say in it"
        raise RowError("ambiguous format", "format", what, remedy)
    if {"chosen", "rejected"} <= value.keys():
        remedy = "use the recipe dpo_from_preferences"
        raise RowError("unknown format", "format", "is a preference pair, not an example", remedy)
    if isinstance(value.get("mapping"), dict) or isinstance(value.get("chat_messages"), list):
        what = "is a conversation that a chat program exported"
        raise RowError("unknown format", "format", what, "use the recipe finetune_from_conversations")
    raise unknown(value, KNOWN, [key for keys in KEYS.values() for key in keys])


def unknown(value: Mapping[str, Any], known: str, words: list[str]) -> RowError:
    """Returns what to say of a row in no known format."""
    keys = ", ".join(sorted(value)[:8]) or "none"
    near = [
        f"{key!r} for {match[0]!r}"
        for key in value
        if key not in words and (match := difflib.get_close_matches(key.casefold(), words, 1, 0.75))
    ]
    hint = f" (perhaps {', '.join(near)})" if near else ""
    what = f"is in no known format; its keys are {keys}{hint}"
    remedy = f"a row has {known}; or say what the columns are, such as columns: {{prompt: question}}"
    return RowError("unknown format", "format", what, remedy)


def _signs(value: Mapping[str, Any]) -> dict[str, bool]:
    lists = [value[key] for key in LISTS if key in value]
    first = next((item for held in lists if isinstance(held, list) for item in held[:1]), None)
    sharegpt = isinstance(first, dict) and "from" in first and "role" not in first
    return {
        "messages": bool(lists) and not sharegpt,
        "sharegpt": sharegpt,
        "prompt_completion": {"prompt", "completion"} <= value.keys(),
        "alpaca": {"instruction", "output"} <= value.keys(),
        "text": "text" in value,
    }


def _text(_normaliser: Normaliser, value: dict[str, Any]) -> dict[str, Any]:
    text = string(value, "text")
    if not text.strip():
        raise RowError("empty message", "text", "is empty", "write it, or remove the row")
    return {"text": text}


def _messages(normaliser: Normaliser, value: dict[str, Any]) -> dict[str, Any]:
    keys = [key for key in LISTS if key in value]
    if len(keys) != 1:
        what = f"has {' and '.join(keys) or 'no list of messages'}"
        raise RowError("ambiguous format", "messages", what, f"give exactly one of {', '.join(LISTS)}")
    messages = normaliser.messages(value[keys[0]], keys[0])
    if value.get("system") and messages and messages[0]["role"] != "system":
        messages.insert(0, {"role": "system", "content": string(value, "system")})
    return normaliser.conversation(messages, keys[0])


def _prompt_completion(normaliser: Normaliser, value: dict[str, Any]) -> dict[str, Any]:
    if isinstance(value.get("prompt"), list) and isinstance(value.get("completion"), list):
        messages = [*normaliser.messages(value["prompt"], "prompt")]
        messages += normaliser.messages(value["completion"], "completion")
        return normaliser.conversation(messages, "messages")
    prompt, completion = string(value, "prompt"), string(value, "completion")
    return normaliser.conversation(exchange(prompt, completion), "messages")


def _alpaca(normaliser: Normaliser, value: dict[str, Any]) -> dict[str, Any]:
    output = string(value, "output")
    messages: list[Message] = []
    if value.get("system"):
        messages.append({"role": "system", "content": string(value, "system")})
    for index, pair in enumerate(
        _list(value.get("history") or [[]], "history") if value.get("history") else []
    ):
        if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(one, str) for one in pair)):
            raise RowError("wrong type", f"history[{index}]", "is no pair of strings", 'write ["…", "…"]')
        messages += exchange(*pair)
    return normaliser.conversation([*messages, *exchange(asked(value), output)], "messages")


def asked(value: Mapping[str, Any]) -> str:
    """Returns what a row of Alpaca's asks: the instruction, and what it is about.

    Raises:
        RowError: either is of another type than text.
    """
    instruction, given = string(value, "instruction"), value.get("input")
    if given is not None and not isinstance(given, str):
        raise RowError("wrong type", "input", f"is {kind_of(given)}", "write a string, or leave it out")
    return f"{instruction}\n\n{given}" if given and given.strip() else instruction


NORMAL: dict[str, Callable[[Normaliser, dict[str, Any]], dict[str, Any]]] = {
    "text": _text,
    "messages": _messages,
    "sharegpt": _messages,
    "prompt_completion": _prompt_completion,
    "alpaca": _alpaca,
}


def exchange(asked: str, answered: str) -> list[Message]:
    """Returns one question and its answer."""
    return [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]


def string(value: Mapping[str, Any], key: str, at: str = "") -> str:
    """Returns a field that must be a string.

    Raises:
        RowError: it is missing or of another type.
    """
    where = f"{at}.{key}" if at else key
    if key not in value:
        raise RowError("missing field", where, "is missing", f"each {'message' if at else 'row'} has it")
    found = value[key]
    if not isinstance(found, str):
        what = f"is {kind_of(found)}, not a string: {shorten(found)}"
        raise RowError("wrong type", where, what, "write the text as a string")
    return found


def _content(item: Mapping[str, Any], key: str, at: str) -> str:
    """Returns what a message says: a string, or a list of parts that are all text."""
    found = item.get(key)
    if not isinstance(found, list):
        return string(item, key, at)
    parts = [
        part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None for part in found
    ]
    if not parts or not all(isinstance(part, str) for part in parts):
        what = "has parts that are not text"
        raise RowError("wrong type", f"{at}.{key}", what, "only text can be learned: remove the other parts")
    return "".join(part for part in parts if part)


def _weight(item: Mapping[str, Any], at: str) -> bool:
    """Returns False for an answer that is not to be learned."""
    for key in WEIGHTS:
        held = item.get(key)
        if held is None:
            continue
        if held not in (0, 1):
            what, remedy = f"is {shorten(held)}", "write 0 (not learned) or 1; shares are not weighed"
            raise RowError("wrong type", f"{at}.{key}", what, remedy)
        if not held:
            return False
    return True


def _list(value: Any, where: str) -> list[Any]:
    if isinstance(value, str):
        what = "is a string, not a list"
        hint = (
            "it holds JSON: write it without the quotes around"
            if value.lstrip()[:1] == "["
            else "write a list"
        )
        raise RowError("wrong type", where, what, hint)
    if not isinstance(value, list):
        raise RowError("wrong type", where, f"is {kind_of(value)}, not a list", "write a list of messages")
    if not value:
        raise RowError("role", where, "is an empty list", "nothing would be learned; remove the row")
    return value


def refuse_lossy(value: Mapping[str, Any], keys: tuple[str, ...], at: str) -> None:
    """Refuse a row with keys that would change what is learned, if they were passed over.

    Raises:
        RowError: naming the key.
    """
    for key in keys:
        held = value.get(key)
        if held is not None and held not in ([], {}, "", False):
            remedy = "it would be lost: remove it, or write what it says into the content"
            what = f"is not understood here: {shorten(held)}"
            raise RowError("unsupported field", f"{at}{key}", what, MESSAGE_REMEDY.get(key, remedy))

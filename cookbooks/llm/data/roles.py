"""Tells who speaks: the spellings of roles, and the order in which they may follow one another."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from cookbooks.llm.data.problems import RowError, shorten

Message = dict[str, Any]
"""``role`` and ``content``; and ``weight`` 0, where an answer is read and not learned."""
Consecutive = Literal["refuse", "merge"]

ROLES = ("system", "user", "assistant", "tool")
SHAREGPT = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "assistant": "assistant",
    "model": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "claude": "assistant",
    "system": "system",
    "tool": "tool",
    "observation": "tool",
}
"""How ShareGPT files spell the roles; in files with ``role`` and ``content`` only the four names count."""


MEANT = {
    "developer": "system",
    **dict.fromkeys(("human", "prompter", "customer"), "user"),
    **dict.fromkeys(("ai", "bot", "chatbot", "gpt", "model"), "assistant"),
    **dict.fromkeys(("function", "ipython", "observation"), "tool"),
}
"""What spellings mean that other programs use where the four names are expected."""


def role_of(spelling: str, where: str, spellings: Mapping[str, str], extra: Mapping[str, str]) -> str:
    """Returns the role that a spelling means.

    Args:
        extra: spellings that the user declared; they win.

    Raises:
        RowError: nobody said what it means.
    """
    role = extra.get(spelling) or spellings.get(spelling)
    if role:
        return role
    if meant := MEANT.get(spelling.casefold()):
        remedy = f"declare what it means: roles: {{{spelling!r}: {meant!r}}}"
        raise RowError("role", where, f"unknown role {shorten(spelling)}", remedy)
    near = difflib.get_close_matches(spelling.casefold(), [*spellings, *ROLES], 1, 0.7)
    hint = f"did you mean {near[0]!r}? " if near else ""
    remedy = f"{hint}use one of {', '.join(spellings)}, or say in roles which of {', '.join(ROLES)} it means"
    raise RowError("role", where, f"unknown role {shorten(spelling)}", remedy)


def check_roles(extra: Mapping[str, str]) -> None:
    """Refuse declared spellings that mean no role.

    Raises:
        ValueError: naming the spelling and the roles.
    """
    for spelling, role in extra.items():
        if role not in ROLES:
            raise ValueError(f"roles: {spelling!r} means {role!r}, which is none of {', '.join(ROLES)}")


def conversation(messages: Sequence[Message], where: str, consecutive: Consecutive) -> list[Message]:
    """Returns the messages in an order that can be learned:
    system, then users and answers in turn, an answer last.

    A blank system message goes. Tools speak after the assistant.

    Raises:
        RowError: anything else, naming the message.
    """
    kept = [m for m in messages if m["role"] != "system" or m["content"].strip()]
    if consecutive == "merge":
        kept = _merged(kept)
    body = kept[1:] if kept and kept[0]["role"] == "system" else kept
    answers = [message for message in body if message["role"] == "assistant"]
    if not any(map(is_learned, answers)):
        what = "no answer is to be learned" if answers else "no message is from the assistant"
        raise RowError("role", where, what, "nothing would be learned; remove it")
    before = "start"
    for index, message in enumerate(kept):
        at = f"{where}[{index}]"
        _check_turn(before, message["role"], index, at)
        if message["role"] in ("user", "assistant") and not message["content"].strip():
            what = "the answer is empty" if message["role"] == "assistant" else "is empty"
            raise RowError(_empty(message["role"]), f"{at}.content", what, "write it, or remove the row")
        before = message["role"]
    if before != "assistant":
        what = f"the last message is from {before}: no answer to learn"
        raise RowError(
            "role", f"{where}[{len(kept) - 1}].role", what, "remove what stands after the last answer"
        )
    return kept


def is_learned(message: Mapping[str, Any]) -> bool:
    """Says whether a message is an answer that is learned."""
    return message["role"] == "assistant" and message.get("weight") != 0


def _empty(role: str) -> str:
    return "empty answer" if role == "assistant" else "empty message"


def _check_turn(before: str, role: str, index: int, at: str) -> None:
    if role == "system" and index:
        raise RowError(
            "role", f"{at}.role", "system stands after other messages", "only the first may be system"
        )
    allowed = {
        "start": ("system", "user"),
        "system": ("user",),
        "user": ("assistant",),
        "assistant": ("user", "tool"),
        "tool": ("tool", "assistant"),
    }[before]
    if role not in allowed:
        follows = "stands first" if before == "start" else f"follows {before}"
        remedy = f"{' or '.join(allowed)} may stand here"
        if role == before:
            remedy += "; consecutive: merge joins messages of one speaker"
        raise RowError("role", f"{at}.role", f"{role} {follows}", remedy)


def _merged(messages: Sequence[Message]) -> list[Message]:
    """Merge the messages of one speaker in a row into one, with a blank line between."""
    merged: list[Message] = []
    for message in messages:
        if merged and merged[-1]["role"] == message["role"] and message["role"] in ("user", "assistant"):
            if is_learned(merged[-1]) != is_learned(message):
                what = "is joined with one that is not learned as it is"
                raise RowError("role", "weight", what, "give both one weight, or separate them")
            joined = f"{merged[-1]['content']}\n\n{message['content']}"
            merged[-1] = {**merged[-1], "content": joined}
        else:
            merged.append(message)
    return merged

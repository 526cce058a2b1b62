"""Reads conversations out of JSON Lines chat logs: a file, or a directory of them.

Each line is either one message, with the columns of the database (see `cookbooks.llm.data.database`; a file
without ``conversation_id`` is one conversation), or one conversation, ``{"id", "messages": [...]}``, whose
messages may have a ``timestamp`` each or together.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cookbooks.llm.data.conversations import Conversation, Turn
from cookbooks.llm.data.formats import LISTS, Normaliser
from cookbooks.llm.data.problems import Problems, RowError
from cookbooks.llm.data.reading import Row, data_files, read_rows
from cookbooks.llm.data.since import parse_time

TIMES = ("timestamp", "ts", "time", "created_at")


def read_logs(root: Path, problems: Problems) -> list[Conversation]:
    """Returns every conversation:
    those of whole lines in the order of the files, then those of single messages.

    Args:
        problems: receives what cannot be read; the conversation of a bad line is left out.

    Raises:
        DataError: there is no file, or one of another kind.
    """
    files = data_files(root)
    single: dict[tuple[str, str], list[tuple[Turn, str]]] = {}
    whole: list[Conversation] = []
    torn: set[tuple[str, str]] = set()
    for item in read_rows(root, files):
        if not isinstance(item, Row):
            problems.add(item)
            torn.add((item.file, ""))
            continue
        name = str(item.value.get("conversation_id", ""))
        key = ("", name) if name else (item.file, "")
        try:
            if any(name in item.value for name in LISTS):
                whole.append(_conversation(item, len(files) > 1))
            else:
                turn = _turn(item.value, item.value)
                single.setdefault(key, []).append((turn, f"{item.file}:{item.line}"))
        except RowError as error:
            problems.add(error.at(item.file, item.line))
            torn.add(key)
    return whole + [_joined(key, found) for key, found in sorted(single.items()) if key not in torn]


def _joined(key: tuple[str, str], found: list[tuple[Turn, str]]) -> Conversation:
    turns = [turn for turn, _ in found]
    # a message without a time stays where it stands
    if all(turn.time is not None for turn in turns):
        turns.sort(key=lambda turn: turn.time or 0.0)
    return Conversation(key[1] or key[0], turns, found[0][1])


def _conversation(row: Row, several: bool) -> Conversation:
    key = next(key for key in LISTS if key in row.value)
    Normaliser(roles=_any_role(row.value[key])).messages(row.value[key], key)
    turns = [_turn(message, row.value) for message in row.value[key]]
    default = f"{row.file}:{row.line}" if several else str(row.line)
    name = row.value.get("id", row.value.get("conversation_id", default))
    return Conversation(str(name), turns, f"{row.file}:{row.line}")


def _any_role(messages: Any) -> dict[str, str]:
    """Take any role: roles are judged later, with the dataset's own spellings."""
    found = messages if isinstance(messages, list) else []
    said = [one.get("role", one.get("from")) for one in found if isinstance(one, dict)]
    return {role: "user" for role in said if isinstance(role, str)}


def _turn(message: Mapping[str, Any], outer: Mapping[str, Any]) -> Turn:
    old = "from" in message and "role" not in message
    role, content = (message.get(key) for key in (("from", "value") if old else ("role", "content")))
    if not isinstance(role, str):
        raise RowError("missing field", "role", "is missing", "each message says who speaks")
    if not isinstance(content, str):
        raise RowError("missing field", "content", "is missing or no string", "each message says something")
    time = next(
        (found[key] for found in (message, outer) for key in TIMES if found.get(key) is not None), None
    )
    try:
        return Turn(None if time is None else parse_time(time), role, content)
    except ValueError as error:
        raise RowError("wrong type", "timestamp", str(error).split(": ")[0], "write ISO 8601") from None

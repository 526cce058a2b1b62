"""Reads conversations out of JSON Lines chat logs: a file, or a directory of them.

Each line is either one message, with the columns of the database (see `cookbooks.llm.data.database`; a file
without ``conversation_id`` is one conversation), or one conversation, ``{"id", "messages": [...]}``, whose
messages may have a ``timestamp`` each or together; or it is one of a chat program's export (see
`cookbooks.llm.data.exports`). Messages are read as those of examples are.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cookbooks.llm.data.conversations import Conversation, Turn
from cookbooks.llm.data.exports import exported
from cookbooks.llm.data.files import data_files
from cookbooks.llm.data.formats import LISTS, LOSSY_ROW, Normaliser, refuse_lossy, string
from cookbooks.llm.data.problems import Problems, RowError
from cookbooks.llm.data.reading import Row, read_rows
from cookbooks.llm.data.roles import SHAREGPT, Message
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
            if export := exported(item.value):
                whole.append(Conversation(*export, f"{item.file}:{item.line}"))
            elif any(name in item.value for name in LISTS):
                whole.append(_conversation(item, len(files) > 1))
            else:
                turn = _turn(item.value, Normaliser(roles=_any_role([item.value])).message(item.value, ""))
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
    refuse_lossy(row.value, LOSSY_ROW, "")
    turns = _turns(row.value[key], key, row.value)
    if row.value.get("system") and turns[0].speaker != "system":
        turns.insert(0, Turn(turns[0].time, "system", string(row.value, "system")))
    default = f"{row.file}:{row.line}" if several else str(row.line)
    name = row.value.get("id", row.value.get("conversation_id", default))
    return Conversation(str(name), turns, f"{row.file}:{row.line}")


def _turns(found: Any, where: str, outer: Mapping[str, Any]) -> list[Turn]:
    """Returns messages with their times; roles are judged later, with the dataset's own spellings."""
    messages = Normaliser(roles=_any_role(found)).messages(found, where)
    times = {key: outer[key] for key in TIMES if outer.get(key) is not None}
    told = [{**times, **{key: held for key, held in said.items() if held is not None}} for said in found]
    return [_turn(said, message) for said, message in zip(told, messages, strict=True)]


def _turn(said: Mapping[str, Any], message: Message) -> Turn:
    """Returns a message with its time."""
    time = next((said[key] for key in TIMES if said.get(key) is not None), None)
    try:
        seconds = None if time is None else parse_time(time)
    except ValueError as error:
        raise RowError("wrong type", "timestamp", str(error).split(": ")[0], "write ISO 8601") from None
    return Turn(seconds, message["role"], message["content"], message.get("weight") != 0)


def _any_role(found: Any) -> dict[str, str]:
    listed = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    said = [one.get("role") or SHAREGPT.get(str(one.get("from"))) or one.get("from") for one in listed]
    return {role: role for role in said if isinstance(role, str)}

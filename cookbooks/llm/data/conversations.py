"""Chooses conversations out of a database or of chat logs, and counts what each filter dropped.

The filters, in the order in which they apply:

``since``          a conversation whose last message is older goes.
``drop_errors``    an exchange (from a user's message to before the next one) goes if an answer in it, or a
                   tool's, begins with one of `ERRORS`.
``max_msg_bytes``  a conversation ends before the first exchange with a longer message (UTF-8): what follows
                   refers to what would be missing.
(unanswered)       what stands after the last answer goes.
``min_turns``      a conversation with fewer messages of user and assistant goes.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cookbooks.llm.data.problems import DataError, OnBadRow, Problems
from cookbooks.llm.data.roles import SHAREGPT, Message

FILE = "conversations.jsonl"
ERRORS = ("error:", "[error", "traceback (most recent call last)")


@dataclass(frozen=True)
class Turn:
    """Holds one message; ``time`` in seconds since 1970, None where the log has none.

    ``learned`` is False for an answer that is only read.
    """

    time: float | None
    role: str
    content: str
    learned: bool = True

    def message(self) -> Message:
        """Returns it as a message of a row."""
        unlearned = {} if self.learned else {"weight": 0}
        return {"role": self.role, "content": self.content, **unlearned}

    @property
    def speaker(self) -> str:
        """Returns the role, in the spelling of the normal form where it is a known one."""
        return SHAREGPT.get(self.role, self.role)


@dataclass(frozen=True)
class Conversation:
    """Holds turns in order; ``place`` is where it was read, for messages."""

    id: str
    turns: list[Turn]
    place: str


@dataclass(frozen=True)
class Filters:
    """Says what to keep; ``since`` in seconds since 1970."""

    since: float | None = None
    min_turns: int = 2
    max_msg_bytes: int = 65536
    drop_errors: bool = True


@dataclass
class Dropped:
    """Says what was read, and what each filter took of it."""

    n_conversations: int = 0
    n_messages: int = 0
    n_kept: int = 0
    n_messages_kept: int = 0
    conversations_by_since: int = 0
    conversations_by_drop_errors: int = 0
    conversations_by_max_msg_bytes: int = 0
    conversations_by_unanswered: int = 0
    conversations_by_min_turns: int = 0
    messages_by_drop_errors: int = 0
    messages_by_max_msg_bytes: int = 0
    messages_by_unanswered: int = 0

    def as_dict(self) -> dict[str, int]:
        """Returns the counts by name."""
        return asdict(self)

    def none_left(self, filters: Filters) -> str:
        """Returns the error when nothing is usable: which filter dropped how many."""
        if not self.n_conversations:
            return "there is not one conversation in it: check the path"
        words = [
            f"{name.removeprefix('conversations_by_')} {count}"
            for name, count in asdict(self).items()
            if name.startswith("conversations_by_") and count
        ]
        return (
            f"none of {self.n_conversations} conversations is usable; dropped by {', '.join(words)} (since"
            f" {filters.since}, drop_errors {filters.drop_errors}, max_msg_bytes {filters.max_msg_bytes},"
            f" min_turns {filters.min_turns}): loosen the filter that dropped most"
        )


@dataclass
class ConversationFilter:
    """Applies filters to one conversation after another and counts."""

    filters: Filters
    dropped: Dropped = field(default_factory=Dropped)

    def __call__(self, conversations: Iterable[Conversation]) -> Iterator[dict[str, Any]]:
        """Yields the kept conversations as rows of messages."""
        for conversation in conversations:
            self.dropped.n_conversations += 1
            self.dropped.n_messages += len(conversation.turns)
            turns = self._kept(conversation)
            if turns:
                self.dropped.n_kept += 1
                self.dropped.n_messages_kept += len(turns)
                yield {"id": conversation.id, "messages": [turn.message() for turn in turns]}

    def _kept(self, conversation: Conversation) -> list[Turn]:
        turns = conversation.turns
        if self._too_old(conversation):
            return self._lose("since")
        if _n_turns(turns) < self.filters.min_turns:
            return self._lose("min_turns")
        steps = {"drop_errors": self._without_errors, "max_msg_bytes": self._cut, "unanswered": _answered}
        for name, step in steps.items():
            left = step(turns)
            if name == "unanswered" or len(left) < len(turns):
                counter = f"messages_by_{name}"
                setattr(self.dropped, counter, getattr(self.dropped, counter) + len(turns) - len(left))
            if _n_turns(left) < self.filters.min_turns and len(left) < len(turns):
                return self._lose(name)
            turns = left
        return turns

    def _too_old(self, conversation: Conversation) -> bool:
        if self.filters.since is None:
            return False
        times = [turn.time for turn in conversation.turns if turn.time is not None]
        if not times:
            raise DataError(
                f"{conversation.place}: has no timestamp, so `since` cannot be told: leave since out"
            )
        return max(times) < self.filters.since

    def _without_errors(self, turns: list[Turn]) -> list[Turn]:
        if not self.filters.drop_errors:
            return turns
        return [turn for part in _exchanges(turns) if not any(map(_is_error, part)) for turn in part]

    def _cut(self, turns: list[Turn]) -> list[Turn]:
        kept: list[Turn] = []
        for part in _exchanges(turns):
            if any(len((turn.content or "").encode()) > self.filters.max_msg_bytes for turn in part):
                break
            kept += part
        return kept

    def _lose(self, name: str) -> list[Turn]:
        counter = f"conversations_by_{name}"
        setattr(self.dropped, counter, getattr(self.dropped, counter) + 1)
        return []


def _n_turns(turns: list[Turn]) -> int:
    return sum(turn.speaker in ("user", "assistant") for turn in turns)


def _is_error(turn: Turn) -> bool:
    said = (turn.content or "").lstrip().casefold()
    return turn.speaker in ("assistant", "tool") and said.startswith(ERRORS)


def _exchanges(turns: list[Turn]) -> list[list[Turn]]:
    """Turns, cut before each message of a user's that follows an answer."""
    parts: list[list[Turn]] = []
    for turn in turns:
        begins = turn.speaker == "user" and not (parts and parts[-1][-1].speaker == "user")
        if begins or not parts:
            parts.append([])
        parts[-1].append(turn)
    return parts


def _answered(turns: list[Turn]) -> list[Turn]:
    last = max((n for n, turn in enumerate(turns, 1) if turn.speaker == "assistant"), default=0)
    return turns[:last]


def write_conversations(
    conversations: Iterable[Conversation],
    filters: Filters,
    out: Path,
    problems: Problems,
    on_bad_row: OnBadRow = "fail",
) -> Dropped:
    """Write the kept conversations to ``out/conversations.jsonl`` and say what was dropped.

    The same conversations and filters give the same bytes.

    Args:
        problems: what reading could not use; complete when ``conversations`` is at its end.

    Raises:
        DataError: none is usable, or there are problems and ``on_bad_row`` is ``fail``.
    """
    chosen = ConversationFilter(filters)
    with (out / FILE).open("w", encoding="utf-8", newline="\n") as file:
        for row in chosen(conversations):
            file.write(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n")
    if problems.total and on_bad_row == "fail":
        raise DataError(f"{problems.message()}\nmend them, or set on_bad_row: drop")
    if not chosen.dropped.n_kept:
        raise DataError(chosen.dropped.none_left(filters))
    return chosen.dropped

"""Reads conversations out of what ChatGPT and Claude export: the file ``conversations.json`` of either.

What a person saw and what was answered is kept. What a program said to its tools, its thoughts and hidden
messages are not, and answers that such steps part are one. A conversation about a file or a picture that is
not in it is refused: the answers could not be understood.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from cookbooks.llm.data.conversations import Turn
from cookbooks.llm.data.problems import RowError
from cookbooks.llm.data.since import parse_time

SENDERS = {"human": "user", "assistant": "assistant"}
SHOWN = ("text", "multimodal_text")
"""Contents of ChatGPT that a person sees; others are code, results of tools and thoughts."""


def exported(value: Mapping[str, Any]) -> tuple[str, list[Turn]] | None:
    """Returns the id and the turns of a conversation, the branch that was shown last;
    None for what is not one.

    Raises:
        RowError: it is damaged, or about what is not in it.
    """
    try:
        if isinstance(value.get("mapping"), dict):
            return str(value.get("conversation_id") or value.get("id")), _joined(_chatgpt(value))
        if isinstance(value.get("chat_messages"), list):
            return str(value.get("uuid")), _joined(_claude(value["chat_messages"]))
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        what = f"is not as the program exports it ({type(error).__name__}: {error})"
        raise RowError("wrong type", "conversation", what, "export it again, or take it out") from error
    return None


def _chatgpt(value: Mapping[str, Any]) -> Iterator[Turn]:
    nodes, at, branch = value["mapping"], value["current_node"], list[Mapping[str, Any]]()
    while at is not None and len(branch) <= len(nodes):
        branch.append(nodes[at])
        at = nodes[at].get("parent")
    for node in reversed(branch):
        said = node.get("message")
        if said and (text := _shown(said)):
            role = said["author"]["role"]
            yield Turn(_seconds(said.get("create_time")), role, text, said.get("weight") != 0)


def _shown(said: Mapping[str, Any]) -> str:
    """Returns what a message shows; nothing where it is not seen."""
    content, role = said["content"], said["author"]["role"]
    hidden = (said.get("metadata") or {}).get("is_visually_hidden_from_conversation")
    if hidden or role not in ("user", "assistant", "system") or content["content_type"] not in SHOWN:
        return ""
    if role == "assistant" and said.get("recipient", "all") != "all":
        return ""
    if not all(isinstance(part, str) for part in content["parts"]):
        raise RowError("unsupported field", "parts", "has more than text", "take the conversation out")
    return "".join(content["parts"]).strip()


def _claude(messages: list[Mapping[str, Any]]) -> Iterator[Turn]:
    for said in messages:
        if said.get("attachments") or said.get("files"):
            raise RowError("unsupported field", "attachments", "are not read", "take the conversation out")
        parts = said.get("content") or [{"type": "text", "text": said["text"]}]
        texts = [part["text"].strip() for part in parts if part["type"] == "text"]
        if text := "\n\n".join(filter(None, texts)):
            yield Turn(_seconds(said.get("created_at")), SENDERS[said["sender"]], text)


def _seconds(time: Any) -> float | None:
    return None if time is None else parse_time(time)


def _joined(turns: Iterator[Turn]) -> list[Turn]:
    """Merge the messages of one speaker that follow each other."""
    found: list[Turn] = []
    for turn in turns:
        if found and found[-1].role == turn.role:
            before = found.pop()
            text = f"{before.content}\n\n{turn.content}"
            turn = Turn(before.time, turn.role, text, before.learned and turn.learned)
        found.append(turn)
    return found

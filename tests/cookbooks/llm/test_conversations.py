"""Conversations out of SQLite databases and chat logs: read-only, filtered, counted, the same bytes again."""

import datetime
import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cookbooks.llm.data.chatlogs import read_logs
from cookbooks.llm.data.conversations import (
    Conversation,
    ConversationFilter,
    Dropped,
    Filters,
    Turn,
    write_conversations,
)
from cookbooks.llm.data.database import is_database, read_database
from cookbooks.llm.data.formats import Normaliser
from cookbooks.llm.data.problems import DataError, Problems
from cookbooks.llm.data.since import parse_since, parse_time
from tests.cookbooks.llm.rows_support import read_rows, write_rows

NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC)
SCHEMA = "CREATE TABLE turns(conversation_id TEXT, timestamp TEXT, role TEXT, content TEXT)"
EVERYTHING = Filters(None, 2, 1 << 30, False)


def database(path: Path, turns: list[tuple[Any, ...]], schema: str = SCHEMA, wal: bool = False) -> Path:
    with sqlite3.connect(path) as connection:
        if wal:
            connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(schema)
        connection.executemany("INSERT INTO turns VALUES (?, ?, ?, ?)", turns)
    connection.close()
    return path


def exchange(name: str, minute: int, question: str = "q", answer: str = "a") -> list[tuple[Any, ...]]:
    times = [f"2026-05-01T10:{minute + step:02}:00Z" for step in (0, 1)]
    return [(name, times[0], "user", question), (name, times[1], "assistant", answer)]


def taken(
    path: Path, out: Path, filters: Filters = EVERYTHING, on_bad_row: Any = "fail"
) -> tuple[list[dict[str, Any]], Dropped]:
    out.mkdir(exist_ok=True)
    problems = Problems()
    found = read_database(path, problems) if is_database(path) else read_logs(path, problems)
    dropped = write_conversations(found, filters, out, problems, on_bad_row)
    return read_rows(out / "conversations.jsonl"), dropped


def said(rows: list[dict[str, Any]]) -> dict[str, list[str]]:
    return {row["id"]: [message["content"] for message in row["messages"]] for row in rows}


def test_turns_are_put_in_the_order_of_their_times(tmp_path: Path) -> None:
    turns = [
        ("b", "2026-05-01T10:00:05Z", "assistant", "second"),
        ("a", "2026-05-01T12:00:00+02:00", "user", "one"),
        ("b", "2026-05-01 10:00:00", "user", "first"),
        ("a", "2026-05-01T10:00:00Z", "assistant", "two, at the same time"),
    ]
    rows, dropped = taken(database(tmp_path / "c.db", turns), tmp_path / "out")
    assert said(rows) == {"a": ["one", "two, at the same time"], "b": ["first", "second"]}
    assert rows[0]["messages"][0] == {"role": "user", "content": "one"}
    assert (dropped.n_conversations, dropped.n_messages, dropped.n_kept) == (2, 4, 2)


def test_the_same_conversations_give_the_same_bytes(tmp_path: Path) -> None:
    turns = [turn for n in range(20) for turn in exchange(f"c{n}", n)]
    one = database(tmp_path / "one.db", turns)
    # other pages, other order of insertion, other columns beside
    schema = f"{SCHEMA[:-1]}, extra TEXT DEFAULT 'x')"
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("PRAGMA page_size=512")
        connection.execute(schema)
        connection.executemany(
            "INSERT INTO turns(content, role, timestamp, conversation_id) VALUES (?, ?, ?, ?)",
            [turn[::-1] for turn in reversed(turns)],
        )
    connection.close()
    for path in (one, other):
        taken(path, tmp_path / path.stem)
    written = [(tmp_path / name / "conversations.jsonl").read_bytes() for name in ("one", "other")]
    assert written[0] == written[1]


def test_a_database_in_use_is_read_as_of_one_moment_and_never_written(tmp_path: Path) -> None:
    path = database(tmp_path / "live.db", exchange("old", 0), wal=True)
    writer = sqlite3.connect(path)
    writer.execute("PRAGMA journal_mode=WAL")
    writer.executemany("INSERT INTO turns VALUES (?, ?, ?, ?)", exchange("committed", 2))
    writer.commit()
    writer.executemany("INSERT INTO turns VALUES (?, ?, ?, ?)", exchange("in flight", 4))
    before = path.read_bytes()
    assert (tmp_path / "live.db-wal").stat().st_size > 0
    found = read_database(path, Problems())
    first = next(found)
    writer.commit()  # while it is being read
    rest = list(found)
    assert [conversation.id for conversation in (first, *rest)] == ["committed", "old"]
    assert path.read_bytes() == before
    writer.close()


def test_a_connection_cannot_write(tmp_path: Path) -> None:
    from cookbooks.llm.data.database_bounds import bounded

    path = database(tmp_path / "c.db", exchange("a", 0))
    with pytest.raises(sqlite3.OperationalError, match="readonly"), bounded(path) as (connection, _):
        connection.execute("DELETE FROM turns")
    path.chmod(0o444)
    assert [conversation.id for conversation in read_database(path, Problems())] == ["a"]


def test_every_spelling_of_a_time(tmp_path: Path) -> None:
    seconds = 1777629600.0
    for value in (1777629600, 1777629600.0, 1777629600000, 1777629600000000, "1777629600"):
        assert parse_time(value) == seconds
    for text in ("2026-05-01T10:00:00Z", "2026-05-01 10:00", "2026-05-01T12:00:00+02:00"):
        assert parse_time(text) == seconds
    for wrong in ("yesterday", "", None, True, -1, float("nan")):
        with pytest.raises(ValueError):
            parse_time(wrong)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-05-01", "2026-05-01T00:00:00+00:00"),
        ("2026-05-01T12:00:00+02:00", "2026-05-01T10:00:00+00:00"),
        ("30d", "2026-05-02T00:00:00+00:00"),
        ("1w 12h", "2026-05-24T12:00:00+00:00"),
        ("90m", "2026-05-31T22:30:00+00:00"),
        ("2 days", "2026-05-30T00:00:00+00:00"),
    ],
)
def test_since_is_a_date_or_how_long_ago(text: str, expected: str) -> None:
    found = datetime.datetime.fromtimestamp(parse_since(text, NOW), datetime.UTC)
    assert found.isoformat() == expected


@pytest.mark.parametrize("text", ["", "soon", "30", "30 parsecs", "d30", "2026-13-01"])
def test_since_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"since = .*: give a date such as 2026-05-01, or how long ago"):
        parse_since(text, NOW)


def test_every_filter_says_what_it_dropped(tmp_path: Path) -> None:
    turns = [
        *(("old", f"2026-01-01T10:0{n}:00Z", role, role) for n, role in enumerate(("user", "assistant"))),
        ("short", "2026-05-01T10:00:00Z", "user", "nobody answers"),
        *exchange("good", 0),
        *exchange("error", 0, "try", "Error: the server is down"),
        *exchange("retried", 0, "try", "error: timeout"),
        *exchange("retried", 2, "try again", "done"),
        *exchange("huge", 0, "hello", "hi"),
        *exchange("huge", 2, "x" * 200, "that is long"),
        *exchange("huge", 4, "and now?", "refers to what is missing"),
        *exchange("all huge", 0, "y" * 200, "long"),
        *exchange("open", 0),
        ("open", "2026-05-01T10:09:00Z", "user", "are you there?"),
        ("talks", "2026-05-01T10:00:00Z", "user", "a"),
        ("talks", "2026-05-01T10:01:00Z", "user", "b"),
    ]
    filters = Filters(parse_since("60d", NOW), 2, 100, True)
    rows, dropped = taken(database(tmp_path / "c.db", turns), tmp_path / "out", filters)
    assert said(rows) == {
        "good": ["q", "a"],
        "huge": ["hello", "hi"],
        "open": ["q", "a"],
        "retried": ["try again", "done"],
    }
    assert {name: count for name, count in dropped.as_dict().items() if count} == {
        **{"n_conversations": 9, "n_messages": 24, "n_kept": 4, "n_messages_kept": 8},
        **{"conversations_by_since": 1, "conversations_by_min_turns": 1, "conversations_by_drop_errors": 1},
        **{"conversations_by_max_msg_bytes": 1, "conversations_by_unanswered": 1},
        **{"messages_by_drop_errors": 4, "messages_by_max_msg_bytes": 6, "messages_by_unanswered": 3},
    }


def test_none_usable_names_the_filter_that_dropped_them(tmp_path: Path) -> None:
    path = database(tmp_path / "c.db", [*exchange("a", 0), *exchange("b", 0, "q", "error: no")])
    with pytest.raises(DataError, match=r"none of 2 conversations is usable; dropped by since 2 .*loosen"):
        taken(path, tmp_path / "out", Filters(parse_since("1d", NOW)))
    with pytest.raises(
        DataError, match=r"dropped by drop_errors 1, min_turns 1 \(since None, .*min_turns 3\)"
    ):
        taken(
            database(
                tmp_path / "d.db", [*exchange("a", 0), *exchange("b", 0), *exchange("b", 2, "q", "error:")]
            ),
            tmp_path / "out",
            Filters(min_turns=3),
        )
    with pytest.raises(DataError, match="there is not one conversation in it"):
        taken(database(tmp_path / "empty.db", []), tmp_path / "out")


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (
            "CREATE TABLE messages(a, b, c, d)",
            r"there is no table turns \(tables: messages\): make a view turns\(",
        ),
        ("CREATE TABLE turns(conversation_id, ts, role, content)", "turns has no column timestamp"),
    ],
)
def test_another_schema_is_refused_with_the_remedy(tmp_path: Path, schema: str, message: str) -> None:
    path = tmp_path / "c.db"
    sqlite3.connect(path).execute(schema).connection.close()
    with pytest.raises(DataError, match=message):
        taken(path, tmp_path / "out")


def test_views_and_tables_without_row_numbers_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    with sqlite3.connect(path) as connection:
        connection.execute(
            "CREATE TABLE m(chat INTEGER, at INTEGER, who TEXT, what TEXT, PRIMARY KEY(chat, at))"
        )
        connection.execute(
            "INSERT INTO m VALUES (7, 1777629600, 'user', 'q'), (7, 1777629601, 'assistant', 'a')"
        )
        connection.execute(
            "CREATE VIEW turns(conversation_id, timestamp, role, content) AS"
            " SELECT chat, at, who, what FROM m"
        )
    connection.close()
    assert said(taken(path, tmp_path / "out")[0]) == {"7": ["q", "a"]}


def test_a_bad_turn_is_named_and_its_conversation_can_be_left_out(tmp_path: Path) -> None:
    turns = [*exchange("good", 0), ("bad", "next week", "user", "q"), ("null", "2026-05-01", "user", None)]
    path = database(tmp_path / "c.db", turns)
    with pytest.raises(DataError) as failed:
        taken(path, tmp_path / "out")
    assert str(failed.value).splitlines() == [
        "c.db:3: timestamp: is no time: 'next week': write ISO 8601, or seconds since 1970",
        "c.db:4: content: is null: write text, or remove the turn",
        "rows not usable: 2 wrong type",
        "mend them, or set on_bad_row: drop",
    ]
    assert said(taken(path, tmp_path / "out", on_bad_row="drop")[0]) == {"good": ["q", "a"]}


def test_a_damaged_database_is_an_error_for_a_person(tmp_path: Path) -> None:
    path = database(tmp_path / "c.db", [turn for n in range(200) for turn in exchange(f"c{n}", 0, "q" * 99)])
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 8192)
    with pytest.raises(DataError, match=r"c\.db: cannot be read as an SQLite database"):
        taken(path, tmp_path / "out")


def test_chat_logs_are_read_like_the_database(tmp_path: Path) -> None:
    turns = [*exchange("a", 0), *exchange("b", 0, "q", "error: down"), *exchange("b", 2, "r", "s")]
    columns = ("conversation_id", "timestamp", "role", "content")
    lines = [dict(zip(columns, turn, strict=True)) for turn in reversed(turns)]
    log = write_rows(tmp_path / "log.jsonl", lines)
    filters = Filters(parse_since("60d", NOW))
    rows, dropped = taken(log, tmp_path / "log", filters)
    same, counts = taken(database(tmp_path / "c.db", turns), tmp_path / "db", filters)
    assert rows == same and dropped == counts


def test_a_directory_of_logs_one_conversation_a_line_or_a_file(tmp_path: Path) -> None:
    hello = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    write_rows(tmp_path / "logs" / "a.jsonl", [{"id": "x", "messages": hello}, {"messages": hello}])
    write_rows(tmp_path / "logs" / "b.jsonl", hello)
    spoken = [{"from": "human", "value": "q", "ts": None}, {"from": "gpt", "value": "a"}]
    write_rows(tmp_path / "logs" / "c.jsonl", [{"conversations": spoken, "timestamp": "2026-05-01"}])
    rows, dropped = taken(tmp_path / "logs", tmp_path / "out")
    assert list(said(rows)) == ["x", "a.jsonl:2", "c.jsonl:1", "b.jsonl"]
    assert dropped.n_kept == 4 and rows[2]["messages"][0] == {"role": "user", "content": "q"}
    with pytest.raises(DataError, match=r"a\.jsonl:1: has no timestamp, so `since` cannot be told"):
        taken(tmp_path / "logs", tmp_path / "out", Filters(0.0))
    assert taken(tmp_path / "logs" / "c.jsonl", tmp_path / "out", Filters(0.0))[1].n_kept == 1


def test_logs_are_read_as_examples_are(tmp_path: Path) -> None:
    """With a system message of the row's own, parts of text, and answers that are not to be learned."""
    parts = [{"type": "text", "text": "q"}]
    hello = [{"role": "user", "content": parts}, {"role": "assistant", "content": "a", "weight": 0}]
    spoken = [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]
    lines = [
        {"system": "Be brief.", "messages": [*hello, {"role": "user", "content": "r"}, *hello[1:]]},
        {"system": "Be brief.", "conversations": spoken},
    ]
    log = write_rows(tmp_path / "log.jsonl", lines)
    rows, _ = taken(log, tmp_path / "out")
    for line, row in zip(lines, rows, strict=True):
        learned = {"weight": 0} if "messages" in line else {}
        first, *_, last = row["messages"]
        assert first == {"role": "system", "content": "Be brief."}
        assert last == {"role": "assistant", "content": "a", **learned}
    assert rows[1]["messages"] == Normaliser()(lines[1], "here")["messages"]
    write_rows(log, [{"tools": [{"name": "f"}], "conversations": spoken}])
    with pytest.raises(DataError, match=r"log\.jsonl:1: tools: is not understood here"):
        taken(log, tmp_path / "out")


def chatgpt(*said: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A conversation as ChatGPT exports it: a tree, of which one branch was shown last."""
    names = [f"n{index}" for index in range(len(said))]
    nodes = {
        name: {"id": name, "parent": before, "children": [], "message": message}
        for name, before, message in zip(names, [None, *names], said, strict=False)
    }
    other = {"id": "other", "parent": "n0", "children": [], "message": shown("assistant", "another branch")}
    return {
        **{"title": "t", "create_time": 1.7e9, "conversation_id": "c1", "current_node": names[-1]},
        "mapping": {**nodes, "other": other},
        **more,
    }


def shown(role: str, *parts: Any, kind: str = "text", **more: Any) -> dict[str, Any]:
    content = {"content_type": kind, "parts": list(parts)}
    return {"author": {"role": role}, "create_time": 1.7e9, "content": content, "weight": 1.0, **more}


def test_exports_of_chat_programs_are_conversations(tmp_path: Path) -> None:
    hidden = {"metadata": {"is_visually_hidden_from_conversation": True}}
    first = chatgpt(
        shown("system", "", **hidden),
        shown("user", "What is 2+2?"),
        shown("assistant", "print(2+2)", kind="code", recipient="python"),
        shown("tool", "4", kind="execution_output"),
        shown("assistant", "I counted."),
        shown("assistant", "It is 4."),
    )
    picture = chatgpt(
        shown("user", {"asset_pointer": "file"}, "Who?", kind="multimodal_text"), shown("assistant", "?")
    )
    path = tmp_path / "conversations.json"
    path.write_text(json.dumps([first, picture]))
    rows, _ = taken(path, tmp_path / "out", on_bad_row="drop")
    assert [(one["role"], one["content"]) for one in rows[0]["messages"]] == [
        ("user", "What is 2+2?"),
        ("assistant", "I counted.\n\nIt is 4."),
    ]
    assert len(rows) == 1
    with pytest.raises(DataError, match=r"conversations\.json:1: parts: has more than text"):
        taken(path, tmp_path / "out")

    def claude(**more: Any) -> dict[str, Any]:
        times = {"created_at": "2026-05-01T10:00:00Z"}
        asked = {"sender": "human", "text": "Hi", "content": [{"type": "text", "text": "Hi"}], **times}
        said = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Hello!"}]
        answer = {"sender": "assistant", "text": "Hello!", "content": said, **times}
        return {"uuid": "u1", "name": "n", "chat_messages": [{**asked, **more}, answer]}

    path.write_text(json.dumps([claude()]))
    rows, _ = taken(path, tmp_path / "out")
    assert said(rows) == {"u1": ["Hi", "Hello!"]}
    path.write_text(json.dumps([claude(attachments=[{"file_name": "a.pdf"}])]))
    with pytest.raises(DataError, match="attachments: are not read: take the conversation out"):
        taken(path, tmp_path / "out")


def test_bad_lines_of_a_log_are_named(tmp_path: Path) -> None:
    good = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}
    log = write_rows(
        tmp_path / "log.jsonl",
        [good, "{", {"role": "user"}, {"messages": [{"role": "user", "content": None}]}, {"messages": "x"}],
    )
    with pytest.raises(DataError) as failed:
        taken(log, tmp_path / "out")
    assert [line.split(": ")[:2] for line in str(failed.value).splitlines()[:4]] == [
        ["log.jsonl:2", "column 2"],
        ["log.jsonl:3", "content"],
        ["log.jsonl:4", "messages[0].content"],
        ["log.jsonl:5", "messages"],
    ]
    assert len(taken(log, tmp_path / "out", on_bad_row="drop")[0]) == 1


def test_reading_needs_little_memory(tmp_path: Path) -> None:
    """A database is streamed: 64 MB of messages do not take 64 MB."""
    path = tmp_path / "big.db"
    turns = (t for n in range(64) for t in exchange(f"c{n}", 0, "q" * 500_000, "a" * 500_000))
    with sqlite3.connect(path) as connection:
        connection.execute(SCHEMA)
        connection.executemany("INSERT INTO turns VALUES (?, ?, ?, ?)", turns)
    connection.close()
    code = (
        "import sys; from pathlib import Path\n"
        "from cookbooks.llm.data.database import read_database\n"
        "from cookbooks.llm.data.conversations import *\n"
        "from cookbooks.llm.data.problems import Problems\n"
        "problems = Problems(); found = read_database(Path(sys.argv[1]), problems)\n"
        "write_conversations(found, Filters(max_msg_bytes=1 << 20), Path(sys.argv[2]), problems)\n"
        "status = Path('/proc/self/status').read_text()\n"  # ru_maxrss counts the parent in
        "print(status.partition('VmHWM:')[2].split()[0])"
    )
    command = [sys.executable, "-c", code, str(path), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 60_000, "KiB"
    assert (tmp_path / "conversations.jsonl").stat().st_size > 64_000_000


def test_turns_without_a_time_stay_where_they_are(tmp_path: Path) -> None:
    lines = [{"role": role, "content": str(n)} for n, role in enumerate(("user", "assistant") * 3)]
    rows, _ = taken(write_rows(tmp_path / "log.jsonl", lines), tmp_path / "out")
    assert said(rows) == {"log.jsonl": ["0", "1", "2", "3", "4", "5"]}


@pytest.mark.parametrize(
    ("kept", "turns"),
    [
        (True, [("user", "Error: what is this?"), ("assistant", "It says the disk is full.")]),
        (True, [("user", "q"), ("assistant", "An error: this is what it means.")]),
        (False, [("user", "q"), ("assistant", "  ERROR: failed")]),
        (False, [("user", "q"), ("assistant", "Traceback (most recent call last):\n  …")]),
        (False, [("human", "q"), ("tool", "[error 500]"), ("gpt", "It did not work.")]),
    ],
)
def test_an_error_is_told_by_its_beginning_and_its_speaker(kept: bool, turns: list[tuple[str, str]]) -> None:
    conversation = Conversation("a", [Turn(None, role, text) for role, text in turns], "x:1")
    assert bool(list(ConversationFilter(Filters())([conversation]))) == kept

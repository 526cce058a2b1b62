"""Formats: each becomes the one normal form, or is refused with field, what is wrong and the remedy."""

from typing import Any

import pytest

from cookbooks.llm.data.formats import KEYS, Normaliser, check_columns, detect
from cookbooks.llm.data.preferences import PreferenceNormaliser
from cookbooks.llm.data.problems import RowError
from cookbooks.llm.data.roles import check_roles
from tests.cookbooks.llm.rows_support import GREETING, ask

HELLO = ask("Hi", "Hello")


def normal(row: dict[str, Any], **options: Any) -> dict[str, Any]:
    return Normaliser(**options)(row, "rows.jsonl:1")


@pytest.mark.parametrize(
    ("name", "row", "expected"),
    [
        ("text", {"text": "Once upon a time"}, {"text": "Once upon a time"}),
        ("messages", {"messages": GREETING}, {"messages": GREETING}),
        ("messages", {"conversations": GREETING}, {"messages": GREETING}),
        ("prompt_completion", {"prompt": "Hi", "completion": "Hello"}, HELLO),
        (
            "prompt_completion",
            {"prompt": GREETING[:1], "completion": GREETING[1:2]},
            {"messages": GREETING[:2]},
        ),
        (
            "sharegpt",
            {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]},
            HELLO,
        ),
        ("alpaca", {"instruction": "Hi", "input": "", "output": "Hello"}, HELLO),
        ("alpaca", {"instruction": "Add", "input": "1 2", "output": "3"}, ask("Add\n\n1 2", "3")),
        ("alpaca", {"instruction": "Hi", "output": "Hello"}, HELLO),
    ],
)
def test_every_format_is_told_and_brought_to_the_normal_form(
    name: str, row: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert detect(row) == name
    assert normal(row) == expected


def test_sharegpt_roles_become_the_models_own() -> None:
    """TRL accepts ``human`` and ``gpt`` in silence and trains on roles that the model has never seen."""
    said = [
        *("system", "human", "gpt", "observation", "chatgpt", "user"),
        *("model", "tool", "assistant"),
    ]
    row = {"conversations": [{"from": role, "value": f"{n}"} for n, role in enumerate(said)]}
    assert [message["role"] for message in normal(row)["messages"]] == [
        *("system", "user", "assistant", "tool", "assistant", "user", "assistant", "tool", "assistant")
    ]
    with_system = {"system": "Be brief.", "conversations": row["conversations"][1:3]}
    assert normal(with_system)["messages"][0] == {"role": "system", "content": "Be brief."}


def test_parts_of_text_are_joined_and_others_refused() -> None:
    parts = [{"type": "text", "text": "Hi "}, {"type": "text", "text": "there"}]
    row = {"messages": [{"role": "user", "content": parts}, GREETING[1]]}
    assert normal(row)["messages"][0]["content"] == "Hi there"
    parts.append({"type": "image_url", "image_url": "x"})  # type: ignore[arg-type]
    with pytest.raises(RowError, match=r"messages\[0\]\.content: has parts that are not text"):
        normal(row)


def bad(*messages: tuple[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": content} for role, content in messages]}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        # what trains on something else than meant, or dies without a place, in TRL 1.16 and datasets 5.2
        (bad(("user", "q"), ("assistant", None)), "messages[1].content: is null, not a string"),
        (bad(("user", "q"), ("assistant", "")), "messages[1].content: the answer is empty"),
        (bad(("user", "q"), ("assistant", " \n")), "messages[1].content: the answer is empty"),
        (
            bad(("user", "q"), ("bot", "a")),
            "messages[1].role: unknown role 'bot': declare what it means: roles: {'bot': 'assistant'}",
        ),
        (
            bad(("developer", "d"), ("user", "q"), ("assistant", "a")),
            "messages[0].role: unknown role 'developer': declare what it means: roles: {'dev",
        ),
        (
            bad(("human", "q"), ("assistant", "a")),
            "messages[0].role: unknown role 'human': declare what it means: roles: {'human': 'user'}",
        ),
        (
            bad(("narrator", "q"), ("assistant", "a")),
            "messages[0].role: unknown role 'narrator': use one of system, user, assistant, tool, or say in",
        ),
        (bad(("user", "q"), ("Assistant", "a")), "messages[1].role: unknown role 'Assistant': did you mean"),
        (bad(("user", "q")), "messages: no message is from the assistant"),
        (bad(("user", "q"), ("assistant", "a"), ("user", "thanks")), "messages[2].role: the last message is"),
        (
            bad(("assistant", "a"), ("user", "q"), ("assistant", "a")),
            "messages[0].role: assistant stands first",
        ),
        (bad(("user", "q"), ("user", "r"), ("assistant", "a")), "messages[1].role: user follows user"),
        (bad(("user", "q"), ("system", "s"), ("assistant", "a")), "messages[1].role: system stands after"),
        (bad(("user", ""), ("assistant", "a")), "messages[0].content: is empty"),
        (bad(("system", "s"), ("assistant", "a")), "messages[1].role: assistant follows system"),
        (bad(("user", 3), ("assistant", "a")), "messages[0].content: is a number, not a string: 3"),
        ({"messages": []}, "messages: is an empty list"),
        (
            {"messages": '[{"role": "user"}]'},
            "messages: is a string, not a list: it holds JSON: write it without",
        ),
        ({"messages": ["hi"]}, "messages[0]: is a string, not an object"),
        ({"messages": [{"content": "q"}]}, "messages[0].role: is missing"),
        ({"messages": [{"role": "user"}]}, "messages[0].content: is missing"),
        ({"text": ""}, "text: is empty"),
        ({"text": None}, "text: is null"),
        (
            {"text": "a", **HELLO},
            "format: could be messages or text: remove the keys of the others, or set format: messages; text",
        ),
        ({"instruction": "a", "output": "b", "text": "c"}, "format: could be alpaca or text"),
        (
            {"instruction": "a", "response": "b"},
            "format: is in no known format; its keys are instruction, resp",
        ),
        ({"message": GREETING}, "format: is in no known format; its keys are message (perhaps 'message' for"),
        (
            {"mapping": {}, "current_node": "n"},
            "format: is a conversation that a chat program exported: use the recipe finetune_from_conv",
        ),
        ({"prompt": "p"}, "format: is in no known format; its keys are prompt: a row has"),
        ({}, "format: is in no known format; its keys are none"),
        (
            {"prompt": "p", "chosen": "a", "rejected": "b"},
            "format: is a preference pair, not an example: use",
        ),
        ({"prompt": "p", "completion": None}, "completion: is null"),
        ({"instruction": "a", "input": ["b"], "output": "c"}, "input: is a list"),
        ({**HELLO, "tools": [{"name": "f"}]}, "tools: is not understood here"),
        (
            {"messages": [GREETING[0], {**GREETING[1], "tool_calls": [{"id": 1}]}]},
            "messages[1].tool_calls: is not understood here",
        ),
        (
            {"messages": [GREETING[0], {**GREETING[1], "weight": 0}]},
            "messages: no answer is to be learned",
        ),
        (
            {"messages": [GREETING[0], {**GREETING[1], "weight": 0.5}]},
            "messages[1].weight: is 0.5: write 0 (not learned) or 1",
        ),
        (
            {"messages": [GREETING[0], {**GREETING[1], "reasoning_content": "hm"}]},
            "messages[1].reasoning_content: is not understood here: 'hm': write it into content as <think>",
        ),
    ],
)
def test_what_cannot_be_learned_is_refused(row: dict[str, Any], expected: str) -> None:
    with pytest.raises(RowError) as refused:
        normal(row)
    assert str(refused.value).startswith(expected)
    assert refused.value.remedy


def test_a_named_format_settles_what_could_be_two() -> None:
    row = {"instruction": "Hi", "input": "", "output": "Hello", "text": "### Instruction: Hi"}
    counted = Normaliser(format="alpaca")
    assert counted(row, "rows.jsonl:1") == HELLO
    assert counted.passed_over == {"text": 1}


def test_mixed_formats_are_refused_unless_accepted() -> None:
    alpaca = {"instruction": "Hi", "output": "Hello"}
    strict = Normaliser()
    strict(HELLO, "rows.jsonl:1")
    with pytest.raises(RowError, match=r"is alpaca, but the rows from rows\.jsonl:1 on are messages"):
        strict(alpaca, "rows.jsonl:7")
    lenient = Normaliser(mixed=True)
    assert [lenient(row, "x:1") for row in (HELLO, alpaca)] == [HELLO, HELLO]
    with pytest.raises(RowError, match="plain text and conversations are two datasets"):
        lenient({"text": "Once"}, "x:3")


def test_unknown_roles_can_be_declared() -> None:
    row = bad(("user", "q"), ("bot", "a"))
    assert normal(row, roles={"bot": "assistant"})["messages"][1]["role"] == "assistant"
    with pytest.raises(ValueError, match=r"roles: 'bot' means 'robot', which is none of system, user"):
        check_roles({"bot": "robot"})


def test_one_speakers_messages_can_be_joined() -> None:
    row = bad(("user", "a"), ("user", "b"), ("assistant", "c"), ("assistant", "d"))
    merging = Normaliser(consecutive="merge")
    assert merging(row, "x:1") == ask("a\n\nb", "c\n\nd")
    assert merging.merged == 1


def test_a_blank_system_message_and_other_columns_are_passed_over() -> None:
    counted = Normaliser()
    row = {**bad(("system", ""), ("user", "Hi"), ("assistant", "Hello")), "id": 3, "source": "x", "tools": []}
    assert counted(row, "x:1") == HELLO
    assert counted.passed_over == {"source": 1, "tools": 1}


def test_alpaca_history_and_system() -> None:
    row = {
        **{"instruction": "And now?", "output": "Four", "system": "Count"},
        "history": [["One?", "Two"], ["Then?", "Three"]],
    }
    assert [message["content"] for message in normal(row)["messages"]] == [
        *("Count", "One?", "Two", "Then?", "Three", "And now?", "Four")
    ]
    with pytest.raises(RowError, match=r"history\[0\]: is no pair of strings"):
        normal({**row, "history": [["One?"]]})


def test_columns_of_any_name_are_those_of_a_format() -> None:
    columns = {"prompt": "question", "answer": "reply"}
    normaliser = Normaliser(columns=columns)
    assert normaliser({"question": "q", "reply": "a", "source": "web"}, "here")["messages"] == [
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": "a"},
    ]
    assert normaliser.passed_over == {"source": 1}
    with pytest.raises(RowError, match=r"^reply: is missing; the columns are answer, question"):
        normaliser({"question": "q", "answer": "a"}, "here")
    with pytest.raises(ValueError, match="columns: 'reply' is none of text, prompt, completion"):
        check_columns({"reply": "a"}, [key for keys in KEYS.values() for key in keys])
    with pytest.raises(RowError, match=r"or say what the columns are, such as columns: \{prompt: question\}"):
        normal({"question": "q", "reply": "a"})
    pair = PreferenceNormaliser(
        Normaliser(columns={"prompt": "question", "chosen": "good", "rejected": "bad"})
    )
    assert pair({"question": "q", "good": "a", "bad": "b"}, "here")["chosen"][0]["content"] == "a"

"""Preference pairs: many shapes, one normal form, and what would teach nothing or the wrong thing."""

from typing import Any

import pytest

from cookbooks.llm.data.formats import Normaliser
from cookbooks.llm.data.preferences import PreferenceNormaliser
from cookbooks.llm.data.problems import RowError

USER = [{"role": "user", "content": "Q"}]
GOOD = [{"role": "assistant", "content": "good"}]
POOR = [{"role": "assistant", "content": "poor"}]
PAIR = {"prompt": USER, "chosen": GOOD, "rejected": POOR}


def normal(row: dict[str, Any]) -> dict[str, Any]:
    return PreferenceNormaliser()(row, "pairs.jsonl:1")


@pytest.mark.parametrize(
    ("shape", "row"),
    [
        ("strings", {"prompt": "Q", "chosen": "good", "rejected": "poor"}),
        ("messages", PAIR),
        ("messages", {"prompt": "Q", "chosen": GOOD, "rejected": POOR}),
        ("messages", {"prompt": "Q", "chosen": USER + GOOD, "rejected": USER + POOR}),
        ("conversations", {"chosen": USER + GOOD, "rejected": USER + POOR}),
        (
            "conversations",
            {
                "chosen": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "good"}],
                "rejected": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "poor"}],
            },
        ),
        (
            "transcripts",
            {"chosen": "\n\nHuman: Q\n\nAssistant: good", "rejected": "\n\nHuman: Q\n\nAssistant: poor"},
        ),
        ("strings", {"prompt": "\n\nHuman: Q\n\nAssistant:", "chosen": "good", "rejected": "poor"}),
        (
            "messages",
            {"input": {"messages": USER}, "preferred_output": GOOD, "non_preferred_output": POOR},
        ),
        (
            "messages",
            {
                "conversations": [{"from": "human", "value": "Q"}],
                "chosen": {"from": "gpt", "value": "good"},
                "rejected": {"from": "gpt", "value": "poor"},
            },
        ),
        ("strings", {"instruction": "Q", "input": "", "chosen": "good", "rejected": "poor"}),
    ],
)
def test_every_shape_becomes_the_normal_form(shape: str, row: dict[str, Any]) -> None:
    normaliser = PreferenceNormaliser()
    assert normaliser(row, "x:1") == PAIR
    assert normaliser.normaliser.found == {shape: "x:1"}


def test_a_longer_conversation_is_the_prompt() -> None:
    before = [*USER, {"role": "assistant", "content": "A"}, {"role": "user", "content": "R"}]
    row = {"chosen": before + GOOD, "rejected": before + POOR, "score": 1}
    normaliser = PreferenceNormaliser()
    assert normaliser(row, "x:1") == {"prompt": before, "chosen": GOOD, "rejected": POOR}
    assert normaliser.normaliser.passed_over == {"score": 1}


def test_mixed_shapes_are_refused_unless_accepted() -> None:
    strings = {"prompt": "Q", "chosen": "good", "rejected": "poor"}
    strict, lenient = PreferenceNormaliser(), PreferenceNormaliser(Normaliser(mixed=True))
    assert strict(strings, "x:1") == lenient(strings, "x:1") == lenient(PAIR, "x:2") == PAIR
    with pytest.raises(RowError, match=r"is messages, but the rows from x:1 on are strings: put each format"):
        strict(PAIR, "x:2")


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"prompt": "Q", "chosen": "a ", "rejected": "a"}, "rejected: is the same as chosen: 'a'"),
        ({"prompt": "Q", "chosen": "", "rejected": "a"}, "chosen[0].content: the answer is empty"),
        ({"prompt": "Q", "chosen": "a", "rejected": "\n"}, "rejected[0].content: the answer is empty"),
        ({"prompt": "Q", "chosen": "a", "rejected": None}, "chosen: is a string, and rejected is null"),
        ({"prompt": "Q", "chosen": "a", "rejected": POOR}, "chosen: is a string, and rejected is a list"),
        (
            {"chosen": "a", "rejected": "b"},
            "prompt: is missing, and chosen is neither a list of messages nor",
        ),
        (
            {"chosen": GOOD, "rejected": POOR},
            "prompt: is missing, and chosen and rejected share no beginning",
        ),
        ({"prompt": "", "chosen": "a", "rejected": "b"}, "prompt[0].content: is empty"),
        ({"prompt": USER + GOOD, "chosen": GOOD, "rejected": POOR}, "prompt[2].role: assistant follows"),
        (
            {"chosen": USER + GOOD + USER + GOOD, "rejected": USER + POOR + USER + GOOD},
            "chosen: is assistant, user, assistant, not one answer to the prompt",
        ),
        (
            {"prompt": "Q", "choosen": "a", "rejected": "b"},
            "format: is in no known format; its keys are choosen",
        ),
        ({**PAIR, "tools": [1]}, "tools: is not understood here"),
    ],
)
def test_what_cannot_be_learned_is_refused(row: dict[str, Any], expected: str) -> None:
    with pytest.raises(RowError) as refused:
        normal(row)
    assert str(refused.value).startswith(expected)
    assert refused.value.remedy

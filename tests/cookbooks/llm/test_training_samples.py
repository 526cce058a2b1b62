"""What a training shows of its model, before and after: the same bytes with it and without."""

import re
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from cookbooks.llm.pages.metadata import sample_answers
from cookbooks.llm.training_loop import sample_chat
from cookbooks.llm.training_loop.sample_chat import ANSWER_TOKENS, SampleChat
from tests.cookbooks.llm.training_support import Training, again, dialogues, pairs, split, tiny_model

STEPS = {"epochs": 1, "dropout": 0.1}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("inputs")
    return {"base_model": tiny_model(root / "tiny"), "split": split(root / "split", dialogues(8))}


def asked(samples: list[dict[str, str]]) -> list[tuple[str, str]]:
    return [(one["kind"], one["prompt"]) for one in samples]


@pytest.mark.parametrize("method", ["lora", "full"])
def test_the_answers_are_of_the_model_before_and_after(
    method: str, inputs: dict[str, Path], tmp_path: Path
) -> None:
    facts = Training(tmp_path, "sft", inputs, **STEPS, method=method, lr=1e-2).run()
    held = [row["messages"][0]["content"] for row in dialogues(8)[-2:]]
    assert asked(facts["samples"]) == [("question", text) for text in held]
    assert all(one["before"] != one["after"] for one in facts["samples"])
    assert "samples" not in (tmp_path / "out" / "trainer.json").read_text()


def test_to_look_at_a_model_does_not_change_what_is_trained(
    inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = Training(tmp_path / "shown", "sft", inputs, **STEPS, prompts=["Who are you?"])
    training.run()
    unseen = again(training, tmp_path / "unseen", prompts=[])
    monkeypatch.setattr(SampleChat, "ask", lambda *_: None)
    unseen.run()
    assert training.files() == unseen.files()


def test_a_model_that_cannot_be_asked_is_trained(
    inputs: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("the GPU is full")

    monkeypatch.setattr(sample_chat, "_words", broken)
    training = Training(tmp_path, "sft", inputs, **STEPS)
    facts = training.run()
    assert facts["steps"] == 3 and facts["samples"] == [] and training.files()
    assert "sample chat: left out: RuntimeError: the GPU is full" in capfd.readouterr().err


def test_the_users_questions_come_first_and_long_prompts_are_left_out(
    inputs: dict[str, Path], tmp_path: Path
) -> None:
    rows = dialogues(9)
    rows[-2]["messages"][0]["content"] = "x" * sample_chat.PROMPT_TOKENS
    given = {**inputs, "split": split(tmp_path / "split", rows)}
    training = Training(tmp_path, "sft", given, **STEPS, seq_len=512, prompts=["Who?", "Why?", "When?"])
    texts = [text for _, text in asked(training.run()["samples"])]
    assert texts == ["Who?", "Why?", rows[-1]["messages"][0]["content"]]


def test_plain_text_is_continued_and_nothing_is_asked_without_a_template(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "tiny")
    (model / "chat_template.jinja").unlink()
    texts = [{"id": str(n), "text": f"The {n}th river flows past the old stone lamp."} for n in range(8)]
    inputs = {"base_model": model, "split": split(tmp_path / "split", texts)}
    facts = Training(tmp_path, "sft", inputs, **STEPS, prompts=["Who are you?"]).run()
    assert asked(facts["samples"]) == [("text", text["text"][:22]) for text in texts[-2:]]
    assert all(len(one["after"]) <= ANSWER_TOKENS + 4 for one in facts["samples"])


def test_who_has_no_time_to_be_asked_is_trained(
    inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample_chat, "SECONDS", -1.0)
    given = {**inputs, "split": split(tmp_path / "pairs", pairs(8))}
    facts = Training(tmp_path, "dpo", given, epochs=1).run()
    assert facts["samples"] == []


def test_what_was_said_stands_side_by_side_as_it_was_said() -> None:
    samples = [
        {"kind": "question", "prompt": "Who?", "before": "# I", "after": "```me```"},
        {"kind": "text", "prompt": "Once", "before": " upon", "after": " upon"},
    ]
    text: Any = sample_answers(samples)["sample_chat"].value
    shown = MarkdownIt().render(text)
    assert "<h1>" not in shown and "<code>" not in shown
    paragraphs = [re.sub(r"<[^>]+>", "", line) for line in shown.splitlines()]
    assert paragraphs[:6] == ["question", "Who?", "before", "# I", "after", "```me```"]
    assert "beginning of a held-out text" in paragraphs and "before and after" in paragraphs
    assert sample_answers([]) == {}

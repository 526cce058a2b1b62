"""Rows of a split as the evaluator and the GGUF's verification see them."""

from pathlib import Path
from typing import Any

import pytest

from blut_resources.payload_kit.refuse import Refused
from cookbooks.llm.chat.masking import IGNORE
from cookbooks.llm.scoring.held_out import read_file
from tests.cookbooks.llm.rows_support import GREETING, ask, tokenizer_of_smollm2, write_rows


def side(folder: Path, *rows: dict[str, Any], **options: Any) -> list[Any]:
    write_rows(folder / "eval.jsonl", rows)
    return read_file(tokenizer_of_smollm2(), folder / "eval.jsonl", **options)


def learned(example: Any) -> str:
    ids = [token for token, label in zip(example.ids, example.labels, strict=True) if label != IGNORE]
    return tokenizer_of_smollm2().decode(ids)


def test_an_answer_is_scored_and_the_question_is_not(tmp_path: Path) -> None:
    (row,) = side(tmp_path, ask("Where?", "Here.", id="a"))
    assert (row.id, row.answer, row.prompt) == ("a", "Here.", [{"role": "user", "content": "Where?"}])
    assert learned(row) == "Here.<|im_end|>"


def test_of_a_conversation_the_question_is_the_last_one(tmp_path: Path) -> None:
    (row,) = side(tmp_path, {"id": "c", "messages": GREETING})
    assert row.prompt == GREETING[:-1] and row.answer == "See you."
    assert learned(row) == "Hello!<|im_end|>See you.<|im_end|>"


def test_of_a_pair_it_is_the_chosen_answer(tmp_path: Path) -> None:
    user, yes, no = (
        {"role": role, "content": text}
        for role, text in (("user", "Well?"), ("assistant", "Yes."), ("assistant", "No."))
    )
    (row,) = side(tmp_path, {"id": "p", "prompt": [user], "chosen": [yes], "rejected": [no]})
    assert (row.answer, row.prompt) == ("Yes.", [user])
    assert learned(row) == "Yes.<|im_end|>"


def test_text_is_scored_whole_and_holds_no_question(tmp_path: Path) -> None:
    (row,) = side(tmp_path, {"id": "t", "text": "Plain text."})
    assert row.prompt == [] and learned(row) == "Plain text.<|im_end|>"


def test_a_part_is_drawn_by_the_seed_and_keeps_its_order(tmp_path: Path) -> None:
    rows = [ask(f"Question {n}?", f"Answer {n}.", id=f"{n:02}") for n in range(20)]
    drawn = [row.id for row in side(tmp_path, *rows, most=5, seed=3)]
    assert len(drawn) == 5 and drawn == sorted(drawn)
    assert drawn == [row.id for row in side(tmp_path, *rows, most=5, seed=3)]
    assert drawn != [row.id for row in side(tmp_path, *rows, most=5, seed=4)]


def test_a_row_that_cannot_be_rendered_is_named(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"eval\.jsonl:1"):
        side(tmp_path, {"id": "x", "messages": [{"role": "user", "content": "Only a question"}]})

"""Splits without leaks: what is alike is never on both sides, in any order of the rows."""

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blut_resources.payload_kit.config import read
from cookbooks.llm.data.keys import exact_key, group_keys, plain
from cookbooks.llm.data.problems import DataError
from cookbooks.llm.data.splitting import groups_of, named_split, split_rows
from cookbooks.llm.payload.dataset_split import DivisionSettings, build
from tests.cookbooks.llm.rows_support import ask, read_rows, session, write_rows

CONFIG = {"eval_ratio": 0.2, "seed": 42, "same_prompt": True, "same_answer": False}


def split(
    tmp_path: Path, rows: list[dict[str, Any]], **config: Any
) -> tuple[list[Any], list[Any], dict[str, Any]]:
    folder = tmp_path / "dataset"
    write_rows(folder / "dataset.jsonl", rows)
    out = session(tmp_path / "out", {}).out
    facts = build(folder, read({**CONFIG, **config}, DivisionSettings), out)
    return read_rows(out / "train.jsonl"), read_rows(out / "eval.jsonl"), facts


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Hello, World!", "hello world"),
        ("  a\n\tb ", "a b"),
        ("Straße", "STRASSE"),
        ("ﬁne “quotes”", 'fine "quotes"'),
        ("co\u00adop\u200ber", "cooper"),
        ("\uff26\uff55\uff4c\uff4c\u3000\uff57\uff49\uff44\uff54\uff48", "full width"),
        ("cafe\u0301", "café"),
    ],
)
def test_texts_that_say_the_same(one: str, other: str) -> None:
    assert plain(one) == plain(other)


@pytest.mark.parametrize(("one", "other"), [("2+2", "2<2"), ("?", "!"), ("a b", "ab"), ("für", "fur")])
def test_texts_that_differ(one: str, other: str) -> None:
    assert plain(one) != plain(other)


def test_the_exact_key_knows_nothing_but_what_a_row_says() -> None:
    assert exact_key(ask("a", "b", id="1")) == exact_key(ask("a", "b", id="2"))
    assert exact_key(ask("a", "b")) != exact_key(ask("a", "B"))


def test_groups_are_joined_over_others() -> None:
    assert groups_of([["a"], ["b"], ["c", "a"], ["d"], ["b", "c"]]) == [[0, 1, 2, 4], [3]]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=2, max_size=60),
    st.floats(0.01, 0.99),
    st.integers(0, 3),
    st.booleans(),
)
def test_nothing_is_on_both_sides(
    pairs: list[tuple[int, int]], ratio: float, seed: int, same_answer: bool
) -> None:
    rows = [ask(f"Question {a}" + "?" * (b % 3), f"Answer {b}") for a, b in pairs]
    keys = [group_keys(row, same_prompt=True, same_answer=same_answer) for row in rows]
    if len(groups_of(keys)) < 2:
        with pytest.raises(DataError, match="hang together"):
            split_rows(keys, ratio, seed)
        return
    found = split_rows(keys, ratio, seed)
    assert 0 < found.n_eval < len(rows)
    sides: dict[bool, set[str]] = {True: set(), False: set()}
    prompts: dict[bool, set[str]] = {True: set(), False: set()}
    for row, row_keys, side in zip(rows, keys, found.is_eval, strict=True):
        sides[side].update(row_keys)
        prompts[side].add(plain(row["messages"][0]["content"]))
    assert not sides[True] & sides[False]
    assert not prompts[True] & prompts[False]


def test_the_order_of_the_rows_does_not_matter(tmp_path: Path) -> None:
    rows = [ask(f"Question {n}", f"Answer {n % 40}") for n in range(100)]
    shuffled = random.Random(1).sample(rows, len(rows))
    one = split(tmp_path / "a", rows)[1]
    other = split(tmp_path / "b", shuffled)[1]
    assert sorted(map(str, one)) == sorted(map(str, other))
    assert one == [row for row in rows if row in one], "rows keep the order of the dataset"
    assert split(tmp_path / "c", rows, seed=1)[1] != one


def test_the_share_is_met_and_said(tmp_path: Path) -> None:
    rows = [ask(f"Question {n}", f"Answer {n}") for n in range(100)]
    train, held, facts = split(tmp_path, rows)
    assert (len(train), len(held)) == (80, 20)
    assert {
        name: facts[name] for name in ("n_train", "n_eval", "n_groups", "n_eval_groups", "largest_group")
    } == {**{"n_train": 80, "n_eval": 20, "n_groups": 100, "n_eval_groups": 20, "largest_group": 1}}


def test_duplicates_but_for_case_and_punctuation_stay_together(tmp_path: Path) -> None:
    rows = [
        ask(f"{'Q' if n % 2 else 'q'}uestion {n // 2}{'?' * (n % 2)}", f"answer {n // 2}.") for n in range(40)
    ]
    train, held, facts = split(tmp_path, rows, same_prompt=False)
    assert facts["n_groups"] == 20 and facts["largest_group"] == 2
    said = [{plain(row["messages"][0]["content"]) for row in side} for side in (train, held)]
    assert not said[0] & said[1]


def test_a_conversation_stays_with_those_that_begin_with_it(tmp_path: Path) -> None:
    """Its first answer is learned there as well."""
    rows = [ask(f"Question {n}", f"Answer {n}") for n in range(10)]
    longer = {"messages": [*rows[3]["messages"], *ask("And then?", "Nothing.")["messages"]]}
    for same_prompt in (True, False):
        keys = [group_keys(row, same_prompt=same_prompt, same_answer=False) for row in [*rows, longer]]
        assert [3, 10] in groups_of(keys)


def test_the_same_answer_can_be_kept_together(tmp_path: Path) -> None:
    rows = [ask(f"Question {n}", f"Answer {n % 5}!") for n in range(50)]
    assert split(tmp_path / "a", rows)[2]["n_groups"] == 50
    train, held, facts = split(tmp_path / "b", rows, same_answer=True)
    assert facts["n_groups"] == 5
    answers = [{row["messages"][1]["content"] for row in side} for side in (train, held)]
    assert not answers[0] & answers[1]


def pair(prompt: str, chosen: str, rejected: str) -> dict[str, Any]:
    said = {"chosen": chosen, "rejected": rejected}
    sides = {name: [{"role": "assistant", "content": text}] for name, text in said.items()}
    return {"prompt": [{"role": "user", "content": prompt}], **sides}


def test_pairs_that_share_an_answer_or_a_prompt_stay_together(tmp_path: Path) -> None:
    rows = [
        *(pair("p1", "a", "b"), pair("p2", "c", "A."), pair("P2!", "d", "e")),
        *(pair(f"q{n}", f"good {n}", f"poor {n}") for n in range(10)),
    ]
    keys = [group_keys(row, same_prompt=True, same_answer=True) for row in rows]
    assert groups_of(keys)[0] == [0, 1, 2]
    train, held, _ = split(tmp_path, rows, same_answer=True)
    answers = [
        {plain(row[name][0]["content"]) for row in side for name in ("chosen", "rejected")}
        for side in (train, held)
    ]
    assert not answers[0] & answers[1] and held


@pytest.mark.parametrize("ratio", [0.01, 0.99])
def test_at_least_one_row_on_each_side(tmp_path: Path, ratio: float) -> None:
    rows = [ask(f"Question {n}", "Answer") for n in range(3)]
    train, held, _ = split(tmp_path, rows, eval_ratio=ratio)
    assert train and held


def test_a_group_too_large_for_the_share_is_not_torn(tmp_path: Path) -> None:
    rows = [{"text": "one thing" + "!" * n} for n in range(8)] + [{"text": "another"}, {"text": "another."}]
    train, held, facts = split(tmp_path, rows, eval_ratio=0.1)
    assert (len(train), len(held), facts["eval_ratio"]) == (8, 2, 0.2)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"text": "a"}], "1 row cannot be split into train and eval"),
        (
            [{"text": "Same"}, {"text": "same."}, {"text": "SAME"}],
            "all 3 rows hang together .3 of them share",
        ),
    ],
)
def test_what_cannot_be_split_says_why(tmp_path: Path, rows: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        split(tmp_path, rows)


def test_a_split_that_the_files_have_by_name_is_kept_or_refused() -> None:
    keys = [["a"], ["b"], ["c"], ["c"]]
    split = named_split(keys, [False, False, True, True])
    assert (split.is_eval, split.n_groups, split.n_eval_groups, split.largest_group) == (
        [False, False, True, True],
        3,
        1,
        2,
    )
    with pytest.raises(
        DataError, match="1 of 1 rows that are held out by the name of their file say what a row"
    ):
        named_split(keys, [False, False, False, True])
    with pytest.raises(DataError, match="no usable row is left on one side"):
        named_split(keys, [True] * 4)

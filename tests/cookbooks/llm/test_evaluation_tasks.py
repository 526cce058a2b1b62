"""lm-eval's YAML with local data: read whole or refused by the name of the key."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from cookbooks.llm.evaluation.documents import questions
from cookbooks.llm.evaluation.matching import filtered, matches
from cookbooks.llm.evaluation.yaml_tasks import Filter, TaskError, TaskMetric, read_task, read_tasks

CHOICE: dict[str, Any] = {
    "task": "trivia",
    "dataset_path": "json",
    "dataset_kwargs": {"data_files": {"test": "test.jsonl"}},
    "test_split": "test",
    "output_type": "multiple_choice",
    "doc_to_text": "Q: {{question}}\nA:",
    "doc_to_choice": "choices",
    "doc_to_target": "answer",
}
WRITTEN: dict[str, Any] = {
    **{key: CHOICE[key] for key in ("dataset_path", "dataset_kwargs", "test_split")},
    "task": "sums",
    "doc_to_text": "question",
    "doc_to_target": "{{answer}}",
    "generation_kwargs": {"until": "\n", "max_gen_toks": 8},
}
DOCS = [
    {"question": "Where is Paris?", "choices": ["France", "Peru"], "answer": 0},
    {"question": "What is 2+2?", "choices": ["3", "4"], "answer": 1},
    {"question": "Who barks?", "choices": ["a dog", "a cat"], "answer": 0},
]


def task(folder: Path, docs: list[Any] = DOCS, **content: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    lines = [doc if isinstance(doc, str) else json.dumps(doc) for doc in docs]
    (folder / "test.jsonl").write_text("\n".join(lines) + "\n")
    path = folder / "task.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_a_multiple_choice_is_rendered_with_its_delimiter(tmp_path: Path) -> None:
    first, second, _ = questions(read_task(task(tmp_path, **CHOICE)))
    assert first.prompt == "Q: Where is Paris?\nA:"
    assert first.choices == (" France", " Peru") and first.golds == (0,) and first.lengths == (6, 4)
    assert second.golds == (1,)


def test_choices_and_targets_may_be_templates(tmp_path: Path) -> None:
    more = {"doc_to_choice": "{{choices}}", "doc_to_target": "{{answer}}"}
    assert questions(read_task(task(tmp_path, **{**CHOICE, **more}))) == questions(
        read_task(task(tmp_path / "b", **CHOICE))
    )


def test_a_target_may_be_the_text_of_a_choice_or_several_places(tmp_path: Path) -> None:
    docs = [{**DOCS[0], "answer": "Peru"}, {**DOCS[1], "answer": [0, 1]}]
    found = questions(read_task(task(tmp_path, docs, **CHOICE)))
    assert [question.golds for question in found] == [(1,), (0, 1)]


def test_examples_are_the_first_of_the_split_without_the_question_itself(tmp_path: Path) -> None:
    shots = {"num_fewshot": 1, "fewshot_split": "test", "fewshot_config": {"sampler": "first_n"}}
    described = {"description": "Answer. "}
    found = questions(read_task(task(tmp_path, **{**CHOICE, **shots, **described})))
    assert found[0].prompt == "Answer. Q: What is 2+2?\nA: 4\n\nQ: Where is Paris?\nA:"
    assert found[1].prompt == "Answer. Q: Where is Paris?\nA: France\n\nQ: What is 2+2?\nA:"


def test_through_a_chat_template_the_description_is_the_systems_and_choices_have_no_delimiter(
    tmp_path: Path,
) -> None:
    file = read_task(task(tmp_path, **{**CHOICE, "description": "Answer."}))
    (found, *_) = questions(file, chat=lambda messages: json.dumps(messages))
    assert [message["role"] for message in json.loads(found.prompt)] == ["system", "user"]
    assert found.choices == ("France", "Peru")


def test_a_limit_takes_the_first_documents(tmp_path: Path) -> None:
    assert len(questions(read_task(task(tmp_path, **WRITTEN)), limit=2)) == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"doc_to_txt": "x"}, ["doc_to_txt", "not read here", "did you mean doc_to_text"]),
        ({"process_results": "x"}, ["process_results", "not read here"]),
        ({"dataset_path": "super_glue"}, ["dataset_path", "'super_glue'", "json"]),
        ({"test_split": None}, ["test_split", "missing"]),
        ({"metric_list": [{"metric": "bleu"}]}, ["metric_list.0.metric", "'bleu'"]),
        ({"metric_list": [{"metric": "exact_match"}]}, ["metric_list", "exact_match", "acc_norm"]),
        ({"num_fewshot": 2}, ["num_fewshot", "first_n"]),
        ({"doc_to_choice": None}, ["doc_to_choice", "missing"]),
        ({"repeats": 3}, ["repeats", "(3)"]),
        ({"output_type": "loglikelihood"}, ["output_type", "'loglikelihood'"]),
    ],
)
def test_what_is_not_read_is_refused_by_name(
    tmp_path: Path, change: dict[str, Any], words: list[str]
) -> None:
    path = task(tmp_path, **{**CHOICE, **change})
    with pytest.raises(TaskError) as refused:
        read_task(path)
    assert all(word in str(refused.value) for word in [str(path), *words]), refused.value


def test_a_sampled_generation_is_refused(tmp_path: Path) -> None:
    path = task(tmp_path, **{**WRITTEN, "generation_kwargs": {"do_sample": True, "temperature": 0.7}})
    with pytest.raises(TaskError, match=r"generation_kwargs\.do_sample"):
        read_task(path)


def test_a_task_with_code_of_its_own_is_refused_and_nothing_runs(tmp_path: Path) -> None:
    path = task(tmp_path, **CHOICE)
    path.write_text(path.read_text() + "process_docs: !function utils.process\n")
    (tmp_path / "utils.py").write_text("raise SystemExit('was run')")
    with pytest.raises(TaskError, match="run code of their own"):
        read_task(path)


@pytest.mark.parametrize(
    ("docs", "words"),
    [
        (["{"], ["test.jsonl:1", "no JSON"]),
        (["[1]"], ["test.jsonl:1", "no JSON object"]),
        ([], ["no document"]),
        ([{**DOCS[0], "answer": 2}], ["document 0", "none of the 2 choices"]),
        ([{**DOCS[0], "answer": "Spain"}], ["document 0", "'Spain'"]),
        ([{"question": "?"}], ["document 0", "has no column 'choices'"]),
        ([{**DOCS[0], "choices": "France"}], ["document 0", "no list of texts"]),
    ],
)
def test_documents_are_refused_by_place(tmp_path: Path, docs: list[Any], words: list[str]) -> None:
    path = task(tmp_path, docs, **CHOICE)
    with pytest.raises(TaskError) as refused:
        questions(read_task(path))
    assert all(word in str(refused.value) for word in words), refused.value


def test_a_template_is_data(tmp_path: Path) -> None:
    evil = "{{ ''.__class__.__mro__[1].__subclasses__() }}"
    path = task(tmp_path, **{**WRITTEN, "doc_to_text": evil})
    with pytest.raises(TaskError, match="unsafe"):
        questions(read_task(path))


def test_a_data_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = task(tmp_path, **{**CHOICE, "dataset_kwargs": {"data_files": {"test": "gone.jsonl"}}})
    with pytest.raises(TaskError, match=r"gone\.jsonl is not there"):
        questions(read_task(path))
    path = task(tmp_path, **{**CHOICE, "test_split": "validation"})
    with pytest.raises(TaskError, match="split 'validation' is none of data_files"):
        questions(read_task(path))


def test_two_tasks_of_one_name_are_refused(tmp_path: Path) -> None:
    task(tmp_path / "a", **CHOICE)
    task(tmp_path / "b", **CHOICE)
    with pytest.raises(TaskError, match="'trivia' is in"):
        read_tasks([str(tmp_path)])
    with pytest.raises(TaskError, match="is no file and no directory"):
        read_tasks([str(tmp_path / "c")])


def test_a_copied_task_asks_the_same_without_its_source(tmp_path: Path) -> None:
    source = task(tmp_path / "source", **CHOICE)
    copy = tmp_path / "copy"
    copy.mkdir()
    before = questions(read_task(source))
    read_task(source).copy_to(copy)
    source.unlink()
    assert questions(read_task(copy / "task.yaml")) == before


@pytest.mark.parametrize(
    ("answer", "options", "same"),
    [
        ("Paris", {}, True),
        (" Paris", {}, False),
        ("paris!", {"ignore_case": True, "ignore_punctuation": True}, True),
        ("Paris 75", {"ignore_numbers": True}, False),
        ("Paris75", {"ignore_numbers": True}, True),
        ("the Paris", {"regexes_to_ignore": ["^the "]}, True),
    ],
)
def test_an_answer_matches_by_the_options_of_the_metric(answer: str, options: dict, same: bool) -> None:
    assert matches(answer, ["Rome", "Paris"], TaskMetric(metric="exact_match", **options)) is same


@pytest.mark.parametrize(
    ("steps", "found"),
    [
        ([{"function": "regex", "regex_pattern": r"(\d+)"}, {"function": "take_first"}], "12"),
        ([{"function": "regex", "regex_pattern": r"(\d+)", "group_select": -1}], "40"),
        ([{"function": "regex", "regex_pattern": r"(x)|(\d+)"}], "12"),
        ([{"function": "regex", "regex_pattern": "z", "fallback": "none"}], "none"),
        ([{"function": "remove_whitespace"}, {"function": "uppercase"}], "12 AND THEN 40"),
    ],
)
def test_a_filter_takes_the_answer_out_of_the_text(steps: list[dict], found: str) -> None:
    chosen = Filter(name="f", filter=steps)  # type: ignore[arg-type]
    assert filtered("  12 and then 40 ", chosen) == found

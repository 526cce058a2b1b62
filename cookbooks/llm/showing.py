"""Shows in the UI what the assets have beside their facts."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from blut_resources.text import markdown
from cookbooks.llm.data.problems import Problem


def problem_table(problems: list[Problem]) -> dg.MetadataValue:
    """Returns problems as a table: where, what is wrong, and the remedy."""
    records = [
        dg.TableRecord({"place": one.place, "field": one.field, "problem": one.what, "remedy": one.remedy})
        for one in problems
    ]
    return dg.MetadataValue.table(records)


def sample_answers(samples: Sequence[Mapping[str, str]]) -> Mapping[str, Any]:
    """Shows what a model said before its training and after it; nothing where it was not asked."""
    if not samples:
        return {}
    return {"sample_chat": dg.MetadataValue.md("\n\n".join(_sample(one) for one in samples))}


def _sample(one: Mapping[str, str]) -> str:
    asked = "question" if one["kind"] == "question" else "beginning of a held-out text"
    if one["before"] == one["after"]:
        return _dialogue([(asked, one["prompt"]), ("before and after", one["after"])])
    return _dialogue([(asked, one["prompt"]), ("before", one["before"]), ("after", one["after"])])


def sample_chat(gguf: Path) -> Mapping[str, Any]:
    """Shows the questions that a GGUF was asked when it was checked, and its answers;
    none without a template.
    """
    answers = json.loads((gguf / "fidelity.json").read_text())["answers"]
    if not answers:
        return {}
    return {"sample_chat": dg.MetadataValue.md("\n\n".join(_exchange(one) for one in answers))}


def _exchange(one: Mapping[str, Any]) -> str:
    said = [("question", one["question"]), ("this file", one["answer"])]
    if one["reference_answer"] != one["answer"]:
        said.append(("the model in fp32", one["reference_answer"]))
    return _dialogue(said)


def _dialogue(said: Sequence[tuple[str, str]]) -> str:
    return "\n\n".join(f"**{who}**\n\n{markdown(text)}" for who, text in said)

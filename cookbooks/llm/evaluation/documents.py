"""Makes questions of the documents of a YAML task, in lm-eval's words and with its delimiters."""

import ast
import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from blut_resources.files.documents import DocumentError, read_json
from blut_resources.files.foreign import NotRegular, TooLarge, read_regular
from cookbooks.llm.evaluation.yaml_tasks import Task, TaskError, TaskFile

DOCS = 512 << 20
"""Bytes of the documents of a task at most."""

Doc = Mapping[str, Any]
Chat = Callable[[Sequence[dict[str, str]]], str]
"""Renders messages with a model's chat template, ready for the answer."""


@dataclass(frozen=True)
class Question:
    """Holds one document, rendered: ``choices`` are to be compared, empty if an answer is written.

    ``golds`` are places of right choices, or the texts that an answer may match.
    """

    id: str
    prompt: str
    choices: tuple[str, ...]
    golds: tuple[Any, ...]
    lengths: tuple[int, ...] = ()


def read_docs(path: Path) -> list[dict[str, Any]]:
    """Returns the objects of a .jsonl file, or of a .json file that holds a list of them.

    Raises:
        TaskError: naming file and line.
    """
    try:
        text = read_regular(path, DOCS).decode()
    except (NotRegular, TooLarge, UnicodeDecodeError) as error:
        raise TaskError(f"{path}: {error}") from error
    if path.suffix == ".json":
        docs = _parsed(text, f"{path}")
        if not isinstance(docs, list):
            raise TaskError(f"{path}: holds no list of objects")
        places = [(f"{path}: entry {number}", doc) for number, doc in enumerate(docs, 1)]
    else:
        lines = [
            (f"{path}:{number}", line) for number, line in enumerate(text.split("\n"), 1) if line.strip()
        ]
        places = [(place, _parsed(line, place)) for place, line in lines]
    for place, doc in places:
        if not isinstance(doc, dict):
            raise TaskError(f"{place}: is no JSON object")
    if not places:
        raise TaskError(f"{path}: holds no document")
    return [doc for _, doc in places]


def _parsed(text: str, place: str) -> Any:
    try:
        return read_json(text, place, DOCS)
    except DocumentError as error:
        raise TaskError(str(error).replace("cannot be read as JSON", "is no JSON")) from error


def questions(file: TaskFile, *, limit: int | None = None, chat: Chat | None = None) -> list[Question]:
    """Returns the questions of a task, the first ``limit`` of them.

    Raises:
        TaskError: a document does not fit the task's templates.
    """
    task = file.task
    docs = read_docs(file.data_file(task.split))[:limit]
    shots: list[dict[str, Any]] = []
    if task.num_fewshot and task.fewshot_split:
        shots = read_docs(file.data_file(task.fewshot_split))
    same = task.fewshot_split == task.split
    return [
        _question(file, task, number, doc, _shots(file, shots, doc if same else None), chat)
        for number, doc in enumerate(docs)
    ]


def _shots(file: TaskFile, pool: list[dict[str, Any]], doc: Doc | None) -> list[dict[str, Any]]:
    wanted = file.task.num_fewshot
    found = [shot for shot in pool if shot != doc][:wanted]
    if len(found) < wanted:
        raise TaskError(f"{file.path}: num_fewshot: {wanted}, but there are {len(found)} examples")
    return found


def _question(
    file: TaskFile, task: Task, number: int, doc: Doc, shots: Sequence[Doc], chat: Chat | None
) -> Question:
    try:
        prompt = _prompt(task, doc, shots, chat)
        if task.output_type == "multiple_choice":
            choices = choices_of(task, doc)
            delimiter = "" if chat else task.target_delimiter
            return Question(
                str(number),
                prompt,
                tuple(f"{delimiter}{choice}" for choice in choices),
                tuple(_places(target_of(task, doc), choices)),
                tuple(len(choice) for choice in choices),
            )
        return Question(str(number), prompt, (), tuple(_texts(task, doc)))
    except (jinja2.TemplateError, KeyError, SyntaxError, TypeError, ValueError) as error:
        raise TaskError(f"{file.path}: document {number}: {error}") from error


def _prompt(task: Task, doc: Doc, shots: Sequence[Doc], chat: Chat | None) -> str:
    system = text_of(task.description, doc)
    parts = []
    for shot in shots:
        parts += [text_of(task.doc_to_text, shot), task.target_delimiter, _shown(task, shot)]
        parts.append(task.fewshot_delimiter)
    parts.append(text_of(task.doc_to_text, doc))
    if chat is None:
        return system + "".join(parts)
    messages = [{"role": "system", "content": system}] if system else []
    return chat([*messages, {"role": "user", "content": "".join(parts)}])


def _shown(task: Task, doc: Doc) -> str:
    """Returns the right answer of an example."""
    target = target_of(task, doc)
    if isinstance(target, int) and task.doc_to_choice is not None:
        return choices_of(task, doc)[target]
    return str(target[0] if isinstance(target, list) else target)


def choices_of(task: Task, doc: Doc) -> list[str]:
    """Returns the choices of a document."""
    wanted = task.doc_to_choice
    if isinstance(wanted, str):
        wanted = doc[wanted] if wanted in doc else _literal(_rendered(wanted, doc))
    if not isinstance(wanted, list) or not wanted or not all(isinstance(one, str) and one for one in wanted):
        raise ValueError(f"doc_to_choice gives {wanted!r}, no list of texts")
    return wanted


def target_of(task: Task, doc: Doc) -> Any:
    """Returns the right answer: a text, a place among the choices, or a list of either."""
    wanted = task.doc_to_target
    if not isinstance(wanted, str):
        return wanted
    if wanted in doc:
        return doc[wanted]
    text = _rendered(wanted, doc)
    if text.isdecimal() and len(text) < 10 and task.doc_to_choice is not None:
        return int(text)
    return _literal(text) if text.startswith("[") and text.endswith("]") else text


def _literal(text: str) -> Any:
    """Returns a Python literal; what is none stays a text."""
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text


def _places(target: Any, choices: Sequence[str]) -> list[int]:
    found = []
    for one in target if isinstance(target, list) else [target]:
        place = choices.index(one) if isinstance(one, str) and one in choices else one
        if not isinstance(place, int) or isinstance(place, bool) or not 0 <= place < len(choices):
            raise ValueError(f"the right answer {one!r} is none of the {len(choices)} choices")
        found.append(place)
    return found


def _texts(task: Task, doc: Doc) -> list[str]:
    target = target_of(task, doc)
    if task.doc_to_choice is not None:
        return [choices_of(task, doc)[target]]
    return [str(one) for one in target] if isinstance(target, list) else [str(target)]


def text_of(template: str, doc: Doc) -> str:
    """Returns a column by its name, or a template rendered.

    Raises:
        ValueError: the column holds no text.
    """
    if template in doc:
        if not isinstance(doc[template], str):
            raise ValueError(f"column {template!r} holds {doc[template]!r}, no text")
        return doc[template]
    return _rendered(template, doc)


def _rendered(template: str, doc: Doc) -> str:
    if template.isidentifier():
        raise ValueError(
            f"has no column {template!r}, only {', '.join(doc)}; a text of its own is written"
            f" {{{{{template!r}}}}}"
        )
    return _environment().from_string(template).render(**doc)


@functools.cache
def _environment() -> jinja2.Environment:
    """Make a Jinja environment that renders as lm-eval does, in a sandbox: a task's file is data."""
    found = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    found.filters["regex_replace"] = lambda text, pattern, repl, count=0: re.sub(
        pattern, repl, text, count=count
    )
    return found

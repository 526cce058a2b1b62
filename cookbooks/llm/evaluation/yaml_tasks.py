"""Reads tasks in lm-eval's YAML, for local data: some of it is read here, the rest is refused.

Read are ``output_type`` multiple_choice and generate_until over ``dataset_path: json`` with
``dataset_kwargs.data_files`` (relative to the YAML file), templates in Jinja or column names, few-shot
examples by ``sampler: first_n``, the metrics acc, acc_norm and exact_match, and the filters regex,
take_first, lowercase, uppercase and remove_whitespace. Every other key is refused by its name, since a task
that is read in part gives a figure that is not that task's. No code of a task is run.
"""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from blut_resources.files.documents import MOST, DocumentError, read_yaml
from blut_resources.files.foreign import copy_regular, read_regular
from blut_resources.payload_kit.refuse import Refused

MAX_GEN_TOKS = 256
CHOICE_METRICS = ("acc", "acc_norm")
GENERATE_METRICS = ("exact_match",)
IGNORED = ("tag", "task_alias")
"""Keys that say nothing about how a task is scored."""


class TaskError(Refused, ValueError):
    """Says that a task cannot be read; the message names file, key and remedy."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TaskMetric(_Part):
    """Describes one metric of a task; the options are those of exact_match."""

    metric: Literal["acc", "acc_norm", "exact_match"]
    aggregation: Literal["mean"] = "mean"
    higher_is_better: Literal[True] = True
    ignore_case: bool = False
    ignore_punctuation: bool = False
    ignore_numbers: bool = False
    regexes_to_ignore: list[str] = Field(default_factory=list)


class Step(_Part):
    """Describes one step of a filter."""

    function: Literal["regex", "take_first", "lowercase", "uppercase", "remove_whitespace"]
    regex_pattern: str = r"#### (\-?[0-9\.\,]+)"
    group_select: int = 0
    fallback: str = "[invalid]"


class Filter(_Part):
    """Says what is made of an answer before it is compared; each one scores under its own name."""

    name: str
    filter: list[Step]


class Generation(_Part):
    """Says how an answer is written: greedily, and only so."""

    until: list[str] = Field(default_factory=list)
    max_gen_toks: int = Field(MAX_GEN_TOKS, ge=1)
    do_sample: Literal[False] = False
    temperature: float = Field(0.0, ge=0, le=0)

    @field_validator("until", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value


class FewShot(_Part):
    """Says how the examples before a question are drawn;
    only the order of the file is the same everywhere.
    """

    sampler: Literal["first_n"]


class TaskData(_Part):
    """Says where the documents are."""

    data_files: str | dict[str, str]


class Task(_Part):
    """Holds a task as its file has it."""

    task: str = Field(min_length=1)
    dataset_path: Literal["json"]
    dataset_name: None = None
    dataset_kwargs: TaskData
    test_split: str | None = None
    validation_split: str | None = None
    fewshot_split: str | None = None
    output_type: Literal["multiple_choice", "generate_until"] = "generate_until"
    doc_to_text: str
    doc_to_target: str | int
    doc_to_choice: str | list[str] | None = None
    description: str = ""
    target_delimiter: str = " "
    fewshot_delimiter: str = "\n\n"
    num_fewshot: int = Field(0, ge=0)
    fewshot_config: FewShot | None = None
    generation_kwargs: Generation | None = None
    metric_list: list[TaskMetric] = Field(default_factory=list)
    filter_list: list[Filter] = Field(default_factory=list)
    repeats: Literal[1] = 1
    should_decontaminate: Literal[False] = False
    metadata: dict[str, Any] = Field(default_factory=dict)

    @field_validator("num_fewshot", mode="before")
    @classmethod
    def _none_is_zero(cls, value: Any) -> Any:
        return 0 if value is None else value

    @model_validator(mode="after")
    def _whole(self) -> "Task":
        if self.output_type == "multiple_choice":
            if self.doc_to_choice is None:
                raise ValueError("doc_to_choice: missing; a multiple choice needs its choices")
            if self.filter_list or self.generation_kwargs:
                raise ValueError("filter_list, generation_kwargs: a multiple choice writes no answer")
        if self.num_fewshot and (self.fewshot_config is None or self.fewshot_split is None):
            raise ValueError(
                "num_fewshot: needs fewshot_split and fewshot_config {sampler: first_n}: a random draw would"
                " not be the one that lm-eval makes"
            )
        allowed = CHOICE_METRICS if self.output_type == "multiple_choice" else GENERATE_METRICS
        for one in self.metric_list:
            if one.metric not in allowed:
                raise ValueError(f"metric_list: {one.metric} is none of {', '.join(allowed)}")
        if not (self.test_split or self.validation_split):
            raise ValueError("test_split: missing; name the split that is asked, such as test")
        return self

    @property
    def split(self) -> str:
        """Returns the split whose documents are asked."""
        return self.test_split or self.validation_split or ""

    @property
    def metrics(self) -> list[TaskMetric]:
        """Returns the metrics, or the usual ones of the output type."""
        usual = CHOICE_METRICS if self.output_type == "multiple_choice" else GENERATE_METRICS
        return self.metric_list or [TaskMetric(metric=name) for name in usual]  # type: ignore[arg-type]

    @property
    def generation(self) -> Generation:
        """Returns how answers are written; they end where the next example would begin if nothing is said."""
        given = self.generation_kwargs or Generation.model_validate({})
        return given if given.until else given.model_copy(update={"until": [self.fewshot_delimiter]})


@dataclass(frozen=True)
class TaskFile:
    """Holds a task and where its file is; data files are looked for beside it."""

    path: Path
    task: Task

    def data_file(self, split: str) -> Path:
        """Returns the file with the documents of a split.

        Raises:
            TaskError: the task names none, or it is not there.
        """
        files = self.task.dataset_kwargs.data_files
        named = {"train": files} if isinstance(files, str) else files
        if split not in named:
            raise TaskError(
                f"{self.path}: split {split!r} is none of data_files ({', '.join(named)}): write"
                f" data_files: {{{split}: FILE}}"
            )
        found = self.path.parent / named[split]
        if not found.is_file():
            raise TaskError(f"{self.path}: data_files: {named[split]} is not there, looked for {found}")
        return found

    def splits(self) -> list[str]:
        """Returns the splits that the task's scores depend on."""
        return [self.task.split, *([self.task.fewshot_split] if self.task.num_fewshot else [])]  # type: ignore[list-item]

    def copy_to(self, folder: Path) -> None:
        """Copy the task with its data to a directory of its own, where nothing outside can change it.

        Raises:
            TaskError: a data file is not there.
        """
        named = {}
        for split in dict.fromkeys(self.splits()):
            source = self.data_file(split)
            named[split] = f"{split}{source.suffix}"
            copy_regular(source, folder / named[split])
        content = read_yaml(read_regular(self.path, MOST), str(self.path))
        content["dataset_kwargs"] = {"data_files": named}
        (folder / "task.yaml").write_text(yaml.safe_dump(content, sort_keys=True, allow_unicode=True))


def read_tasks(places: list[str]) -> list[TaskFile]:
    """Returns the tasks in YAML files, or in directories of them; names must be distinct.

    Raises:
        TaskError: one cannot be read.
    """
    found = [read_task(path) for place in places for path in _yaml_files(place)]
    seen: dict[str, Path] = {}
    for one in found:
        if one.task.task in seen:
            raise TaskError(
                f"{one.path}: task: {one.task.task!r} is in {seen[one.task.task]} too; rename one"
            )
        seen[one.task.task] = one.path
    return found


def _yaml_files(place: str) -> Iterator[Path]:
    path = Path(place)
    if path.is_dir():
        files = sorted(file for file in path.rglob("*.y*ml") if not file.name.startswith("_"))
        if not files:
            raise TaskError(f"{path}: holds no .yaml file, in it or below")
        yield from files
    elif path.is_file():
        yield path
    else:
        raise TaskError(f"tasks: {place!r} is no file and no directory; give YAML files with local data")


def read_task(path: Path) -> TaskFile:
    """Returns one task.

    Raises:
        TaskError: it is not YAML, runs code, or has a key that is not read here.
    """
    try:
        raw = read_yaml(read_regular(path, MOST), str(path))
    except DocumentError as error:
        code = "; tasks that run code of their own are not read" if "for the tag" in str(error) else ""
        raise TaskError(f"{error}{code}") from error
    except OSError as error:
        raise TaskError(f"{path}: cannot be read: {error}") from error
    if not isinstance(raw, dict):
        raise TaskError(f"{path}: is no task, but a {type(raw).__name__}")
    try:
        task = Task.model_validate({key: value for key, value in raw.items() if key not in IGNORED})
    except ValidationError as error:
        raise TaskError(f"{path}: {'; '.join(_problems(error, raw))}") from error
    return TaskFile(path, task)


def _problems(error: ValidationError, raw: Mapping[str, Any]) -> Iterator[str]:
    for one in error.errors():
        place = ".".join(str(part) for part in one["loc"])
        if one["type"] == "extra_forbidden":
            key = str(one["loc"][-1])
            near = difflib.get_close_matches(key, Task.model_fields, n=1) if len(one["loc"]) == 1 else []
            hint = f", did you mean {near[0]}?" if near else ""
            yield f"{place}: is not read here{hint}; a task is read whole or not at all"
        else:
            shown = f" ({one['input']!r})" if place and one["type"] != "missing" else ""
            yield f"{place}{shown}: {one['msg']}".removeprefix(": ").replace("Value error, ", "")

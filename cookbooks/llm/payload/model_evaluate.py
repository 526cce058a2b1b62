"""Score models side by side: the same rows, the same code, in transformers or in llama.cpp.

Inputs: ``reference`` (a directory with the tokenizer and template that the rows are rendered with), ``rows``
(a dataset or one side of a split), ``train`` (what was trained on, where that is known), ``tasks`` (a
directory of task directories), and one for each of the config's ``models``. Writes ``report.json`` and
``samples.jsonl``. A scorer that is missing is refused before a model is loaded; no figure is made up.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from blut_resources.payload_kit.config import Bounds, read_config
from blut_resources.payload_kit.device import Device
from blut_resources.payload_kit.refuse import Refused
from blut_resources.payload_kit.say import say
from blut_resources.payload_kit.session import PayloadSession, payload_session
from blut_resources.store.artifacts import write_atomic
from cookbooks.llm.chat.template import load_tokenizer, render
from cookbooks.llm.evaluation.documents import Question, questions
from cookbooks.llm.evaluation.judge import BEST, WORST, Judge, JudgeError, judge_of
from cookbooks.llm.evaluation.matching import normalised
from cookbooks.llm.evaluation.reasoning import ReasoningTask
from cookbooks.llm.evaluation.scores import Sample, Scores
from cookbooks.llm.evaluation.yaml_tasks import TaskFile, read_tasks
from cookbooks.llm.llama.library import kit_of
from cookbooks.llm.payload.gguf_convert import ADAPTER
from cookbooks.llm.scoring.engine import Answer, Engine
from cookbooks.llm.scoring.gguf_engine import GgufEngine
from cookbooks.llm.scoring.held_out import Example, questions_of, read_file
from cookbooks.llm.scoring.scores import (
    answer_of,
    choose,
    compare_answer,
    complete,
    judge_answer,
    loss_of,
    solve,
)
from cookbooks.llm.training_loop.process import Clock, prepare_process

SCHEMA = "blut.eval_report.v1"
REPORT, SAMPLES = "report.json", "samples.jsonl"
SHOWN_EVERY = 10


@dataclass(frozen=True)
class ScoredModel:
    """Names a model that is asked, the input that it is, and its kind."""

    name: str
    input: str
    kind: Literal["hf", "gguf"]
    digest: str = ""


@dataclass(frozen=True)
class ScoringSettings:
    """Holds what `ScoringConfig` says, and which models are asked."""

    models: list[ScoredModel]
    max_examples: Annotated[int, Bounds(1)]
    answers: Annotated[int, Bounds(0)]
    prompts: list[str]
    max_new_tokens: Annotated[int, Bounds(1)]
    context: Annotated[int, Bounds(1)]
    reasoning: list[str]
    chat_tasks: Literal["generate_until", "all", "none"]
    judge_url: str
    judge_model: str
    judge_key_env: str
    judge_samples: Annotated[int, Bounds(1)]
    seed: Annotated[int, Bounds(0)]
    limit: Annotated[int, Bounds(1)] | None = None
    threads: Annotated[int, Bounds(1, 256)] = 1
    device: Device = "auto"
    environment: Mapping[str, Any] | None = None


class Suite:
    """Holds everything that is asked, prepared before the first model is loaded."""

    def __init__(self, session: PayloadSession) -> None:
        """Prepare the rows and the scorers.

        Raises:
            Refused, TaskError, ReasoningError, JudgeError, MaskError: one of them is not to be had.
        """
        self._settings, self._session = read_config(session, ScoringSettings), session
        self.environment = self._settings.environment
        self._tokenizer = tokenizer = load_tokenizer(session.inputs["reference"])
        most, seed = self._settings.max_examples, self._settings.seed
        self.held_out = read_file(tokenizer, session.inputs["rows"], most=most, seed=seed)
        if not self.held_out:
            raise Refused("there is no row to evaluate on: give more examples, or raise eval_ratio")
        self.asked = self._asked()
        self.judge = judge_of(
            *(getattr(self._settings, f"judge_{name}") for name in ("url", "model", "key_env"))
        )
        if self.judge:
            self.judge.refuse_silent()
        self.answered = self._answered()
        self.reasoning = [ReasoningTask(name, seed=seed) for name in self._settings.reasoning]
        self.tasks = self._tasks(tokenizer)
        self.models: Sequence[ScoredModel] = self._settings.models
        self.told_of: Sequence[Mapping[str, str]] = session.config["models"]
        self.scores: dict[str, Scores] = {}
        self._done, self._all = 0, len(self.models) * self._of_one_model()

    def _of_one_model(self) -> int:
        """Returns how many questions a model is asked, for whoever waits."""
        judged = self.answered[: self._settings.judge_samples] if self.judge else []
        rows = [self.held_out, self.asked, self.answered, judged, *(asked for _, asked in self.tasks)]
        return sum(map(len, rows)) + sum(task.size for task in self.reasoning)

    def _asked(self) -> list[dict[str, Any]]:
        """Returns the questions that are shown with every model's answer,
        and whether they were trained on.
        """
        train = self._session.inputs.get("train")
        known = questions_of(train) if train else None
        return [
            {
                "prompt": text,
                "in_training": None if known is None else normalised(text) in known,
                "answers": {},
            }
            for text in self._settings.prompts
        ]

    def _answered(self) -> list[Example]:
        """Returns the held-out questions that are answered: as many as are compared or judged."""
        wanted = max(self._settings.answers, self._settings.judge_samples if self.judge else 0)
        found = [example for example in self.held_out if example.prompt][:wanted]
        if wanted and not found:
            raise Refused(
                "answers, judge_url: the held-out rows are plain text: there is no question in them"
            )
        return found

    def _tasks(self, tokenizer: Any) -> list[tuple[TaskFile, list[Question]]]:
        folder = self._session.inputs["tasks"]
        files = read_tasks([str(path) for path in sorted(folder.iterdir()) if path.is_dir()])

        def chat(messages: Sequence[dict[str, str]]) -> str:
            return render(tokenizer, messages, prompt=True)

        said = self._settings.chat_tasks
        return [
            (
                file,
                questions(
                    file,
                    limit=self._settings.limit,
                    chat=chat if said in ("all", file.task.output_type) else None,
                ),
            )
            for file in files
        ]

    def ask(self, name: str, engine: Engine) -> None:
        """Put every question to one model.

        Raises:
            Refused: it cannot be compared with the others, or predicts no numbers.
        """
        self._refuse_other_tokens(name, engine)
        loss = [loss_of(engine, self._told(row)) for row in self.held_out]
        if not any(loss):
            raise Refused(
                f"context={engine.context}: no answer of the held-out rows begins within it; raise it"
            )
        about = "nats per token of the answers in held-out rows"
        self._keep(name, "held_out", about, [one for one in loss if one])
        self._talk(name, engine)
        if self.answered:
            self._ask_held_out(name, engine)
        for task in self.reasoning:
            self._keep(
                name,
                f"reasoning_gym:{task.name}",
                f"reasoning-gym {task.version}, solved by its own checker",
                [
                    solve(engine, task, self._told(puzzle), self._settings.max_new_tokens)
                    for puzzle in task.puzzles()
                ],
            )
        for file, asked in self.tasks:
            score = choose
            if file.task.output_type == "generate_until":
                score = complete
            about = f"{file.task.output_type}, version {file.task.metadata.get('version', 'not given')}"
            found = [score(engine, file.task, self._told(question)) for question in asked]
            self._keep(name, file.task.task, about, found)

    def _refuse_other_tokens(self, name: str, engine: Engine) -> None:
        decode, encode = self._tokenizer.decode, self._tokenizer
        for text in (*map(str, encode.all_special_tokens), *(str(decode(row.ids)) for row in self.held_out)):
            if engine.encode(text) != encode(text, add_special_tokens=False, verbose=False)["input_ids"]:
                raise Refused(
                    f"the {name} model cuts {text[:60]!r} into other tokens than those that the rows are read"
                    " with, so its loss per token is of other tokens: evaluate it in a run of its own, a GGUF"
                    " together with the model directory that it was made of"
                )

    def _talk(self, name: str, engine: Engine) -> None:
        for one in self.asked:
            messages = [{"role": "user", "content": one["prompt"]}]
            answer = answer_of(engine, self._told(messages), self._settings.max_new_tokens)
            one["answers"][name] = {"text": answer.text.strip(), "stopped": answer.stopped}

    def _ask_held_out(self, name: str, engine: Engine) -> None:
        most = self._settings.max_new_tokens
        answers = [(row, answer_of(engine, self._told(row).prompt, most)) for row in self.answered]
        if compared := answers[: self._settings.answers]:
            found = [compare_answer(row, answer) for row, answer in compared]
            self._keep(
                name, "held_out_answers", "equal to the held-out answer but for case and blanks", found
            )
        if self.judge:
            self._judge(name, self.judge, answers[: self._settings.judge_samples])

    def _judge(self, name: str, judge: Judge, answers: Sequence[tuple[Example, Answer]]) -> None:
        found = [judge_answer(judge, self._told(row), answer) for row, answer in answers]
        missing = sum(not one.values for one in found)
        if missing == len(found):
            raise JudgeError(
                f"judge_model {judge.model}: none of {missing} replies held a grade: take a model that"
                " follows instructions"
            )
        about = f"grade from {WORST} to {BEST} by {judge.model}; {missing} of {len(found)} replies had none"
        self._keep(name, "judge", about, found)

    def _told(self, row: Any) -> Any:
        self._done += 1
        if self._done % SHOWN_EVERY == 0:
            self._session.step(self._done, of=self._all)
        return row

    def _keep(self, model: str, task: str, about: str, samples: list[Sample]) -> None:
        scores = self.scores.setdefault(task, Scores(task, about))
        if about != scores.about:
            scores.about = f"{scores.about}; {model}: {about}"
        scores.samples[model] = samples


def open_engine(session: PayloadSession, model: ScoredModel) -> Engine:
    """Open a model by its kind.

    Raises:
        LlamaError: llama.cpp cannot load it.
    """
    settings, path = read_config(session, ScoringSettings), session.inputs[model.input]
    if model.kind == "gguf":
        kit = kit_of(session)
        # what lies beside a file of the user's own is not part of it
        adapter = path / ADAPTER if (path / ADAPTER).is_file() else None
        file = path / "model.gguf" if path.is_dir() else path
        context, threads = settings.context, settings.threads
        return GgufEngine(file, kit, context=context, threads=threads, adapter=adapter)
    from cookbooks.llm.scoring.hf_engine import HfEngine

    return HfEngine(path, context=settings.context, device=settings.device)


def report_of(suite: Suite) -> dict[str, Any]:
    """Returns the report: every figure with its interval and its number of samples."""
    return {
        "schema": SCHEMA,
        "models": [dict(model) for model in suite.told_of],
        "tasks": [scores.figures() for scores in suite.scores.values()],
        "asked": suite.asked,
        "n_samples": sum(len(next(iter(scores.samples.values()))) for scores in suite.scores.values()),
        **({"environment": suite.environment} if suite.environment else {}),
    }


def write(out: Path, suite: Suite, report: Mapping[str, Any]) -> None:
    """Write the report, and beside it what every single row scored."""
    lines = [
        {"task": task, "model": model, "id": one.id, **one.values, "weight": one.weight, **one.details}
        for task, scores in suite.scores.items()
        for model, samples in scores.samples.items()
        for one in samples
    ]
    write_atomic(out / SAMPLES, b"".join(_json(line, None) for line in lines))
    write_atomic(out / REPORT, _json(report, 1))


def _json(value: Any, indent: int | None) -> bytes:
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode()


def evaluate(session: PayloadSession, load: Callable[..., Engine] = open_engine) -> dict[str, Any]:
    """Score every model, one after the other, and write the report."""
    suite, clock = Suite(session), Clock()
    for model in suite.models:
        engine = load(session, model)
        try:
            suite.ask(model.name, engine)
        finally:
            engine.close()
        say(f"{model.name}: scored after {clock.seconds:.1f} s, {clock.cpu_seconds:.1f} s of CPU")
    report = report_of(suite)
    write(session.out, suite, report)
    return report


def main() -> None:
    """Evaluate what the config names."""
    with payload_session() as session:
        prepare_process(read_config(session, ScoringSettings).threads)
        report = evaluate(session)
        session.done(n_samples=report["n_samples"], n_tasks=len(report["tasks"]))


if __name__ == "__main__":
    main()

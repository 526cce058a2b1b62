"""Scores one loaded model: the same functions for transformers and llama.cpp."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from cookbooks.llm.chat.masking import IGNORE
from cookbooks.llm.evaluation.documents import Question
from cookbooks.llm.evaluation.judge import Judge
from cookbooks.llm.evaluation.matching import filtered, matches, normalised
from cookbooks.llm.evaluation.reasoning import Puzzle, ReasoningTask
from cookbooks.llm.evaluation.scores import Sample
from cookbooks.llm.evaluation.yaml_tasks import Filter, Task
from cookbooks.llm.scoring.engine import Answer, Engine, log_probs
from cookbooks.llm.scoring.held_out import Example
from cookbooks.llm.training_loop.process import Refused


def loss_of(engine: Engine, example: Example) -> Sample | None:
    """Returns the loss over the answers of a held-out row; None if the context ends before any of them."""
    ids, labels = example.ids[: engine.context], np.asarray(example.labels[: engine.context])
    learned = labels[1:] != IGNORE
    if len(ids) < 2 or not learned.any():
        return None
    found = -log_probs(engine.logits(ids)[:-1], ids[1:])[learned]
    if not np.isfinite(found).all():
        raise Refused(f"{engine.kind}: predicts numbers that are not finite on row {example.id}")
    cut = len(ids) < len(example.ids)
    return Sample(example.id, {"loss": float(found.sum())}, float(learned.sum()), {"cut": cut})


def answer_of(engine: Engine, messages: list[dict[str, str]], most: int) -> Answer:
    """Returns the greedy answer to a conversation; a prompt that is too long loses its beginning."""
    return written(engine, engine.prompt(messages), most, ())


def written(engine: Engine, prompt: str, most: int, stop: Sequence[str]) -> Answer:
    """Returns the greedy continuation of a text."""
    tokens = encoded(engine, prompt)
    return engine.answer(tokens[-max(1, engine.context - most) :], most=most, stop=stop)


def encoded(engine: Engine, text: str) -> list[int]:
    """Returns the tokens of a text with the begin token that the model expects, once."""
    tokens, begin = engine.encode(text), engine.begins_with
    return tokens if tokens[: len(begin)] == begin else [*begin, *tokens]


def compare_answer(example: Example, answer: Answer) -> Sample:
    """Compare an answer with the held-out one."""
    same = normalised(answer.text) == normalised(example.answer)
    values = {"exact_match": float(same), "stops": float(answer.stopped)}
    return Sample(example.id, values, details={"answer": answer.text, "expected": example.answer})


def judge_answer(judge: Judge, example: Example, answer: Answer) -> Sample:
    """Judge an answer by a judge; a reply without a grade leaves the sample without one."""
    question = "\n".join(f"{message['role']}: {message['content']}" for message in example.prompt)
    grade = judge.grade(question, example.answer, answer.text)
    values = {} if grade is None else {"grade": float(grade)}
    return Sample(example.id, values, details={"answer": answer.text, "grade": grade})


def solve(engine: Engine, task: ReasoningTask, puzzle: Puzzle, most: int) -> Sample:
    """Ask a puzzle, and score it by its own checker."""
    answer = answer_of(engine, puzzle.messages, most)
    score = task.score(answer.text, puzzle)
    values = {"solved": float(score >= 1), "score": score}
    return Sample(puzzle.id, values, details={"answer": answer.text, "expected": puzzle.entry["answer"]})


def choose(engine: Engine, task: Task, question: Question) -> Sample:
    """Ask a multiple choice: the likeliest continuation, as such and by the length of its text."""
    found = [log_likelihood(engine, question.prompt, choice) for choice in question.choices]
    by_length = [one / length for one, length in zip(found, question.lengths, strict=True)]
    picked = {"acc": int(np.argmax(found)), "acc_norm": int(np.argmax(by_length))}
    values = {one.metric: float(picked[one.metric] in question.golds) for one in task.metrics}
    return Sample(question.id, values, details={"log_likelihoods": [round(one, 6) for one in found]})


def log_likelihood(engine: Engine, prompt: str, continuation: str) -> float:
    """Returns the log-probability of a continuation; blanks between the two belong to it, as in lm-eval."""
    bare = prompt.rstrip()
    continuation, prompt = prompt[len(bare) :] + continuation, bare
    if prompt:
        whole, before = encoded(engine, prompt + continuation), encoded(engine, prompt)
        n = len(whole) - len(before)
    else:
        first = engine.begins_with or [token for token in [engine.ends_with] if token is not None]
        tokens = engine.encode(continuation)
        whole, n = [*first, *tokens], len(tokens)
    whole = whole[-engine.context :]
    n = min(n, len(whole) - 1)
    return float(log_probs(engine.logits(whole)[-n - 1 : -1], whole[-n:]).sum())


def complete(engine: Engine, task: Task, question: Question) -> Sample:
    """Ask for an answer that is written, and compare it by every filter and metric of the task."""
    how = task.generation
    answer = written(engine, question.prompt, how.max_gen_toks, how.until)
    plain = [Filter(name="", filter=[])]
    values = {
        f"{one.metric},{chosen.name}".removesuffix(","): float(
            matches(filtered(answer.text, chosen), question.golds, one)
        )
        for chosen in task.filter_list or plain
        for one in task.metrics
    }
    details: dict[str, Any] = {"answer": answer.text, "expected": list(question.golds)}
    return Sample(question.id, values, details=details)

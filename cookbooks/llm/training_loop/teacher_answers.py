"""Lets a teacher write the answers, of which only those that will do are learned from."""

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cookbooks.llm.chat.template import control_tokens, render
from cookbooks.llm.training_loop.process import Refused, say

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase as Tokenizer

ANSWERS = "teacher_answers.jsonl"
LOOP = 4
"""An answer that ends with the same words so many times over goes round in circles."""


@dataclass(frozen=True)
class Writing:
    """Says how the teacher writes. ``temperature`` 0 takes the likeliest token."""

    max_new_tokens: int
    temperature: float
    batch_size: int
    seed: int


@dataclass(frozen=True)
class Written:
    """Holds an answer, or why it will not do."""

    answer: str
    problem: str = ""


def prompt_of(row: Mapping[str, Any]) -> list[dict[str, str]]:
    """Returns what comes before the last answer of a conversation.

    Raises:
        Refused: it is not a conversation.
    """
    if "messages" not in row:
        raise Refused(
            "distillation: the examples are plain text, which has no prompt that a teacher could answer:"
            " bring conversations, or distil by logit"
        )
    return [dict(message) for message in row["messages"][:-1]]


def answered(
    rows: Sequence[tuple[str, dict[str, Any]]], written: Sequence[Written]
) -> tuple[list[tuple[str, dict[str, Any]]], Counter[str]]:
    """Returns the rows with the teacher's answers in place of their own,
    and how many were dropped, by reason.

    Raises:
        Refused: no answer will do.
    """
    kept, dropped = [], Counter[str]()
    for (place, row), one in zip(rows, written, strict=True):
        if one.problem:
            dropped[one.problem] += 1
            continue
        messages = [*prompt_of(row), {"role": "assistant", "content": one.answer}]
        # earlier answers are the examples' own: they are context, not what the teacher said
        kept.append((place, {**row, "messages": messages, "learn": "last"}))
    reasons = ", ".join(f"{reason}: {count}" for reason, count in dropped.most_common())
    say(
        f"distillation: {len(kept)} of {len(rows)} answers of the teacher will do"
        + f" ({reasons})" * bool(reasons)
    )
    if not kept:
        raise Refused(
            f"distillation: none of {len(rows)} answers of the teacher will do ({reasons}): raise"
            " max_new_tokens, or use a teacher that ends its answers"
        )
    return kept, dropped


def write_answers(
    model: Any, tokenizer: "Tokenizer", rows: Sequence[Mapping[str, Any]], how: Writing, path: Path
) -> list[Written]:
    """Returns an answer for each row; finished batches are kept in ``path``, so a killed attempt goes on."""
    prompts = [render(tokenizer, prompt_of(row), prompt=True) for row in rows]
    header = json.dumps(
        {"how": dataclasses.asdict(how), "asked": _digest(prompts), "by": _digest(model.config)}
    )
    found = _kept(path, header, len(rows), how.batch_size)
    with path.open("a", encoding="utf-8") as file:
        for start in range(len(found), len(rows), how.batch_size):
            answers = list(_generate(model, tokenizer, prompts[start : start + how.batch_size], how, start))
            file.write(json.dumps([dataclasses.asdict(one) for one in answers]) + "\n")
            file.flush()
            found += answers
            say(f"distillation: the teacher has answered {len(found)} of {len(rows)}")
    return found


def _digest(value: Any) -> str:
    return hashlib.sha256(str(value).encode()).hexdigest()


def _kept(path: Path, header: str, n_rows: int, size: int) -> list[Written]:
    """Returns whole batches of an earlier attempt; a line that was cut off goes, with what follows it."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    whole, found = [header], []
    for line in lines[1:] if lines[:1] == [header] else []:
        try:
            batch = [Written(**one) for one in json.loads(line)]
        except (ValueError, TypeError):
            break
        if len(batch) != min(size, n_rows - len(found)):
            break
        whole.append(line)
        found += batch
    path.write_text("\n".join(whole) + "\n", encoding="utf-8")
    return found


def _generate(
    model: Any, tokenizer: "Tokenizer", prompts: Sequence[str], how: Writing, start: int
) -> Iterator[Written]:
    import torch

    given = tokenizer(
        list(prompts), add_special_tokens=False, padding=True, padding_side="left", return_tensors="pt"
    ).to(model.device)
    drawn = {"do_sample": True, "temperature": how.temperature} if how.temperature else {"do_sample": False}
    most, pad = how.max_new_tokens, tokenizer.pad_token_id
    # each batch from a seed of its own: a continued attempt draws what an undisturbed one would
    torch.manual_seed(how.seed + start)
    with torch.no_grad():
        out = model.generate(**given, max_new_tokens=most, pad_token_id=pad, use_cache=True, **drawn)
    ends = ends_of(model, tokenizer)
    for ids in out[:, given["input_ids"].shape[1] :].tolist():
        yield _judged(tokenizer, ids, ends)


def ends_of(model: Any, tokenizer: "Tokenizer") -> set[int]:
    """Returns the tokens that end an answer."""
    named = getattr(model.generation_config, "eos_token_id", None)
    ends = [*(named if isinstance(named, list) else [named]), tokenizer.eos_token_id]
    return {token for token in ends if token is not None}


def _judged(tokenizer: "Tokenizer", ids: Sequence[int], ends: set[int]) -> Written:
    end = next((at for at, token in enumerate(ids) if token in ends), None)
    text = tokenizer.decode(list(ids[:end]), clean_up_tokenization_spaces=False).strip()  # type: ignore[union-attr]
    if end is None:
        return Written(text, "never ends")
    if not text:
        return Written(text, "is empty")
    if any(token in text for token in control_tokens(tokenizer)):
        return Written(text, "holds control tokens")
    words = text.split()
    for size in range(1, len(words) // LOOP + 1):
        if words[-size:] * LOOP == words[-size * LOOP :]:
            return Written(text, "goes round in circles")
    return Written(text)

"""Rows, files and tokenizers for the tests of datasets. The tokenizers are real; no model is loaded."""

import copy
import functools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from blut_resources.payload_kit.session import PayloadSession
from cookbooks.llm.chat.template import load_tokenizer
from cookbooks.llm.payload.base_build import ensure_sample
from cookbooks.llm.samples.models import sample_of

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content']"
    " + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
GREETING = [
    {"role": "user", "content": "Hi there"},
    {"role": "assistant", "content": "Hello!"},
    {"role": "user", "content": "Bye"},
    {"role": "assistant", "content": "See you."},
]


def ask(question: str, answer: str, **more: Any) -> dict[str, Any]:
    """One row of messages."""
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"messages": messages, **more}


def write_rows(path: Path, rows: Iterable[Any]) -> Path:
    """A JSON Lines file; a string is written as it is."""
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON Lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@functools.cache
def smollm2() -> Path:
    """The directory of the small sample model, with SmolLM2's own tokenizer and chat template."""
    return ensure_sample(sample_of("sample:smollm2-2layer"))


@functools.cache
def tokenizer_of_smollm2() -> Any:
    """SmolLM2's own tokenizer; not to be changed."""
    return load_tokenizer(smollm2())


def tokenizer_with(template: str | None = None, added: Iterable[str] = (), **special: str) -> Any:
    """SmolLM2's tokenizer with another chat template and more tokens of their own."""
    tokenizer = copy.deepcopy(tokenizer_of_smollm2())
    if template is not None:
        tokenizer.chat_template = template
    for name, token in special.items():
        setattr(tokenizer, name, token)
    tokenizer.add_special_tokens({"extra_special_tokens": sorted(added)})
    return tokenizer


def session(out: Path, config: dict[str, Any], **inputs: Path) -> PayloadSession:
    """A payload's session in this process."""
    out.mkdir(parents=True, exist_ok=True)
    return PayloadSession(config, inputs, out, out.parent / "work", "f", lambda event: None)

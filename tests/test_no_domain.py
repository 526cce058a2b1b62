"""What Blut knows of a domain, a cookbook declares: the code of everything else has no word of any."""

import ast
import re
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

CORE = ("blut_assets", "blut_resources", "sensors")
TEMPLATE = REPOSITORY / "blut_assets" / "new_cookbook" / "template"
WORDS = {
    *("lamquant", "eeg", "edf", "bdf", "lma", "lml", "codec", "pccp", "prdn", "bitstream", "patient"),
    *("llm", "gguf", "ggml", "llama", "lora", "tokenizer", "tokenizers", "peft", "trl", "transformers"),
    *("torch", "pytorch", "huggingface", "hf", "matplotlib", "mpl", "safetensors"),
}
"""Of the cookbooks that ship, and of what only their payloads import."""
PAYLOADS_OWN = {"torch"}
"""What the payload's side of Blut may speak of: it seeds whatever a payload has loaded."""


def spoken(path: Path) -> Iterator[tuple[int, str]]:
    """The names and texts of a module's code, by line; what it says of itself in docstrings is prose."""
    tree = ast.parse(path.read_text())
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes) and id(node) not in prose:
            yield line, str(node.value)
        for field in ("id", "attr", "name", "asname", "arg", "module"):
            if isinstance(text := getattr(node, field, None), str):
                yield line, text


def domain_words(path: Path, *, allowed: Collection[str] = ()) -> list[str]:
    return [
        f"{path.name}:{line}: {word}"
        for line, text in spoken(path)
        for word in sorted(
            {one.lower() for one in re.findall(r"[A-Za-z]+", text)} & WORDS.difference(allowed)
        )
    ]


def test_the_core_speaks_of_no_domain() -> None:
    found = []
    for package in CORE:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            if not path.is_relative_to(TEMPLATE):
                found += domain_words(path, allowed=PAYLOADS_OWN if "payload_kit" in path.parts else ())
    assert found == []


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ('"""About GGUF."""\nx = 1\n', []),
        ("x = 1  # torch\n", []),
        ('print(f"no {x}.gguf")\n', ["gguf"]),
        ("import torch.nn\n", ["torch"]),
        ("from cookbooks.lamquant import recipes\n", ["lamquant"]),
        ("def train_lora(x): pass\n", ["lora"]),
        ('NAMES = ("HF_*",)\n', ["hf"]),
        ("import codecs\n", []),
    ],
)
def test_a_word_in_code_is_found_and_one_in_prose_is_not(code: str, words: list[str], tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(code)
    assert [one.rpartition(" ")[2] for one in domain_words(path)] == words

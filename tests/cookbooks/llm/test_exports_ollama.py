"""A Modelfile says in Go's templates what the model was trained with, and where its answers end."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import trl

from cookbooks.llm.chat.template import load_tokenizer
from cookbooks.llm.exports.blocks import read_blocks
from cookbooks.llm.exports.ollama import go_template, modelfile
from tests.cookbooks.llm.rows_support import smollm2

ADD_BOS = b"\0tokenizer.ggml.add_bos_token\x07\0\0\0"
TEMPLATES = Path(trl.__file__).parent / "chat_templates"
GO = """
package main

import (
	"encoding/json"
	"os"
	"text/template"
)

type Message struct{ Role, Content string }

func main() {
	var asked struct {
		Template string
		Messages []Message
	}
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		panic(err)
	}
	parsed := template.Must(template.New("").Parse(asked.Template))
	if err := parsed.Execute(os.Stdout, map[string]any{"Messages": asked.Messages}); err != nil {
		panic(err)
	}
}
"""


def _model(tmp_path: Path, **generation: Any) -> Path:
    copied = tmp_path / "merged"
    copied.mkdir()
    for path in smollm2().iterdir():
        if path.suffix != ".safetensors":
            shutil.copy(path, copied)
    (copied / "generation_config.json").write_text(json.dumps({"eos_token_id": [2, 0], **generation}))
    return copied


def _gguf(tmp_path: Path, *, adds: bool) -> Path:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF" + ADD_BOS + bytes([adds]))
    return path


def test_it_names_the_file_the_ends_of_an_answer_and_what_sampling_was_asked_for(tmp_path: Path) -> None:
    model = _model(tmp_path, temperature=0.6, top_k=20, repetition_penalty=1.1)
    text = modelfile(_gguf(tmp_path, adds=False), model, 512)
    lines = text.splitlines()
    assert lines[0] == "FROM ./model.gguf" and text.count('"""') == 4
    assert [line for line in lines if line.startswith("PARAMETER")] == [
        'PARAMETER stop "<|endoftext|>"',
        'PARAMETER stop "<|im_end|>"',
        *("PARAMETER temperature 0.6", "PARAMETER top_k 20", "PARAMETER repeat_penalty 1.1"),
        "PARAMETER num_ctx 512",
    ]
    assert lines[-1] == 'LICENSE """apache-2.0"""'
    assert "You are a helpful AI assistant named SmolLM" in text, "which stands there where nothing else does"


def test_a_token_that_the_engine_writes_first_is_not_written_again(tmp_path: Path) -> None:
    model = _model(tmp_path)
    written, left = (modelfile(_gguf(tmp_path, adds=adds), model, None) for adds in (False, True))
    assert '{{ "<|im_start|>system\\nYou' in written and '{{ "system\\nYou' in left
    assert "num_ctx" not in written


@pytest.mark.heavy
def test_go_renders_it_as_transformers_does(tmp_path: Path) -> None:
    go = shutil.which("go")
    if not go:
        pytest.skip("go is not installed: apt-get install golang-go")
    (tmp_path / "main.go").write_text(GO)
    program = tmp_path / "render"
    subprocess.run([go, "build", "-o", program, "main.go"], cwd=tmp_path, check=True)
    found = re.search(
        r'TEMPLATE """(.*?)"""', modelfile(_gguf(tmp_path, adds=False), _model(tmp_path), 8), re.S
    )
    assert found
    tokenizer = load_tokenizer(smollm2())
    said = [("user", "Is 2 > 1? {{ no }}"), ("assistant", 'Yes:\n"2" \\n'), ("user", "& 3?")]
    for head in ([("system", "Be brief.")], []):
        for turns in (1, 3):
            talk = [*head, *said[:turns]]
            messages = [{"role": role, "content": words} for role, words in talk]
            wanted = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
            assert _rendered(program, found[1], talk) == wanted
    started = _rendered(program, found[1], said[:2])
    assert started.endswith('<|im_start|>assistant\nYes:\n"2" \\n'), (
        "an answer that was begun is gone on with"
    )
    for path in TEMPLATES.glob("*.jinja"):
        if path.stem in ("llama3", "llama3_2", "qwen2_5", "qwen3", "gemma3", "cohere2", "deepseekv3"):
            blocks = read_blocks(path.read_text(), {"bos_token": "<s>"}, starts_itself=True)
            for head in ([("system", "Be brief.")] if blocks.system else [], []):
                assert _rendered(program, go_template(blocks), [*head, *said]) == blocks.render(
                    [*head, *said]
                )


def _rendered(program: Path, template: str, talk: list[tuple[str, str]]) -> str:
    asked = {"Template": template, "Messages": [{"Role": role, "Content": words} for role, words in talk]}
    done = subprocess.run([program], input=json.dumps(asked), capture_output=True, text=True, check=True)
    return done.stdout

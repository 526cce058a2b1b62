"""Writes a Modelfile: by it Ollama renders conversations as in training, and stops where an answer ends."""

import json
import mmap
from pathlib import Path
from typing import Any

from cookbooks.llm.exports.blocks import ASSISTANT, SYSTEM, USER, Blocks, NotBlocks, read_blocks
from cookbooks.llm.models.directory import HEADER_LIMIT, chat_template, front_matter, license_of, read_json

PARAMETERS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "repetition_penalty": "repeat_penalty",
}
"""Ollama's words for what ``generation_config.json`` says of sampling."""
ADD_BOS = b"tokenizer.ggml.add_bos_token" + (7).to_bytes(4, "little")
"""The key, and that a truth value follows it: a byte."""
TOKENS = ("bos_token", "eos_token", "pad_token", "unk_token")


def modelfile(gguf: Path, merged: Path, seq_len: int | None) -> str:
    """Returns the Modelfile of a GGUF that lies beside it.

    Args:
        gguf: the file; its header says whether a conversation begins with a token that no template writes.
        merged: the model that it was made of, as a directory of transformers.
        seq_len: tokens of the longest example in training; as long a context is asked for.

    Raises:
        NotBlocks: Ollama's templates cannot say what the model's does.
    """
    template = chat_template(merged)
    if not template:
        raise NotBlocks("the model has none")
    tokens, added, said = _tokens(merged), _added(merged), _optional(merged / "generation_config.json")
    blocks = read_blocks(template, tokens, starts_itself=_starts_itself(gguf))
    named = said.get("eos_token_id")
    ends = {added.get(one, "") for one in (named if isinstance(named, list) else [named])}
    ends |= {tokens.get("eos_token", ""), *({blocks.assistant.after.strip()} & {*added.values()})}
    parameters = [("stop", json.dumps(end, ensure_ascii=False)) for end in sorted(ends - {""})]
    parameters += [(ours, f"{said[name]:g}") for name, ours in PARAMETERS.items() if name in said]
    parameters += [("num_ctx", str(seq_len))] if seq_len else []
    licence = license_of(front_matter(merged))
    unheard = "# The model's template has no part for a system message: none reaches it."
    return "\n".join(
        [
            f"FROM ./{gguf.name}",
            *([] if blocks.system else [unheard]),
            f'TEMPLATE """{go_template(blocks)}"""',
            *(f"PARAMETER {name} {value}" for name, value in parameters),
            *([f'LICENSE """{licence}"""'] if licence != "unknown" and '"""' not in licence else []),
            "",
        ]
    )


def go_template(blocks: Blocks) -> str:
    """Returns the blocks as a template of Go's ``text/template``, over ``.Messages`` as Ollama gives them.

    An answer that is the last message is one to go on with, so nothing ends it.
    """
    roles = ((SYSTEM, blocks.system), (USER, blocks.user), (ASSISTANT, blocks.assistant))
    branches = [
        f'if eq .Role "{role}" }}}}{_text(block.before)}{{{{ .Content }}}}'
        + (
            f"{{{{ if not $last }}}}{_text(block.after)}{{{{ end }}}}"
            if role == ASSISTANT
            else _text(block.after)
        )
        for role, block in roles
        if block
    ]
    return "\n".join(
        [
            f'{{{{ if ne (index .Messages 0).Role "{SYSTEM}" }}}}{_text(blocks.start)}{{{{ end }}}}',
            "{{- range $at, $_ := .Messages }}",
            "{{- $last := eq (len (slice $.Messages $at)) 1 }}",
            "{{- " + "\n{{- else ".join(branches),
            "{{- end }}",
            f'{{{{- if and $last (ne .Role "{ASSISTANT}") }}}}{_text(blocks.prompt)}{{{{ end }}}}',
            "{{- end }}",
        ]
    )


def _text(literal: str) -> str:
    """Returns a literal as a string of Go, whose spaces no trimming of a template touches."""
    return f"{{{{ {json.dumps(literal, ensure_ascii=False)} }}}}" if literal else ""


def _tokens(model: Path) -> dict[str, str]:
    config = _optional(model / "tokenizer_config.json")
    said = {name: config[name] for name in TOKENS if config.get(name)}
    return {name: one["content"] if isinstance(one, dict) else str(one) for name, one in said.items()}


def _added(model: Path) -> dict[Any, str]:
    """Returns the tokens by id that stand for no text."""
    return {
        one["id"]: one["content"] for one in _optional(model / "tokenizer.json").get("added_tokens") or ()
    }


def _optional(path: Path) -> dict[str, Any]:
    return read_json(path) if path.is_file() else {}


def _starts_itself(gguf: Path) -> bool:
    """Says whether llama.cpp puts the token of a beginning before each text, as the header has it.

    It is looked for: the reader of ``gguf`` takes ten seconds for the vocabulary that stands before it.
    """
    with gguf.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = data.find(ADD_BOS, 0, HEADER_LIMIT)
        return at >= 0 and data[at + len(ADD_BOS)] != 0

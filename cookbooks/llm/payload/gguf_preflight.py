"""Find out before a training whether its result can become a GGUF, and what a GGUF of it would be.

Inputs: ``model``, a Hugging Face model directory. Config: ``chat`` (``required`` or ``optional``: whether it
needs a chat template). ``out`` gets no file; ``done`` carries what was found: the architecture by both names,
the pre-tokenizer, and ``table``, a row for each quantisation with the true types of its tensors.
"""

import tempfile
from pathlib import Path
from typing import Any

from blut_resources.payload_kit.pinned import BuildError
from blut_resources.payload_kit.session import PayloadSession, payload_session
from cookbooks.llm.chat.template import MaskError, load_tokenizer
from cookbooks.llm.hf_dir import (
    TOKENIZER_FILES,
    ModelDirError,
    chat_template,
    model_config,
    read_json,
    refuse_own_code,
    tensor_shapes,
    text_config,
)
from cookbooks.llm.llama.converter import NotConvertible, convert, shown_model
from cookbooks.llm.llama.kit import Kit
from cookbooks.llm.llama.library import LlamaError, kit_of
from cookbooks.llm.llama.quantise import plan
from cookbooks.llm.llama.quants import FILE_TYPES, NEED_IMPORTANCE, Plan
from cookbooks.llm.llama.tokens import compare_tokenizers
from cookbooks.llm.scoring.gguf_engine import GgufEngine
from cookbooks.llm.training_loop.process import prepare_process

TEXTS = (
    "The quick brown fox jumps over the lazy dog. I'VE been told he's there; isn't it? We'll see!",
    "In 2025, 1234567 cats cost 3.14 each:   tabs\tand\n\n\n  newlines \n and trailing   ",
    "def f(x):\n    return {'a': [x ** 2 for _ in range(10)]}  # ==== !!! ???? ...",
    "Größe, naïve café, Ελληνικά, русский, 日本語のテキスト, 한국어, العربية, हिन्दी, ไทย, កាន់តែពិសេស",
    "🚀 (normal) 😶\u200d🌫️ (multiple emojis concatenated) ✅ 🦙🦙 \u00a0\u2003\u200b end",
    "''''''```````\"\"\"\"......!!!!!!?????? 3 33 333 3333 33333 333333 3.3 3..3 3...3",
)
"""What both tokenizers must cut alike; the held-out text is compared too, when a GGUF is verified."""


def preflight(model: Path, kit: Kit, scratch: Path) -> dict[str, Any]:
    """Returns what a GGUF of a model would be whose files were looked at.

    Raises:
        NotConvertible: there can be none.
    """
    skeleton = scratch / "skeleton.gguf"
    convert(kit, shown_model(model, scratch), skeleton, name=model.name, skeleton=True)
    try:
        with GgufEngine(skeleton, kit, vocabulary_only=True) as engine:
            metadata = engine.metadata()
            compare_tokenizers(engine, load_tokenizer(model), TEXTS)
    except (LlamaError, MaskError) as error:
        raise NotConvertible(f"{model.name}: {error}") from error
    return {
        "architecture": model_config(model)["architectures"][0],
        "gguf_architecture": metadata["general.architecture"],
        "pre_tokenizer": metadata.get("tokenizer.ggml.pre", metadata.get("tokenizer.ggml.model", "")),
        "chat_template": chat_template(model) is not None,
        "table": [row_of(kit, skeleton, quant) for quant in FILE_TYPES],
    }


def look_at_files(model: Path, *, chat: bool = True) -> None:
    """Look for what can be seen without a library,
    and what the converter would report in misleading words.

    Raises:
        NotConvertible: something is missing.
    """
    refuse_own_code(model)
    config = text_config(model_config(model))
    tensor_shapes(model)
    if not any((model / name).is_file() for name in TOKENIZER_FILES):
        raise NotConvertible(
            f"{model.name}: no tokenizer lies beside the model; save it with save_pretrained"
        )
    if chat and not chat_template(model):
        raise NotConvertible(
            f"{model.name}: has no chat template, so nobody could chat with its GGUF; use an instruct model,"
            " or add chat_template.jinja to its directory"
        )
    path, rows = model / "tokenizer.json", config.get("vocab_size")
    if path.is_file() and rows:
        tokenizer = read_json(path)
        ids = [token["id"] for token in tokenizer.get("added_tokens") or []]
        vocabulary = (tokenizer.get("model") or {}).get("vocab") or {}
        ids += vocabulary.values() if isinstance(vocabulary, dict) else [len(vocabulary) - 1]
        if max(ids, default=0) >= rows:
            raise NotConvertible(
                f"{model.name}: the tokenizer has a token number {max(ids)}, the model embeds {rows}: resize"
                " its embeddings to the tokenizer, or remove the tokens that were added"
            )


def row_of(kit: Kit, skeleton: Path, quant: str) -> dict[str, Any]:
    """Returns one row of the table: what a quantisation would really be."""
    try:
        found = plan(kit, skeleton, quant)
    except LlamaError as error:
        return {"quant": quant, "possible": False, "note": str(error).rpartition(": ")[2]}
    return {
        "quant": quant,
        "possible": True,
        "mib": found.mib,
        "bits_per_weight": found.bits,
        "types": found.counts(),
        "fallbacks": len(found.fallbacks),
        "note": note_of(found, quant),
    }


def note_of(found: Plan, quant: str) -> str:
    """Returns what a user should know of a planned quantisation; empty if nothing."""
    notes = [
        f"{columns} columns are no multiple of the block: a larger type for {n} of the tensors"
        for columns, n in found.fallback_columns().items()
    ]
    if quant in NEED_IMPORTANCE:
        notes.append("needs an importance matrix")
    return "; ".join(notes)


def _run(session: PayloadSession) -> None:
    model = session.inputs["model"]
    look_at_files(model, chat=session.config["chat"] == "required")
    # only now: it may have to be compiled
    kit = kit_of(session)
    with tempfile.TemporaryDirectory(dir=session.work) as scratch:
        session.done(**preflight(model, kit, Path(scratch)))


def main() -> None:
    """Look at the model of one session."""
    with payload_session() as session:
        prepare_process(session.config)
        try:
            _run(session)
        except (BuildError, ModelDirError, NotConvertible) as error:
            raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()

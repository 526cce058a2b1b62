"""Take out of a model what is needed to read rows: tokenizer, chat template and ``config.json``.

Input ``model``, of the config's ``kind``: ``hf``, whose files are copied, or ``gguf``, whose tokenizer
transformers makes into files. What it makes may cut text otherwise than llama.cpp does; who scores a GGUF
with it compares the two.
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from blut_resources.payload_kit.pinned import BuildError
from blut_resources.payload_kit.session import PayloadSession, payload_session
from cookbooks.llm.chat.template import OFFLINE, MaskError, load_tokenizer
from cookbooks.llm.hf_dir import TOKENIZER_PARTS
from cookbooks.llm.llama.library import LlamaError, kit_of
from cookbooks.llm.scoring.gguf_engine import GgufEngine
from cookbooks.llm.training_loop.process import Refused, explained

LEAKED = ("backend", "is_local", "local_files_only", "gguf_file", "name_or_path")


def take(session: PayloadSession) -> dict[str, Any]:
    """Write the files; the facts of a `TokenizerFiles`."""
    model, made = session.inputs["model"], session.config["kind"] == "gguf"
    if made:
        make(model / "model.gguf" if model.is_dir() else model, session)
    else:
        for name in (*TOKENIZER_PARTS, "config.json"):
            if (model / name).is_file():
                shutil.copyfile(model / name, session.out / name)
    tokenizer = load_tokenizer(session.out)
    return {"vocab": len(tokenizer), "chat_template": bool(tokenizer.chat_template), "made": made}


def make(file: Path, session: PayloadSession) -> None:
    """Write the tokenizer of a GGUF as files, and as much of a config as rows are checked with.

    Raises:
        Refused: transformers cannot read the tokenizer of this architecture out of a GGUF.
    """
    for name in OFFLINE:
        os.environ[name] = "1"
    from transformers import AutoTokenizer

    kit = kit_of(session)
    with GgufEngine(file, kit, vocabulary_only=True) as engine:
        metadata = engine.metadata()
    architecture = metadata.get("general.architecture", "unknown")
    try:
        AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name).save_pretrained(session.out)
    except (OSError, ValueError, KeyError, TypeError, ImportError) as error:
        raise Refused(
            f"{file.name}: its tokenizer ({architecture}) cannot be read out of the GGUF: {error}. Give the"
            " model directory that it was made of as model_path or base_model too"
        ) from error
    limit = int(metadata.get(f"{architecture}.context_length", 0)) or None
    config = {"architectures": [architecture], "max_position_embeddings": limit}
    (session.out / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    path = session.out / "tokenizer_config.json"
    settings = {k: v for k, v in json.loads(path.read_text()).items() if k not in LEAKED}
    path.write_text(json.dumps({**settings, "tokenizer_class": "PreTrainedTokenizerFast"}, indent=1) + "\n")


def main() -> None:
    """Take what the config names."""
    with payload_session() as session, explained(BuildError, LlamaError, MaskError):
        session.done(**take(session))


if __name__ == "__main__":
    main()

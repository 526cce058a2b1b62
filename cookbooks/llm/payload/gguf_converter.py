"""llama.cpp's converters, each run in a process of its own, and what their failures mean."""

import os
import re
import subprocess
import sys
from pathlib import Path

from cookbooks.llm.llamacpp import Kit

REASONS = (
    (
        re.compile(r"Model (\S+) is not supported|Architecture '(\S+?)' not supported"),
        "llama.cpp's converter does not know its architecture; choose a base model that it knows",
    ),
    (
        re.compile(r"pre-tokenizer was not recognized"),
        "its pre-tokenizer is none that llama.cpp knows, so a GGUF would cut text into other tokens; choose"
        " another base model, or put its own pre_tokenizer back into tokenizer.json",
    ),
    (
        re.compile(r"sentencepiece or tiktoken"),
        "its tokenizer cannot be read; save it beside the model with save_pretrained",
    ),
    (re.compile(r"Can not map tensor '(\S+?)'"), "it has a tensor that llama.cpp's converter does not know"),
)


class NotConvertible(ValueError):
    """The model cannot become a GGUF; the message says why and what to do."""


def convert(
    kit: Kit,
    model: Path,
    dest: Path,
    *,
    skeleton: bool = False,
    outtype: str = "f16",
    more: tuple[str, ...] = (),
) -> None:
    """Run the converter in a process of its own.

    Args:
        skeleton: leave the weights out.

    Raises:
        NotConvertible: it refuses the model.
    """
    converter = str(kit.converter())
    command = ["-P", "-m", "cookbooks.llm.payload.gguf_skeleton", converter] if skeleton else [converter]
    options = ["--outfile", str(dest), "--outtype", outtype, *more]
    run_converter([sys.executable, *command, str(model), *options], model.name)


def run_converter(command: list[str], name: str) -> None:
    """Run a converter's command.

    Raises:
        NotConvertible: it ended with anything but success; the message says why in our words.
    """
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if result.returncode == 0:
        return
    said = result.stdout + result.stderr
    last = (said.strip().splitlines() or [f"exit status {result.returncode}"])[-1]
    for pattern, reason in REASONS:
        if found := pattern.search(said):
            raise NotConvertible(f"{name}: {reason} (the converter says: {found[0]})")
    raise NotConvertible(f"{name}: llama.cpp's converter fails: {last}")

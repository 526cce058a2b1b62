"""Runs llama.cpp's converters, each in a process of its own, and says what their failures mean."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from cookbooks.llm.hf_dir import model_files
from cookbooks.llm.llama import converter_process
from cookbooks.llm.llama.kit import Kit

ENVIRONMENT = (
    "PATH",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
)
"""What a converter gets of the environment: no token, no proxy, no path of the user's own modules."""
PROCESS = Path(converter_process.__file__)

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
    """Says that the model cannot become a GGUF, why, and what to do."""


def convert(
    kit: Kit,
    model: Path,
    dest: Path,
    *,
    name: str,
    skeleton: bool = False,
    outtype: str = "f16",
    more: tuple[str, ...] = (),
) -> None:
    """Run the converter in a process of its own.

    Args:
        name: what messages call the model.
        skeleton: leave the weights out.

    Raises:
        NotConvertible: it refuses the model.
    """
    options = [str(model), "--outfile", str(dest), "--outtype", outtype, *more]
    run_converter(kit.converter(), options, name, dest.parent, skeleton=skeleton)


def shown_model(model: Path, scratch: Path) -> Path:
    """Returns a directory with links to the files that a model consists of,
    and to nothing that lies beside them.

    It has one name for all models: the converter reads versions and sizes out of a directory's.
    """
    place = scratch / "model"
    place.mkdir()
    for name in model_files(model):
        (place / name).symlink_to((model / name).resolve())
    return place


def run_converter(
    converter: Path, options: Sequence[str], name: str, scratch: Path, *, skeleton: bool = False
) -> None:
    """Run a converter in an environment that holds nothing but what it needs.

    Raises:
        NotConvertible: it ended with anything but success; the message says why in our words.
    """
    environment = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
    environment |= {"HF_HUB_OFFLINE": "1", "HF_HOME": str(scratch / "no-cache"), "TMPDIR": str(scratch)}
    command = [sys.executable, "-I", str(PROCESS), *(["--skeleton"] if skeleton else []), str(converter)]
    result = subprocess.run(
        [*command, *options], capture_output=True, text=True, check=False, env=environment, cwd=scratch
    )
    if result.returncode == 0:
        return
    said = result.stdout + result.stderr
    last = (said.strip().splitlines() or [f"exit status {result.returncode}"])[-1]
    for pattern, reason in REASONS:
        if found := pattern.search(said):
            raise NotConvertible(f"{name}: {reason} (the converter says: {found[0]})")
    raise NotConvertible(f"{name}: llama.cpp's converter fails: {last}")

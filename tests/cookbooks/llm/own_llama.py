"""A llama.cpp of the user's own, laid out as a checkout that was built; it is the kit under other names."""

import functools
import shutil
import sys
import tarfile
from pathlib import Path

from blut_resources.payload_kit.cache import ensure_package
from cookbooks.llm.llama.kit import SDIST
from tests.conftest import REPOSITORY
from tests.cookbooks.llm.gguf_support import kit

PROGRAM = f"""#!{sys.executable}
import os
import sys
from pathlib import Path

print("version: 0.5.0 (build 0, commit unknown)")
if not Path(sys.argv[-3]).exists() and not Path(sys.argv[-4]).exists():
    sys.exit("failed to open it")
sys.path.insert(0, {str(REPOSITORY)!r})
os.environ.pop("BLUT_LLAMACPP_DIR", None)
os.environ["BLUT_LLAMA_KIT"] = {{kit!r}}
from cookbooks.llm.llama.kit import find_kit
from cookbooks.llm.llama.quantise import quantise

Path(__file__).with_name("asked").write_text(" ".join(sys.argv[1:]))
source, dest, quant, threads = sys.argv[-4:]
quantise(find_kit(), Path(source), Path(dest), quant, threads=int(threads))
"""
COMMIT = "0123456789abcdef0123456789abcdef01234567"
TELLS = f"#!/bin/sh\necho 'version: 0.5.0 (build 1, commit {COMMIT[:9]})' >&2\n"


@functools.cache
def header() -> str:
    """The header that the kit was built with; the kit does not keep it."""
    with tarfile.open(ensure_package(SDIST)) as archive:
        for member in archive:
            if member.name.endswith("vendor/llama.cpp/include/llama.h") and (
                file := archive.extractfile(member)
            ):
                return file.read().decode()
    raise AssertionError("no llama.h")


def checkout(root: Path, *, library: bool = True, program: bool = True, lib: str = "build/bin") -> Path:
    """A directory with converters, and as asked a library with its header, and llama-quantize."""
    here = kit()
    shutil.copytree(here.convert, root, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "build" / "bin").mkdir(parents=True)
    if library:
        shutil.copytree(here.lib, root / lib, symlinks=True, dirs_exist_ok=True)
        (root / "include").mkdir()
        (root / "include" / "llama.h").write_text(header())
    if program:
        write_program(
            root / "build" / "bin" / "llama-quantize", PROGRAM.replace("{kit!r}", repr(str(here.lib.parent)))
        )
    return root


def write_program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)

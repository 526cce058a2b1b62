"""Loads llama.cpp's library in this process, through ctypes. Only payloads load it.

A failed assertion inside it ends the process, so what can be asked before is asked before.
"""

import contextlib
import ctypes
import functools
import importlib
import os
import re
import sys
import types
from pathlib import Path
from typing import Any

from blut_resources.payload_kit.refuse import Refused
from blut_resources.payload_kit.session import PayloadSession
from cookbooks.llm.llama.header import Bindings, Header, HeaderError
from cookbooks.llm.llama.kit import Kit
from cookbooks.llm.llama.own import VARIABLE, chosen_kit

KEPT_LINES = 100_000
REASONS = ("error", "failed", "invalid", "missing", "no tensor type", "not supported")
LISTED = re.compile(r"\[\s*\d+/|\S+ - (kv|type)\b")


class LlamaError(Refused, RuntimeError):
    """Says that llama.cpp refused something; the message carries what it logged."""


class Log:
    """Keeps what llama.cpp writes, as whole lines; it logs in fragments."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._begun = ""

    def write(self, text: str) -> None:
        """Take one fragment."""
        *whole, self._begun = (self._begun + text).split("\n")
        self.lines += whole
        del self.lines[:-KEPT_LINES]

    def clear(self) -> None:
        """Forget everything, before a call whose output is read."""
        self.lines, self._begun = [], ""

    def complaint(self) -> str:
        """Returns the last lines that look like a reason, for an error message."""
        said = [line.strip() for line in self.lines if line.strip() and not LISTED.match(line)]
        found = [line for line in said if any(word in line.lower() for word in REASONS)]
        return "; ".join((found or said)[-3:])


LOG = Log()


def kit_of(session: PayloadSession) -> Kit:
    """Returns the llama.cpp to use; where it has to be built first, the session reports how far that is.

    Raises:
        BuildError: it cannot be built here, or the one that ``$BLUT_LLAMACPP_DIR`` names is not complete.
    """
    return chosen_kit(lambda percent: session.step(percent, of=100, doing="building llama.cpp, once"))


@functools.cache
def load(kit: Kit) -> Any:
    """Returns the functions of the kit's library, by name, with its log going to `LOG`.

    Raises:
        LlamaError: it cannot be loaded, or its header does not declare what is needed.
    """
    library: Any = _own(kit) if kit.header else _pinned(kit)
    library.llama_log_set(_log_callback(library), ctypes.c_void_p(0))
    library.llama_backend_init()
    return library


def _pinned(kit: Kit) -> Any:
    """Returns the module ``llama_cpp.llama_cpp`` of the kit.

    The package's own ``__init__`` is passed over: it imports a server's worth of other packages.
    """
    os.environ.update(kit.environment())
    package = types.ModuleType("llama_cpp")
    package.__path__ = [str(kit.site / "llama_cpp")] if kit.site else []
    sys.modules["llama_cpp"] = package
    return importlib.import_module("llama_cpp.llama_cpp")


class _Own(Bindings):
    """Refuses by name what a llama.cpp of the user's own does not have."""

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except HeaderError as error:
            remedy = "take another version of it, or unset the variable for the pinned one"
            raise LlamaError(f"${VARIABLE}: this llama.cpp cannot be used: {error}; {remedy}") from error


def _own(kit: Kit) -> Any:
    """Load a library together with those beside it, wherever it was built for, and read its header."""
    assert kit.header is not None
    _load_beside(kit)
    try:
        library = ctypes.CDLL(str(kit.library("llama")))
    except OSError as error:
        raise LlamaError(
            f"${VARIABLE}: {kit.library('llama')} cannot be loaded ({error}); build it again"
        ) from error
    bindings = _Own(library, Header(kit.header.read_text(errors="replace")))
    with contextlib.suppress(AttributeError, OSError):  # only where the backends are loaded one by one
        ctypes.CDLL(str(kit.library("ggml"))).ggml_backend_load_all_from_path(str(kit.lib).encode())
    return bindings


def _load_beside(kit: Kit) -> None:
    """Load what libllama needs: a directory that was moved is not where its libraries look for each other."""
    waiting = sorted({path.resolve() for path in kit.lib.glob("libggml*.so*")})
    for _ in range(len(waiting)):
        failed = [path for path in waiting if not _loads(path)]
        if len(failed) == len(waiting):
            return
        waiting = failed


def _loads(path: Path) -> bool:
    try:
        ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
    except OSError:
        return False
    return True


@functools.cache
def _log_callback(library: Any) -> Any:
    # cached, because llama.cpp keeps the pointer and Python would free the function behind it
    @library.llama_log_callback
    def take(_level: int, text: bytes, _data: Any) -> None:
        LOG.write(text.decode("utf-8", "replace"))

    return take


def put_converter_first(kit: Kit) -> None:
    """Make ``import gguf`` mean the kit's own copy: the one on PyPI is older under the same number."""
    path = str(kit.modules / "gguf-py")
    loaded = sys.modules.get("gguf")
    if loaded is not None and not str(loaded.__file__).startswith(path):
        raise RuntimeError("gguf was imported before the kit's own copy could be put in front of it")
    if path not in sys.path:
        sys.path.insert(0, path)

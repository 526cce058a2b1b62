"""Loads llama.cpp's library in this process, through the kit's ctypes bindings. Only payloads load it.

A failed assertion inside it ends the process, so what can be asked before is asked before.
"""

import ctypes
import functools
import importlib
import os
import re
import sys
import types
from typing import Any

from blut_resources.payload_kit.session import PayloadSession
from cookbooks.llm.llama.kit import Kit, ensure_kit

KEPT_LINES = 100_000
REASONS = ("error", "failed", "invalid", "missing", "no tensor type", "not supported")
LISTED = re.compile(r"\[\s*\d+/|\S+ - (kv|type)\b")


class LlamaError(RuntimeError):
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
    """Returns the kit; where it has to be built first, the session reports how far that is, in percent.

    Raises:
        BuildError: it cannot be built here.
    """
    return ensure_kit(lambda percent: session.step(percent, of=100, kit_percent=percent))


@functools.cache
def load(kit: Kit) -> Any:
    """Returns the module ``llama_cpp.llama_cpp`` of the kit, with its log going to `LOG`.

    The package's own ``__init__`` is passed over: it imports a server's worth of other packages.
    """
    os.environ.update(kit.environment())
    package = types.ModuleType("llama_cpp")
    package.__path__ = [str(kit.site / "llama_cpp")]
    sys.modules["llama_cpp"] = package
    library: Any = importlib.import_module("llama_cpp.llama_cpp")
    library.llama_log_set(_log_callback(library), ctypes.c_void_p(0))
    library.llama_backend_init()
    return library


@functools.cache
def _log_callback(library: Any) -> Any:
    # cached, because llama.cpp keeps the pointer and Python would free the function behind it
    @library.llama_log_callback
    def take(_level: int, text: bytes, _data: Any) -> None:
        LOG.write(text.decode("utf-8", "replace"))

    return take


def put_converter_first(kit: Kit) -> None:
    """Make ``import gguf`` mean the kit's own copy: the one on PyPI is older under the same number."""
    path = str(kit.root / "convert" / "gguf-py")
    loaded = sys.modules.get("gguf")
    if loaded is not None and not str(loaded.__file__).startswith(path):
        raise RuntimeError("gguf was imported before the kit's own copy could be put in front of it")
    if path not in sys.path:
        sys.path.insert(0, path)

"""Reads what a finished GGUF really holds back from its header, by llama.cpp itself."""

import ctypes
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cookbooks.llm.llama.kit import Kit
from cookbooks.llm.llama.library import LOG, LlamaError, load
from cookbooks.llm.llama.quants import count_types

TEXT = 8
"""``GGUF_TYPE_STRING``."""


@dataclass(frozen=True)
class GgufFacts:
    """Maps tensor name to type and elements; and the texts of its metadata, arrays and numbers left out."""

    types: dict[str, str]
    elements: dict[str, int]
    tensor_bytes: int
    metadata: dict[str, str]

    @property
    def bits_per_weight(self) -> float:
        """Returns the bits per weight over all tensors."""
        return 8 * self.tensor_bytes / max(1, sum(self.elements.values()))

    @property
    def counts(self) -> str:
        """Returns types and how many tensors have them, as ``Q5_0:166 Q8_0:15``."""
        return count_types(self.types.values())


def read_gguf(path: Path, kit: Kit) -> GgufFacts:
    """Returns the facts of a GGUF file.

    Raises:
        LlamaError: llama.cpp cannot read it.
    """
    with _opened(path, kit) as (lib, header):
        tensors = range(lib.gguf_get_n_tensors(header))
        names = [_word(lib.gguf_get_tensor_name(header, at)) for at in tensors]
        kinds = [_word(lib.ggml_type_name(lib.gguf_get_tensor_type(header, at))).upper() for at in tensors]
        sizes = [math.prod(lib.gguf_get_tensor_ne(header, at)[:4]) for at in tensors]
        texts = {
            _word(lib.gguf_get_key(header, at)): _word(lib.gguf_get_val_str(header, at))
            for at in range(lib.gguf_get_n_kv(header))
            if lib.gguf_get_kv_type(header, at) == TEXT
        }
        tensor_bytes = sum(lib.gguf_get_tensor_size(header, at) for at in tensors)
    return GgufFacts(
        dict(zip(names, kinds, strict=True)), dict(zip(names, sizes, strict=True)), tensor_bytes, texts
    )


def _word(text: bytes) -> str:
    return text.decode(errors="replace")


class _InitParams(ctypes.Structure):
    """Describes ``gguf_init_params``: without the weights, and without a ggml context for them."""

    _fields_ = (("no_alloc", ctypes.c_bool), ("ctx", ctypes.c_void_p))


@contextmanager
def _opened(path: Path, kit: Kit) -> Iterator[tuple[Any, int]]:
    load(kit)  # with its log in our hands
    lib = _functions(kit)
    LOG.clear()
    header = lib.gguf_init_from_file(str(path).encode(), _InitParams(no_alloc=True, ctx=None))
    if not header:
        raise LlamaError(f"{path}: llama.cpp cannot read it: {LOG.complaint()}")
    try:
        yield lib, header
    finally:
        lib.gguf_free(header)


def _functions(kit: Kit) -> Any:
    """Returns the part of ``gguf.h`` that is used; the kit's bindings leave it out."""
    lib = ctypes.CDLL(str(kit.library("ggml-base")))
    pointer, number, text = ctypes.c_void_p, ctypes.c_int64, ctypes.c_char_p
    signatures: dict[str, tuple[Any, list[Any]]] = {
        "gguf_init_from_file": (pointer, [text, _InitParams]),
        "gguf_free": (None, [pointer]),
        "gguf_get_n_kv": (number, [pointer]),
        "gguf_get_key": (text, [pointer, number]),
        "gguf_get_kv_type": (ctypes.c_int, [pointer, number]),
        "gguf_get_val_str": (text, [pointer, number]),
        "gguf_get_n_tensors": (number, [pointer]),
        "gguf_get_tensor_name": (text, [pointer, number]),
        "gguf_get_tensor_type": (ctypes.c_int, [pointer, number]),
        "gguf_get_tensor_ne": (ctypes.POINTER(number), [pointer, number]),
        "gguf_get_tensor_size": (ctypes.c_size_t, [pointer, number]),
        "ggml_type_name": (text, [ctypes.c_int]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    return lib

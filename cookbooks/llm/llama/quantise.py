"""Quantise a GGUF with llama.cpp, or ask it what it would do."""

import ctypes
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cookbooks.llm.llama.header import HeaderError
from cookbooks.llm.llama.kit import Kit
from cookbooks.llm.llama.library import LOG, LlamaError, load
from cookbooks.llm.llama.program import by_program
from cookbooks.llm.llama.quants import FILE_TYPES, Plan, read_plan

if TYPE_CHECKING:
    import numpy as np

    Importance = Mapping[str, "np.ndarray[Any, np.dtype[np.float32]]"]

OVERRIDE_BYTES = 127
"""What llama.cpp keeps of an overridden key or text."""


def plan(kit: Kit, source: Path, quant: str) -> Plan:
    """Returns what llama.cpp would make of ``source``; only its header is read.

    Raises:
        LlamaError: it refuses the file.
    """
    try:
        params = _params(load(kit), quant, 1, dry_run=True)
    except HeaderError as error:
        raise LlamaError(f"this llama.cpp plans nothing: {error}") from error
    _call(kit, source, source.with_suffix(".planned"), params)
    return read_plan(LOG.lines)


def quantise(
    kit: Kit,
    source: Path,
    dest: Path,
    quant: str,
    *,
    threads: int = 1,
    importance: "Importance | None" = None,
    metadata: Mapping[str, str | int] | None = None,
) -> Plan:
    """Write ``dest`` as ``quant``, and say what became of each tensor.

    Args:
        source: a GGUF in F32, F16 or BF16; one that is quantised already is refused.
        importance: GGUF tensor name -> mean square of the activations of each column.
        metadata: more keys for the file; a text has at most 127 bytes.

    Raises:
        LlamaError: llama.cpp refuses; ``dest`` may then be half-written.
    """
    if kit.quantiser:
        return by_program(kit, source, dest, quant, threads, importance or {}, metadata or {})
    lib = load(kit)
    params = _params(lib, quant, threads)
    held = [_importance(lib, params, importance or {}), _metadata(lib, params, metadata or {})]
    _call(kit, source, dest, params)
    del held  # llama.cpp had pointers into it
    return read_plan(LOG.lines)


def _params(lib: Any, quant: str, threads: int, *, dry_run: bool = False) -> Any:
    params = lib.llama_model_quantize_default_params()
    params.ftype, params.nthread = FILE_TYPES[quant], threads
    if dry_run:
        params.dry_run = True
    return params


def _call(kit: Kit, source: Path, dest: Path, params: Any) -> None:
    LOG.clear()
    status = load(kit).llama_model_quantize(str(source).encode(), str(dest).encode(), ctypes.byref(params))
    if status != 0:
        raise LlamaError(f"llama.cpp cannot quantise {source.name}: {LOG.complaint()}")


def _importance(lib: Any, params: Any, importance: "Importance") -> list[Any]:
    if not importance:
        return []
    entries = (lib.llama_model_imatrix_data * (len(importance) + 1))()
    for entry, (name, values) in zip(entries, importance.items(), strict=False):
        entry.name = name.encode()
        entry.data = values.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        entry.size = values.size
    params.imatrix = entries
    return [entries, importance]


def _metadata(lib: Any, params: Any, metadata: Mapping[str, str | int]) -> list[Any]:
    if not metadata:
        return []
    entries = (lib.llama_model_kv_override * (len(metadata) + 1))()
    for entry, (key, value) in zip(entries, metadata.items(), strict=False):
        data = value.encode() if isinstance(value, str) else b""
        if max(len(key.encode()), len(data)) > OVERRIDE_BYTES:
            raise ValueError(f"metadata {key} = {value!r}: more than {OVERRIDE_BYTES} bytes")
        entry.key = key.encode()
        if isinstance(value, str):
            entry.tag, entry.value.val_str = lib.LLAMA_KV_OVERRIDE_TYPE_STR, data
        else:
            entry.tag, entry.value.val_i64 = lib.LLAMA_KV_OVERRIDE_TYPE_INT, value
    params.kv_overrides = entries
    return [entries]

"""Reads ``.safetensors`` files with numpy alone.

The layout: the length of the header (u64, little-endian), the header (JSON: name to ``dtype``, ``shape`` and
``data_offsets``), then the arrays. https://github.com/huggingface/safetensors
"""

import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.errors import LqcError

_DTYPES = {
    "U8": "u1", "I8": "i1", "I16": "<i2", "U16": "<u2", "I32": "<i4", "U32": "<u4", "I64": "<i8",
    "F32": "<f4", "F64": "<f8",
}  # fmt: skip
_LENGTH = 8


def read_tensors(data: bytes) -> dict[str, NDArray[Any]]:
    """Returns the arrays of a file by name.

    Raises:
        LqcError: the bytes are not such a file, or it holds a type that no checkpoint has.
    """
    size = int.from_bytes(data[:_LENGTH], "little")
    if len(data) < _LENGTH or size > len(data) - _LENGTH:
        raise LqcError(f"not a safetensors file: {len(data)} bytes do not hold its header")
    body = data[_LENGTH + size :]
    try:
        header = json.loads(data[_LENGTH : _LENGTH + size])
        header.pop("__metadata__", None)
        return {name: _array(name, entry, body) for name, entry in header.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        if isinstance(error, LqcError):
            raise
        raise LqcError(f"not a safetensors file: its header cannot be read ({error})") from error


def _array(name: str, entry: dict[str, Any], body: bytes) -> NDArray[Any]:
    shape, (start, stop) = tuple(entry["shape"]), entry["data_offsets"]
    code = _DTYPES.get(entry["dtype"])
    if code is None:
        raise LqcError(f"{name}: type {entry['dtype']!r} is not one of a checkpoint")
    dtype = np.dtype(code)
    whole = all(isinstance(n, int) and n >= 0 for n in (*shape, start, stop))
    if not whole or stop > len(body) or stop - start != math.prod(shape) * dtype.itemsize:
        raise LqcError(f"{name}: shape {list(shape)} does not fit bytes {start} to {stop} of {len(body)}")
    return np.frombuffer(body[start:stop], dtype).reshape(shape).astype(dtype.newbyteorder("="))

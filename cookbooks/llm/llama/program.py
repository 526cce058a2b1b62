"""Quantises by the program ``llama-quantize``, whose options are the same over the years."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cookbooks.llm.llama.kit import Kit
from cookbooks.llm.llama.library import LOG, LlamaError, put_converter_first
from cookbooks.llm.llama.quants import Plan, read_plan

if TYPE_CHECKING:
    import numpy as np

    Importance = Mapping[str, "np.ndarray[Any, np.dtype[np.float32]]"]

IMATRIX = "imatrix.gguf"
OF_IMATRIX = "quantize.imatrix."
"""Keys that the program writes by itself, from the file of the importance matrix."""


def by_program(
    kit: Kit,
    source: Path,
    dest: Path,
    quant: str,
    threads: int,
    importance: "Importance",
    metadata: Mapping[str, str | int],
) -> Plan:
    """Write ``dest`` as ``quant``, as `quantise` does, in the directory of ``source``.

    Raises:
        LlamaError: the program refuses, or cannot be run; the message carries what it said.
    """
    options: list[str] = []
    if importance:
        _write_imatrix(
            kit, source.with_name(IMATRIX), importance, str(metadata.get(f"{OF_IMATRIX}dataset", ""))
        )
        options += ["--imatrix", IMATRIX]
    for key, value in metadata.items():
        if not key.startswith(OF_IMATRIX):
            options += ["--override-kv", f"{key}={'str' if isinstance(value, str) else 'int'}:{value}"]
    # a directory that was moved is not where its programs look for their libraries
    assert kit.quantiser is not None
    places = [kit.quantiser.parent, kit.quantiser.parent.parent / "lib"]
    beside = os.pathsep.join(filter(None, [*map(str, places), os.environ.get("LD_LIBRARY_PATH", "")]))
    LOG.clear()
    try:
        done = subprocess.run(
            [str(kit.quantiser), *options, str(source), str(dest), quant, str(threads)],
            capture_output=True,
            text=True,
            errors="replace",
            env={**os.environ, "LD_LIBRARY_PATH": beside},
            cwd=source.parent,  # the name of the matrix is written into the file
            check=False,
        )
    except OSError as error:
        raise LlamaError(f"{kit.quantiser}: cannot be run ({error.strerror}); build it again") from error
    LOG.write(f"{done.stdout}{done.stderr}\n")
    if done.returncode != 0 or not dest.is_file():
        said = LOG.complaint() or f"exit status {done.returncode}"
        raise LlamaError(f"{kit.quantiser} cannot quantise {source.name} to {quant}: {said}")
    return read_plan(LOG.lines)


def _write_imatrix(kit: Kit, path: Path, importance: "Importance", dataset: str) -> None:
    """Write an importance matrix as llama.cpp reads it: sums of squares, of one count each."""
    put_converter_first(kit)
    import gguf
    import numpy as np

    writer = gguf.GGUFWriter(path, arch="")
    writer.add_type("imatrix")
    writer.add_array("imatrix.datasets", [dataset])
    writer.add_uint32("imatrix.chunk_count", 1)
    writer.add_uint32("imatrix.chunk_size", 1)
    for name, values in sorted(importance.items()):
        writer.add_tensor(f"{name}.in_sum2", values.reshape(1, -1))
        writer.add_tensor(f"{name}.counts", np.ones((1, 1), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

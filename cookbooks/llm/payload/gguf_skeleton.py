"""Run llama.cpp's converter, but write a file without its weights: a header, and a hole of their size.

    python -m cookbooks.llm.payload.gguf_skeleton CONVERTER ARGUMENTS...

The converter does all that it would do with the weights except to read them, so an architecture, a tokenizer
or a tensor that it does not know shows in seconds, for a model of any size. llama.cpp can then plan a
quantisation of the file. The hole takes no room on the disk.
"""

import os
import runpy
import sys
from pathlib import Path
from typing import Any


def write_hole(writer: Any, *, progress: bool = False) -> None:
    """In the place of ``GGUFWriter.write_tensors_to_file``."""
    writer.write_ti_data_to_file()
    for file, tensors in zip(writer.fout, writer.tensors, strict=True):
        writer.write_padding(file, file.tell())
        file.flush()
        sizes = (writer.ggml_pad(info.nbytes, writer.data_alignment) for info in tensors.values())
        os.truncate(file.fileno(), file.tell() + sum(sizes))


def main() -> None:
    """Run the converter that is named first with the arguments after it."""
    converter = Path(sys.argv[1])
    sys.path[:0] = [str(converter.parent), str(converter.parent / "gguf-py")]
    import gguf

    writer: Any = gguf.GGUFWriter
    writer.write_tensors_to_file = write_hole
    sys.argv = [str(converter), *sys.argv[2:]]
    runpy.run_path(str(converter), run_name="__main__")


if __name__ == "__main__":
    main()

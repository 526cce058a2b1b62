"""Run one of llama.cpp's converters with nothing of the model's own code, and if wanted without its weights.

    python -I converter_process.py [--skeleton] CONVERTER ARGUMENTS...

The converter asks transformers to trust the code of some model directories. Here it is refused, wherever it
lies: a converter sees links to the files that were digested, and no Python file is among them.

``--skeleton`` writes a header, and a hole of the size of the weights. The converter does all that it would do
with them except to read them, so an architecture, a tokenizer or a tensor that it does not know shows in
seconds, for a model of any size. llama.cpp can then plan a quantisation of the file. The hole takes no room
on the disk.
"""

import os
import runpy
import sys
from pathlib import Path
from typing import Any, NoReturn


def refuse_code(class_name: str, module: Any, *_: object, **__: object) -> NoReturn:
    """Refuse in the place of ``get_class_in_module``, through which transformers runs code not its own.

    Raises:
        ImportError: always.
    """
    raise ImportError(f"the model wants its own code run ({class_name} in {module}), and none is")


def write_hole(writer: Any, *, progress: bool = False) -> None:
    """Write a hole in the place of ``GGUFWriter.write_tensors_to_file``."""
    writer.write_ti_data_to_file()
    for file, tensors in zip(writer.fout, writer.tensors, strict=True):
        writer.write_padding(file, file.tell())
        file.flush()
        sizes = (writer.ggml_pad(info.nbytes, writer.data_alignment) for info in tensors.values())
        os.truncate(file.fileno(), file.tell() + sum(sizes))


def main(arguments: list[str]) -> None:
    """Run the converter that is named first with the arguments after it."""
    skeleton = arguments[0] == "--skeleton"
    converter = Path(arguments[skeleton])
    beside = converter.parent if (converter.parent / "gguf-py").is_dir() else converter.parent.parent
    sys.path[:0] = list(map(str, (converter.parent, beside, beside / "gguf-py")))
    import gguf
    import transformers.dynamic_module_utils

    transformers.dynamic_module_utils.get_class_in_module = refuse_code
    if skeleton:
        writer: Any = gguf.GGUFWriter
        writer.write_tensors_to_file = write_hole
    sys.argv = [str(converter), *arguments[skeleton + 1 :]]
    runpy.run_path(str(converter), run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])

"""Decodes ``.lqc`` files from the command line: ``python -m lqc decode FILE.lqc FILE.npy``."""

import argparse
import sys
from pathlib import Path

import numpy as np

from cookbooks.lamquant.lqc.container.reader import Reader
from cookbooks.lamquant.lqc.decode import Decoder
from cookbooks.lamquant.lqc.errors import LqcError
from cookbooks.lamquant.lqc.model import load_model

MODEL = Path(__file__).parent.parent / "model"
"""Where an exported checkpoint lies, beside this package."""
AT_ONCE = 1 << 20
"""Values that are decoded at a time."""


def main() -> int:
    """Run the command; returns its exit status: 0, or 1 with a sentence where a file is refused."""
    parser = argparse.ArgumentParser("lqc", description="Decode .lqc files.")
    commands = parser.add_subparsers(dest="command", required=True)
    info = commands.add_parser("info", help="say what a file holds")
    decode = commands.add_parser("decode", help="decode a signal to int32 [channels, samples] in a .npy file")
    for command in (info, decode):
        command.add_argument("file", type=Path)
    decode.add_argument("output", type=Path)
    decode.add_argument("--model", type=Path, default=MODEL, help="directory of the checkpoint")
    decode.add_argument("--signal", type=int, default=0, help="which of the file's signals, from 0")
    told = parser.parse_args()
    try:
        if told.command == "info":
            _info(told.file)
        else:
            _decode(told.file, told.output, told.model, told.signal)
    except (LqcError, OSError) as error:
        print(f"{told.file}: {error}", file=sys.stderr)
        return 1
    return 0


def _info(path: Path) -> None:
    with Reader(path) as reader:
        for number, group in enumerate(reader.header.groups):
            labels = ", ".join(channel.label for channel in group.channels)
            n = reader.n_samples(number)
            print(
                f"{group.mode}: {len(group.channels)} channels, {n} samples at {group.rate_hz:g} Hz: {labels}"
            )


def _decode(path: Path, output: Path, model: Path, signal: int) -> None:
    with Reader(path) as reader:
        needed = any(group.mode == "lapped" for group in reader.header.groups)
    decoder = Decoder(path, load_model(model) if needed else None, threads=0)
    if not 0 <= signal < len(decoder.signals):
        raise LqcError(f"--signal {signal}: there are {len(decoder.signals)}, counted from 0")
    told = decoder.signals[signal]
    part = output.with_name(f".{output.name}.part")
    try:
        shape = len(told.channels), told.n_samples
        out = np.lib.format.open_memmap(part, "w+", np.int32, shape)
        step = max(1, AT_ONCE // shape[0])
        for start in range(0, shape[1], step):
            stop = min(start + step, shape[1])
            out[:, start:stop] = decoder.read(start, stop, signal)
        out.flush()
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)
    print(f"{output}: int32 {shape}, {told.rate_hz:g} Hz")


if __name__ == "__main__":
    sys.exit(main())

"""Decodes ``.lqc`` files from the command line: ``python -m lqc decode FILE.lqc FILE.npy``."""

import argparse
import sys
from pathlib import Path

import numpy as np

from cookbooks.lamquant.lqc.container.reader import ChunkReader
from cookbooks.lamquant.lqc.decode import Decoder
from cookbooks.lamquant.lqc.errors import ChunkError, LqcError
from cookbooks.lamquant.lqc.lost import lost_in, lost_line
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
    decode.add_argument("--force", action="store_true", help="replace what is there already")
    decode.add_argument(
        "--damaged",
        choices=("refuse", "keep"),
        default="refuse",
        help="keep: write the rest, and each channel's mean where it is lost",
    )
    told = parser.parse_args()
    try:
        if told.command == "info":
            _info(told.file)
        else:
            return _decode(told)
    except ChunkError as error:
        print(f"{told.file}: {error}; --damaged keep writes the rest", file=sys.stderr)
        return 1
    except LqcError as error:
        print(f"{told.file}: {str(error).removeprefix(f'{told.file}: ')}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error.filename or told.output}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def _info(path: Path) -> None:
    with ChunkReader(path) as reader:
        for number, group in enumerate(reader.header.groups):
            labels = ", ".join(channel.label for channel in group.channels)
            n = reader.n_samples(number)
            print(
                f"{group.mode}: {len(group.channels)} channels, {n} samples at {group.rate_hz:g} Hz: {labels}"
            )


def _decode(told: argparse.Namespace) -> int:
    path, output, signal = told.file, told.output, told.signal
    if output.exists() and not told.force:
        raise LqcError(f"{output} exists; --force replaces it")
    with ChunkReader(path) as reader:
        needed = any(group.mode == "lapped" for group in reader.header.groups)
    damaged = "mark" if told.damaged == "keep" else "raise"
    decoder = Decoder(path, load_model(told.model) if needed else None, damaged, threads=0)
    if not 0 <= signal < len(decoder.signals):
        raise LqcError(f"--signal {signal}: there are {len(decoder.signals)}, counted from 0")
    one = decoder.signals[signal]
    part = output.with_name(f".{output.name}.part")
    try:
        shape = len(one.channels), one.n_samples
        out = np.lib.format.open_memmap(part, "w+", np.int32, shape)
        step = max(1, AT_ONCE // shape[0])
        for start in range(0, shape[1], step):
            stop = min(start + step, shape[1])
            out[:, start:stop] = decoder.read(start, stop, signal)
        out.flush()
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)
    print(f"{output}: int32 {shape}, {one.rate_hz:g} Hz{_others(decoder, signal)}")
    lost = lost_in(decoder)
    for stretch in lost:
        print(f"{path}: {lost_line(stretch)}", file=sys.stderr)
    return 1 if lost else 0


def _others(decoder: Decoder, signal: int) -> str:
    """Returns in words which signals are not in what was written."""
    others = [
        f"--signal {number} ({len(one.channels)} channels at {one.rate_hz:g} Hz)"
        for number, one in enumerate(decoder.signals)
        if number != signal
    ]
    return f"; not in it: {', '.join(others)}" if others else ""


if __name__ == "__main__":
    sys.exit(main())

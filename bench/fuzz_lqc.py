"""Read damaged and forged ``.lqc`` files: ``python -m bench.fuzz_lqc [--count N] [--start N] [--model DIR]``.

Each must be refused with an ``LqcError``, or be decoded to what it declares, within seconds and with no more
memory than what it declares and its own size allow. Exit status 1: some were not, and are named by number;
``--only N`` shows one. With ``--bounds`` compiled code looks at every index: slow, but nothing escapes.
"""

import argparse
import contextlib
import faulthandler
import io
import json
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bench.lqc_files import made_model, small_files
from bench.lqc_mutations import mutation
from cookbooks.lamquant.lqc.container.header import Group
from cookbooks.lamquant.lqc.container.reader import ChunkReader
from cookbooks.lamquant.lqc.decode import Decoder
from cookbooks.lamquant.lqc.errors import LqcError
from cookbooks.lamquant.lqc.live import LiveDecoder
from cookbooks.lamquant.lqc.model import Model, load_model

LONGEST_S = 20
FREE_BYTES, BYTES_A_VALUE, BYTES_A_BYTE = 256 << 20, 200, 200
"""Memory that a case may take: for the text of its header, for each value of its largest chunk, and for each
byte of the file."""
MOST_VALUES = 1 << 16
"""So much is decoded from either end; chunks that declare more are read, but not decoded."""


@dataclass
class Found:
    """What came of some mutations; ``failed`` says number, mutation and error of each that went wrong."""

    cases: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    failed: list[tuple[int, str, str]] = field(default_factory=list)
    slowest: tuple[float, int] = (0.0, 0)

    def add(self, other: "Found") -> None:
        """Count another's cases, too."""
        self.cases += other.cases
        self.outcomes.update(other.outcomes)
        self.failed += other.failed
        self.slowest = max(self.slowest, other.slowest)


def values(group: Group) -> int:
    """How many values a chunk of a group declares."""
    return len(group.channels) * group.per_chunk * (group.hop or 1)


def decoded(data: bytes, model: Model) -> bool:
    """Decode the beginning and the end of a file; says whether something was lost. What comes out must have
    the shape that was declared."""
    decoder = Decoder(data, model, "mark", threads=1)
    lost = False
    for number, told in enumerate(decoder.signals):
        if max(values(group) for group in decoder.header.groups) > MOST_VALUES:
            continue
        some = min(told.n_samples, MOST_VALUES // len(told.channels))
        for start in {0, told.n_samples - some}:
            x = decoder.read(start, start + some, number)
            assert (x.shape, x.dtype) == ((len(told.channels), some), np.int32)
        lost |= bool(decoder.damaged_ranges(number))
    return lost


def read(data: bytes, model: Model) -> str:
    """Read a file in every way that there is; says what came of it. Errors that nobody documents pass."""
    outcome = "as declared"
    try:
        with ChunkReader(data) as reader:
            outcome = "damage told" if reader.verify() else outcome
        if decoded(data, model):
            outcome = "chunk refused"
    except LqcError:
        outcome = "file refused"
    with contextlib.suppress(LqcError):
        live = LiveDecoder(io.BytesIO(data), model)
        if max(values(group) for group in live.header.groups) <= MOST_VALUES:
            for one in live:
                assert one.samples.dtype == np.int32, one.samples.dtype
    return outcome


def _limit(n_bytes: int | None) -> None:
    """Let the process take so much memory beyond what it has; None: as much as there is."""
    limit = resource.RLIM_INFINITY
    if n_bytes is not None:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + n_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))


def allowed(data: bytes) -> int:
    """How much memory reading a file may take."""
    try:
        with ChunkReader(data) as reader:
            most = max(values(group) for group in reader.header.groups)
    except (LqcError, MemoryError):
        most = 0
    return FREE_BYTES + BYTES_A_VALUE * min(most, MOST_VALUES) + BYTES_A_BYTE * len(data)


def warm(model: Model) -> None:
    """Read what is sound: it must be as declared, and compiling then counts against no case."""
    for name, data in small_files(model).items():
        assert (outcome := read(data, model)) == "as declared", f"{name}: {outcome}"


def cases(numbers: range, model: Model, note: Path | None = None) -> Found:
    """Read the mutations of these numbers; ``note`` names the one that is being read."""
    files, found = list(small_files(model).values()), Found()
    for number in numbers:
        name, data = mutation(number, files)
        if note:
            note.write_text(f"{number} {name}")
        faulthandler.dump_traceback_later(LONGEST_S, exit=True)
        started = time.perf_counter()
        try:
            _limit(FREE_BYTES + BYTES_A_BYTE * len(data))
            _limit(allowed(data))
            outcome = read(data, model)
        except Exception as error:
            outcome = "failed"
            found.failed.append((number, name, f"{type(error).__name__}: {error}"[:300]))
        finally:
            _limit(None)
            faulthandler.cancel_dump_traceback_later()
        found.cases += 1
        found.outcomes[f"{name}: {outcome}"] += 1
        found.slowest = max(found.slowest, (time.perf_counter() - started, number))
    return found


def _in_process(numbers: range, options: argparse.Namespace, note: Path) -> Found:
    """Read mutations in a process of its own, which may die: the case is noted, and it goes on."""
    found, start = Found(), numbers.start
    environment = {**os.environ, "NUMBA_NUM_THREADS": "1"}
    if options.bounds:
        environment |= {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(note.parent / "bounds")}
    while start < numbers.stop:
        command = [sys.executable, "-m", "bench.fuzz_lqc", "--worker", str(note)]
        command += ["--start", str(start), "--count", str(numbers.stop - start)]
        command += ["--model", str(options.model)] if options.model else []
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode == 0:
            told = json.loads(done.stdout)
            found.add(Found(told["cases"], Counter(told["outcomes"]), told["failed"], tuple(told["slowest"])))
            break
        if not note.exists():
            raise RuntimeError(done.stderr)
        number, _, name = note.read_text().partition(" ")
        found.failed.append((int(number), name, f"died ({done.returncode}): {done.stderr[-600:]}"))
        found.cases += int(number) + 1 - start
        start = int(number) + 1
    return found


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m bench.fuzz_lqc", description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="how many mutations (default: 100000)")
    parser.add_argument("--start", type=int, default=0, help="number of the first")
    parser.add_argument("--model", type=Path, help="a checkpoint; one that is made up by default")
    parser.add_argument("--bounds", action="store_true", help="compiled code looks at every index")
    parser.add_argument(
        "--only", type=int, help="read the mutation of this number, and let its error through"
    )
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    model = load_model(options.model) if options.model else made_model()
    if options.only is not None:
        name, data = mutation(options.only, list(small_files(model).values()))
        print(name, len(data), "bytes:", read(data, model))
        return
    numbers = range(options.start, options.start + options.count)
    if options.worker:
        warm(model)
        print(json.dumps(vars(cases(numbers, model, options.worker))))
        return
    found = Found()
    with_note = Path(os.environ.get("TMPDIR", "/tmp")) / f"fuzz-{os.getpid()}"
    for start in range(numbers.start, numbers.stop, 2000):
        some = _in_process(range(start, min(start + 2000, numbers.stop)), options, with_note)
        found.add(some)
        told = [f"{number} {name}: {error}" for number, name, error in some.failed]
        told.append(f"{found.cases} of {len(numbers)}, {len(found.failed)} failed")
        print("\n".join(told), file=sys.stderr, flush=True)
    with_note.unlink(missing_ok=True)
    print("\n".join(f"{count:7} {outcome}" for outcome, count in sorted(found.outcomes.items())))
    seconds, slowest = found.slowest
    print(f"{found.cases} cases, {len(found.failed)} failed; the slowest, {slowest}, took {seconds:.2f} s")
    sys.exit(bool(found.failed))


if __name__ == "__main__":
    main()

"""Encoding against the length of a recording and the size of a corpus: memory of a worker, and throughput.

The recordings are synthetic, 64 channels at 256 Hz, written here. Throughput is that of the whole payload
with two workers, its start left out, against two encoders that do nothing else: 1.25 times their time is 80 %
of their rate.
"""

import json
import os
from pathlib import Path

from bench.homes import scratch
from bench.measure import Run, python, timed
from bench.table import Quantity, Row, Target, peak
from blut_resources.store.artifacts import ArtifactStore
from cookbooks.lamquant.formats.edf.discovery import find_recordings

CHANNELS, RATE = 64, 256
HOURS = (1.0, 4.0)
LONG = 24.0
"""Hours of the longest recording; 2.8 GB, measured where BENCH_LONG is set."""
FILES, FILE_HOURS = 10, 0.5

ENCODE = """
import json, sys
from cookbooks.lamquant.payload import lma_encode
sys.argv = ["lma_encode", "--config", {config!r}]
lma_encode.main()
"""
WINDOWS = """
from pathlib import Path
from cookbooks.lamquant.formats.corpus import Corpus
from cookbooks.lamquant.signal.windows import WindowSpec, cut_windows
recording = Corpus(Path({corpus!r})).open("x")
cut_windows(recording, range({channels}), range(int(recording.n_samples // 512)), WindowSpec(rate_hz=250.0),
            Path({out!r}))
"""


def rows(quick: bool) -> list[Row]:
    """Per length: peak memory of encoding and of cutting windows; then throughput."""
    hours = HOURS[:1] if quick else (*HOURS, *((LONG,) if os.environ.get("BENCH_LONG") else ()))
    return [row for length in hours for row in _length(length)] + [_throughput(quick)]


def _length(hours: float) -> list[Row]:
    with scratch() as directory:
        write_recording(directory / "in" / "x.edf", hours, seed=0)
        size = (directory / "in" / "x.edf").stat().st_size
        encoded = python(ENCODE.format(config=str(_frozen(directory, "out", 1, directory / "in"))))
        out = directory / "windows.npy"
        code = WINDOWS.format(corpus=str(directory / "out"), channels=CHANNELS, out=str(out))
        cut = python(code)
    return [_memory(f"{hours:g} h, {size / 1e6:.0f} MB: {what}", run) for what, run in _named(encoded, cut)]


def _named(encoded: Run, cut: Run) -> list[tuple[str, Run]]:
    return [("encode", encoded), ("cut windows", cut)]


def _memory(case: str, run: Run) -> Row:
    return Row("lml", case, peak([run]), target=Target("ours", "<=", 500), note=f"{run.wall:.0f} s")


def _throughput(quick: bool) -> Row:
    """What files cost that a corpus has more: the start of the processes falls out."""
    hours = FILE_HOURS / 2 if quick else FILE_HOURS
    with scratch() as directory:
        for index in range(FILES):
            kept = directory / ("few" if index < 2 else "more") / f"p{index}" / "x.edf"
            write_recording(kept, hours, index)
        more = sorted((directory / "more").rglob("*.edf"))
        pairs = []
        for index in range(2 if quick else 3):
            encoder = _encode_alone(more)
            few = python(ENCODE.format(config=str(_frozen(directory, f"few{index}", 2, directory / "few"))))
            all_ = python(ENCODE.format(config=str(_frozen(directory, f"all{index}", 2, directory))))
            pairs.append((all_.wall - few.wall, all_.cpu - few.cpu, encoder))
        size = sum(path.stat().st_size for path in more) / 1e6
    ours = Quantity("s", [wall for wall, _, _ in pairs], [cpu for _, cpu, _ in pairs])
    alone = Quantity("s", [one.wall / 2 for _, _, one in pairs], [one.cpu for _, _, one in pairs])
    case = f"{size:.0f} MB more in a corpus, 2 workers"
    return Row("lml", case, ours, "2 encoders alone", alone, Target("ratio", "<=", 1.25))


def _encode_alone(paths: list[Path]) -> Run:
    """Encode what is in memory already, in one process."""
    from cookbooks.lamquant.formats.edf.recording import read_edf
    from cookbooks.lamquant.formats.lml.container import encode_lml

    signals = [read_edf(path).digital for path in paths]
    encode_lml(signals[0][:, :1000], float(RATE), bit_depth=16, metadata={})  # compiled

    def encode() -> None:
        for digital in signals:
            encode_lml(digital, float(RATE), bit_depth=16, metadata={})

    return timed(encode)


def _frozen(directory: Path, out: str, workers: int, recordings: Path) -> Path:
    """Write what a payload is told, also of the files, which the source has digested before."""
    store = ArtifactStore(directory / "store")
    told = store.outside(store.referenced(recordings, find_recordings(recordings).names).digest)
    frozen = {
        "schema": 1,
        "fingerprint": "f",
        "config": {"workers": workers},
        "inputs": {"recordings": str(recordings)},
        "out": str(directory / out),
        "work": str(directory / f"{out}.work"),
        "outside": {"recordings": told},
    }
    path = directory / f"{out}.order" / "config.json"
    path.parent.mkdir()
    path.write_text(json.dumps(frozen))
    return path


def write_recording(path: Path, hours: float, seed: int) -> None:
    """Write an EDF file of noise with the spectrum of EEG, a minute at a time."""
    import numpy as np
    from scipy.signal import lfilter

    def text(value: object, width: int) -> bytes:
        return str(value).ljust(width).encode()

    seconds, random = round(hours * 3600), np.random.default_rng(seed)
    one = [
        (80, ""),
        (8, "uV"),
        (8, -3276.8),
        (8, 3276.7),
        (8, -32768),
        (8, 32767),
        (80, ""),
        (8, RATE),
        (32, ""),
    ]
    header = text(0, 8) + text("X X X X", 80) + text("Startdate X X X X", 80) + b"01.01.0100.00.00"
    header += text(256 * (CHANNELS + 1), 8) + text("", 44) + text(seconds, 8) + text(1, 8) + text(CHANNELS, 4)
    header += b"".join(text(f"EEG C{index}", 16) for index in range(CHANNELS))
    header += b"".join(text(value, width) * CHANNELS for width, value in one)
    path.parent.mkdir(parents=True, exist_ok=True)
    state = np.zeros((CHANNELS, 2))
    with path.open("wb") as file:
        file.write(header)
        for at in range(0, seconds, 60):
            samples = min(60, seconds - at) * RATE
            drive = 12 * random.standard_normal((CHANNELS, samples), np.float32)
            x, state = lfilter([1.0], [1.0, -1.6, 0.66], drive, axis=1, zi=state)
            x = np.rint(x + 6 * random.standard_normal((CHANNELS, samples), np.float32))
            digital = x.clip(-32768, 32767).astype("<i2").reshape(CHANNELS, -1, RATE)
            file.write(digital.transpose(1, 0, 2).tobytes())

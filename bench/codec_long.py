"""A recording of a day: memory while it is encoded, and a second of it from anywhere.

``python -m bench.codec_long GIVEN.json`` prints one JSON object. GIVEN names ``checkpoint``, ``hours``,
``channels`` and a ``target`` as the command takes it. The recording is made as it is read: minutes of the
sample's patient SCP2, each from a place drawn anew, turned over or not, a little louder or softer; channels
are drawn apart. It is no real day, but no two of its minutes are alike.
"""

import io
import json
import random
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.codec_sets import real_sets
from cookbooks.lamquant.lqc.container.header import ChannelFacts
from cookbooks.lamquant.lqc.decode import Decoder
from cookbooks.lamquant.lqc.encode import encode_stream
from cookbooks.lamquant.lqc.model import load_model
from cookbooks.lamquant.lqc.signals import SignalSource
from cookbooks.lamquant.lqc.targets import parse_target

RATE_HZ, PIECE_S = 256, 60
EVERY_S = 0.5
READS = 40


def made_up_day(seconds: int, channels: int) -> SignalSource:
    """The recording; the same samples however it is read."""
    source = np.concatenate([s.digital[0] for s in real_sets(["scp2"])["scp2"]])
    piece = PIECE_S * RATE_HZ

    def minute(number: int) -> NDArray[np.int32]:
        rng = np.random.default_rng(number)
        starts = rng.integers(0, len(source) - piece, channels)
        gains = rng.choice([-1.0, 1.0], channels) * rng.uniform(0.8, 1.25, channels)
        rows = [np.rint(source[at : at + piece] * gain) for at, gain in zip(starts, gains, strict=True)]
        return np.array(rows, np.int32)

    def read(start: int, stop: int) -> NDArray[np.int32]:
        first, last = start // piece, -(-stop // piece)
        whole = np.concatenate([minute(number) for number in range(first, last)], axis=1)
        return whole[:, start - first * piece : stop - first * piece]

    return SignalSource(RATE_HZ, seconds * RATE_HZ, (ChannelFacts(),) * channels, read)


class Memory:
    """Looks at the resident set of this process again and again."""

    def __init__(self) -> None:
        self.samples: list[tuple[float, float]] = []
        self._started, self._over = time.perf_counter(), threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._over.wait(EVERY_S):
            self.samples.append((round(time.perf_counter() - self._started, 1), resident_mb()))

    def stop(self) -> list[tuple[float, float]]:
        """Seconds since the beginning, and megabytes."""
        self._over.set()
        self._thread.join()
        return self.samples


def resident_mb() -> float:
    """Megabytes of this process in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * resource.getpagesize() / 1e6, 1)


def timed(call: Callable[[], Any]) -> float:
    """Seconds of a call."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def seconds_from_anywhere(path: Path, model: Any, seconds: int) -> list[float]:
    """Milliseconds until a second of all channels is there, the decoder loaded, places drawn."""
    decoder, places = Decoder(path, model, threads=1), random.Random(1)
    decoder.read(0, RATE_HZ)  # compiled here, so that it is not measured
    starts = [places.randrange(seconds - 1) * RATE_HZ for _ in range(READS)]
    return [1000 * timed(lambda start=start: decoder.read(start, start + RATE_HZ)) for start in starts]


def main() -> None:
    """Entry point."""
    given = json.loads(Path(sys.argv[1]).read_text())
    model, seconds = load_model(Path(given["checkpoint"])), round(3600 * given["hours"])
    signal, target = made_up_day(seconds, given["channels"]), parse_target(given["target"])
    # compiled here, so that it is not measured
    encode_stream([made_up_day(2 * PIECE_S, given["channels"])], io.BytesIO(), model, target)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "day.lqc")
        before, memory, cpu = resident_mb(), Memory(), time.process_time()
        with path.open("wb") as out:
            encode_s = timed(lambda: encode_stream([signal], out, model, target))
        cpu, samples = time.process_time() - cpu, memory.stop()
        reads = seconds_from_anywhere(path, model, seconds)
        n_bytes = path.stat().st_size
    said = {"hours": given["hours"], "channels": given["channels"], "values": signal.size, "bytes": n_bytes}
    said |= {"encode_s": encode_s, "encode_cpu_s": cpu, "before_mb": before, "memory": samples}
    print(json.dumps({**said, "read_ms": reads}))


if __name__ == "__main__":
    main()

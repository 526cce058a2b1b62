"""The search for duplicates against the encoding of the same recordings, in MB of 16-bit samples a second.

The search is to cost less than what came before it. Both are measured in CPU time of one core: the search
alone against the encoder alone, then the search in encoded recordings, which it has to decode, against
encoding with the decoding that proves each window.
"""

import time
from collections.abc import Callable
from typing import Any

from bench.table import Quantity, Row, Target

RATE_HZ = 256.0


def rows(quick: bool) -> list[Row]:
    """Synthetic recordings of several people, 21 channels each."""
    from cookbooks.lamquant.formats.lml.container import decode_lml, encode_lml
    from cookbooks.lamquant.signal.duplicates import find_duplicates

    signals = _signals(people=3 if quick else 8, seconds=120 if quick else 600)
    encoded = {name: _encoded(signal.read(0, signal.n_samples)) for name, signal in signals.items()}
    megabytes = sum(2 * len(s.channels) * s.n_samples for s in signals.values()) / 1e6

    def search(recordings: dict[str, Any]) -> None:
        if find_duplicates(recordings, recordings.__getitem__).copies:
            raise RuntimeError("recordings of different people count as one: its figures mean nothing")

    def encode() -> None:
        for signal in signals.values():
            encode_lml(signal.read(0, signal.n_samples), RATE_HZ, bit_depth=16, metadata={})

    def pack() -> None:
        encode()
        for data in encoded.values():
            decode_lml(data)

    def search_encoded() -> None:
        search({name: _Stored(data) for name, data in encoded.items()})

    cases = {
        "search, in memory": (lambda: search(signals), "encoding", encode),
        "search, decoding": (search_encoded, "encoding and decoding", pack),
    }
    found = []
    for case, (ours, name, base) in cases.items():
        for call in (ours, base):
            call()  # compiled once, not measured
        speeds = [(megabytes / _cpu(ours), megabytes / _cpu(base)) for _ in range(2 if quick else 3)]
        one, other = (Quantity("MB/s", values) for values in zip(*speeds, strict=True))
        found.append(Row("duplicates", case, one, name, other, Target("ratio", ">=", 1)))
    return found


def _cpu(call: Callable[[], None]) -> float:
    started = time.process_time()
    call()
    return time.process_time() - started


class _Held:
    """One recording in memory."""

    def __init__(self, digital: Any, scale: Any) -> None:
        self._digital, self.scale = digital, scale
        self.channels = [f"channel {index}" for index in range(len(digital))]
        self.rate_hz, self.n_samples = RATE_HZ, digital.shape[1]

    def read(self, start: int, stop: int) -> Any:
        return self._digital[:, start:stop]


class _Stored:
    """One recording in LML."""

    def __init__(self, data: bytes) -> None:
        import numpy as np

        from cookbooks.lamquant.formats.extent import extent_of_bytes
        from cookbooks.lamquant.formats.lml.container import LmlReader

        self._reader = LmlReader(extent_of_bytes(data))
        self.channels = [f"channel {index}" for index in range(self._reader.n_channels)]
        self.rate_hz, self.n_samples = self._reader.rate_hz, self._reader.n_samples
        self.scale = np.ones(self._reader.n_channels)

    def read(self, start: int, stop: int) -> Any:
        return self._reader.read(start, stop)


def _encoded(digital: Any) -> bytes:
    from cookbooks.lamquant.formats.lml.container import encode_lml

    return encode_lml(digital, RATE_HZ, bit_depth=16, metadata={})


def _signals(people: int, seconds: int) -> dict[str, Any]:
    import numpy as np

    from cookbooks.lamquant.samples.synthetic_model import draw_traits, simulate

    found = {}
    for person in range(people):
        traits = draw_traits(0, person)
        eeg = simulate(traits, (0, person, 1), round(seconds * RATE_HZ), round(RATE_HZ))
        digital = np.rint(eeg / traits.step_uv).astype(np.int32)
        found[f"person {person}"] = _Held(digital, np.full(len(digital), traits.step_uv))
    return found

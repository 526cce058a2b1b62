"""Encodes recordings of a corpus to files and back, with whichever joint codec a checkpoint is of."""

import io
import json
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from blut_resources.files.durable import random_name, sync
from blut_resources.files.foreign import open_regular
from blut_resources.payload_kit.refuse import Refused
from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.codec.v1 import FIRST_SCHEMA
from cookbooks.lamquant.formats.corpus import StoredRecording
from cookbooks.lamquant.lqc.container.header import ChannelFacts
from cookbooks.lamquant.lqc.decode import Decoder
from cookbooks.lamquant.lqc.encode import encode_stream
from cookbooks.lamquant.lqc.errors import LqcError
from cookbooks.lamquant.lqc.model import DESCRIPTION, load_model
from cookbooks.lamquant.lqc.planes import Profile
from cookbooks.lamquant.lqc.refining import Refiner
from cookbooks.lamquant.lqc.signals import SignalSource
from cookbooks.lamquant.lqc.targets import NoiseRatio


class FileCodec(Protocol):
    """Encodes one recording a file."""

    def encode(self, recording: StoredRecording, path: Path) -> int:
        """Returns the bytes of the file that was written.

        Raises:
            ValueError: it cannot be coded as the checkpoint promises; the message says why.
        """
        ...

    def decode(self, source: Path, path: Path) -> int:
        """Returns how many values of a file were written as an array int32 [C, T].

        Raises:
            ValueError: damaged, or made with another checkpoint.
        """
        ...


def open_codec(
    checkpoint: Path, threads: int, refiner: Refiner | None = None, profile: Profile = "full"
) -> FileCodec:
    """Returns the codec of a checkpoint, of the first version or of today's.

    ``refiner`` is a better decoder for files of today's, ``profile`` how these are encoded.

    Raises:
        Refused: it is damaged or of a later version.
    """
    if _schema(checkpoint) == FIRST_SCHEMA:
        if refiner is not None or profile != "full":
            raise Refused(f"{checkpoint.name}: is of the first version, without profiles and other decoders")
        return _First(checkpoint)
    try:
        return _Chunked(checkpoint, threads, refiner, profile)
    except LqcError as error:
        raise Refused(f"{checkpoint.name}: {error}") from error


def _schema(checkpoint: Path) -> Any:
    try:
        return json.loads((checkpoint / DESCRIPTION).read_bytes()).get("schema")
    except (OSError, ValueError, AttributeError):
        return None  # whoever reads it next says what is wrong


class _First:
    """Holds a checkpoint of the first joint codec, which codes a whole recording at once."""

    def __init__(self, checkpoint: Path) -> None:
        # torch is loaded for this one alone
        from cookbooks.lamquant.codec.v1.checkpoint import load_first_checkpoint

        self._coder = load_first_checkpoint(checkpoint).coder

    def encode(self, recording: StoredRecording, path: Path) -> int:
        data = self._coder.encode(recording.digital, recording.rate_hz)
        write_atomic(path, data)
        return len(data)

    def decode(self, source: Path, path: Path) -> int:
        with open_regular(source) as file:
            digital = self._coder.decode(file.read())
        out = io.BytesIO()
        np.save(out, digital, allow_pickle=False)
        write_atomic(path, out.getvalue())
        return digital.size


class _Chunked:
    """Holds a checkpoint of today's: chunk by chunk, with as much memory for a day as for an hour."""

    def __init__(self, checkpoint: Path, threads: int, refiner: Refiner | None, profile: Profile) -> None:
        self._model, self._threads, self._refiner = load_model(checkpoint), threads, refiner
        self._profile: Profile = profile
        ratio = self._model.description.get("noise_ratio")
        if not isinstance(ratio, float):
            raise LqcError(f"{DESCRIPTION}: noise_ratio={ratio!r}: must be a number above 0")
        self._target = NoiseRatio(ratio)

    def encode(self, recording: StoredRecording, path: Path) -> int:
        # labels and scaling are in the corpus, and every byte of the file counts
        channels = (ChannelFacts(),) * len(recording.channels)
        signal = SignalSource(recording.rate_hz, recording.n_samples, channels, recording.read)
        out = io.BytesIO()
        made = encode_stream(
            [signal], out, self._model, self._target, profile=self._profile, threads=self._threads
        )
        write_atomic(path, out.getvalue())
        return made.n_bytes

    def decode(self, source: Path, path: Path) -> int:
        open_regular(source).close()  # a pipe would keep the reader waiting
        decoder = Decoder(source, self._model, threads=self._threads, refiner=self._refiner)
        shape = (len(decoder.channels), decoder.n_samples)
        temporary = path.with_name(f".{path.name}.{random_name()}")
        try:
            array = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.int32, shape=shape)
            at = 0
            for block in decoder.blocks():
                array[:, at : at + block.shape[1]] = block
                at += block.shape[1]
            array.flush()
            del array
            sync(temporary)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        return shape[0] * shape[1]

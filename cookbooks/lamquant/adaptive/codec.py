"""Holds a codec and the controller that steers it, as one artifact, and encodes recordings with both."""

import io
import json
import shutil
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from blut_resources.payload_kit.refuse import Refused
from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.adaptive.levels import StateLevels, States
from cookbooks.lamquant.controller.calibration import states_of
from cookbooks.lamquant.controller.controller import Controller
from cookbooks.lamquant.controller.scores import FrameScores
from cookbooks.lamquant.controller.states import Point
from cookbooks.lamquant.lqc.container.header import ChannelFacts, FileHeader, Profile
from cookbooks.lamquant.lqc.encode import encode_stream
from cookbooks.lamquant.lqc.errors import LqcError
from cookbooks.lamquant.lqc.model import DESCRIPTION, WEIGHTS, Model, load_model
from cookbooks.lamquant.lqc.signals import SignalSource
from cookbooks.lamquant.lqc.targets import Level

SCHEMA = "blut.adaptive_codec.v1"
MANIFEST, CONTROLLER = "adaptive.json", "controller"
_BLOCK = 1 << 16


class AdaptiveInvalid(Refused):
    """Says that a directory holds no adaptive codec; names the file, the field and the remedy."""


class ReadRecording(Protocol):
    """Gives a recording, a stretch at a time: one of a corpus does."""

    @property
    def rate_hz(self) -> float:
        """Returns samples a second."""
        ...

    @property
    def n_samples(self) -> int:
        """Returns samples of each channel."""
        ...

    @property
    def channels(self) -> list[str]:
        """Returns the names of the channels."""
        ...

    def read(self, start: int, stop: int) -> NDArray[np.int32]:
        """Returns samples [start, stop) of all channels, [C, n]."""
        ...


@dataclass(frozen=True)
class FollowingCodec:
    """Holds what an encoder that follows states needs; a decoder needs the model alone.

    Attributes:
        model: the codec, trained for all of the levels.
        controller: what decides.
        levels: of each state.
        point: the thresholds, hold, pre-roll and fail-safe that states are made with.
        profile: of the bitstreams.
        labels_sha256: of the index of the labels that the thresholds were chosen by.
    """

    model: Model
    controller: Controller
    levels: StateLevels
    point: Point
    profile: Profile
    labels_sha256: str = ""

    def scores(self, recording: ReadRecording) -> FrameScores:
        """Returns what the controller makes of a recording, a row for each frame.

        Raises:
            ValueError: a rate or a number of channels that it cannot measure.
        """
        stream = self.controller.stream(recording.rate_hz, len(recording.channels))
        parts = [
            stream.push(recording.read(start, min(start + _BLOCK, recording.n_samples)))
            for start in range(0, recording.n_samples, _BLOCK)
        ]
        return FrameScores(
            *(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(FrameScores))
        )

    def states(self, scores: FrameScores) -> States:
        """Returns the state of each frame of a whole recording, uint8 [T]."""
        return states_of(scores, self.point, self.controller.frame_ms)

    def decide(self, recording: ReadRecording) -> States:
        """Returns the state of each frame of a recording, uint8 [T].

        Raises:
            ValueError: as `scores`.
        """
        return self.states(self.scores(recording))

    def encode(self, recording: ReadRecording, states: States, *, threads: int = 1) -> bytes:
        """Returns the ``.lqc`` file of a recording along these states.

        Raises:
            LqcError: it cannot be coded at the levels.
        """
        base = self.levels.base(states, self.profile)
        course = self.levels.course(states, base, self.controller.frame_ms)
        about = FileHeader((), facts=self.levels.facts(base))
        out = io.BytesIO()
        encode_stream(
            [source_of(recording)],
            out,
            self.model,
            Level(float(base)),
            profile=self.profile,
            about=about,
            courses=[course],
            threads=threads,
        )
        return out.getvalue()


def source_of(recording: ReadRecording) -> SignalSource:
    """Returns a recording as the encoder reads it; labels and scaling are in the corpus, and cost bytes."""
    facts = (ChannelFacts(),) * len(recording.channels)
    return SignalSource(recording.rate_hz, recording.n_samples, facts, recording.read)


def load_adaptive(directory: Path) -> FollowingCodec:
    """Returns the adaptive codec of a directory.

    Raises:
        AdaptiveInvalid: a part is missing, damaged, of a later version, or is not the one it was made with.
    """
    try:
        said = json.loads((directory / MANIFEST).read_bytes())
        if said["schema"] != SCHEMA:
            raise AdaptiveInvalid(
                f"{directory.name}/{MANIFEST}: schema={said['schema']!r}: must be {SCHEMA!r}: make it again"
            )
        model, controller = load_model(directory), Controller.load(directory / CONTROLLER, said["model"])
        own = {"codec_sha256": _codec_digest(directory), "controller_sha256": controller.digest}
        for name, found in own.items():
            if said[name] != found:
                raise AdaptiveInvalid(
                    f"{directory.name}/{MANIFEST}: {name}={said[name]!r}, but what lies beside it is {found}:"
                    " it was exchanged; make the adaptive codec again"
                )
        return FollowingCodec(
            model,
            controller,
            StateLevels(tuple(said["levels"])),
            Point(**said["point"]),
            said["profile"],
            said["labels_sha256"],
        )
    except (OSError, LqcError, ValueError, KeyError, TypeError, Refused) as error:
        if isinstance(error, AdaptiveInvalid):
            raise
        raise AdaptiveInvalid(f"{directory.name}: not an adaptive codec: {error!r}: make it again") from error


def save_adaptive(
    directory: Path, codec: Path, controller: Path, made: FollowingCodec, **chosen: Any
) -> None:
    """Write a codec and its controller side by side, and what they do together.

    Args:
        directory: where to.
        codec, controller: the directories that ``made`` was loaded from.
        chosen: how levels and thresholds were chosen, for people.
    """
    (directory / CONTROLLER).mkdir(exist_ok=True)
    for name in (WEIGHTS, DESCRIPTION):
        shutil.copyfile(codec / name, directory / name)
    for path in sorted(controller.iterdir()):
        if path.is_file():
            shutil.copyfile(path, directory / CONTROLLER / path.name)
    said = {
        "schema": SCHEMA,
        "model": made.controller.kind,
        "codec_sha256": _codec_digest(directory),
        "controller_sha256": made.controller.digest,
        "levels": list(made.levels.levels),
        "point": asdict(made.point),
        "profile": made.profile,
        "frame_ms": made.controller.frame_ms,
        "labels_sha256": made.labels_sha256,
        "chosen": chosen,
    }
    write_atomic(directory / MANIFEST, (json.dumps(said, indent=1, sort_keys=True) + "\n").encode())


def _codec_digest(directory: Path) -> str:
    return sha256((directory / DESCRIPTION).read_bytes() + (directory / WEIGHTS).read_bytes()).hexdigest()

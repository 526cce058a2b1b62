"""Loads a trained controller and lets it decide, frame by frame, as the samples come."""

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from blut_resources.payload_kit.refuse import Refused
from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.controller.deciders import Arrays, Decider, decider, standardised
from cookbooks.lamquant.controller.features import FeatureStream
from cookbooks.lamquant.controller.pooling import Pooled, pool
from cookbooks.lamquant.controller.scores import FrameScores
from cookbooks.lamquant.controller.states import Point, StateStream

SCHEMA = "blut.controller.v1"
WEIGHTS, DESCRIPTION = "controller.safetensors", "controller.json"


class ControllerError(Refused):
    """Says that a directory holds no usable controller; names file and remedy."""


class ScoreStream:
    """Scores the frames of one recording as its samples come; chunks do not matter.

    Raises:
        ValueError: a rate or a number of channels that cannot be measured.
    """

    def __init__(
        self, arrays: Arrays, decides: Decider, rate_hz: float, channels: int, frame_ms: int
    ) -> None:
        self._arrays, self._decides = arrays, decides
        self._features = FeatureStream(rate_hz, channels, frame_ms)
        self._state = decides.start()

    def push(self, digital: NDArray[np.integer]) -> FrameScores:
        """Returns the scores of the frames that end within a block of samples ``[C, n]``.

        Raises:
            ValueError: another number of channels.
        """
        return self.score(pool(self._features.push(digital)))

    def score(self, pooled: Pooled) -> FrameScores:
        """Returns the scores of frames that were measured already."""
        found = self._decides.run(standardised(self._arrays, pooled.features), self._state)
        return FrameScores(found.astype(np.int32), pooled.loud, pooled.excess, pooled.features)


@dataclass(frozen=True)
class Controller:
    """Holds a trained controller.

    Attributes:
        description: the parsed ``controller.json``.
        arrays: the integers of all its models.
        kind: logistic, ssm or lif.
        digest: SHA-256 of both files.
    """

    description: dict[str, Any]
    arrays: dict[str, NDArray[Any]]
    kind: str
    digest: str

    @classmethod
    def load(cls, directory: Path, kind: str = "") -> Self:
        """Returns the controller of a directory.

        Args:
            kind: ``logistic`` for the one that was trained beside; the model itself if empty.

        Raises:
            ControllerError: it is missing, damaged, of a later version, or has no such model.
        """
        try:
            described = (directory / DESCRIPTION).read_bytes()
            description = json.loads(described)
            data = (directory / WEIGHTS).read_bytes()
            if description["schema"] != SCHEMA:
                raise ControllerError(
                    f"{directory.name}/{DESCRIPTION}: schema={description['schema']!r}: must be {SCHEMA!r};"
                    " train it again"
                )
            if sha256(data).hexdigest() != description["weights_sha256"]:
                raise ControllerError(f"{directory.name}/{WEIGHTS}: is damaged; train it again")
            chosen = kind or str(description["model"])
            arrays = load(data)
            decider(chosen, arrays)
            description["models"][chosen]
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise ControllerError(f"{directory.name}: not a controller: {error!r}") from error
        return cls(description, arrays, chosen, sha256(described + data).hexdigest())

    @property
    def frame_ms(self) -> int:
        """Returns the milliseconds of a frame."""
        return int(self.description["frame_ms"])

    @property
    def _own(self) -> dict[str, Any]:
        return self.description["models"][self.kind]

    @property
    def points(self) -> dict[str, Point]:
        """Returns the operating points: ``events`` for alarms, ``rate`` for levels."""
        return {name: Point(**values) for name, values in self._own["points"].items()}

    def stream(self, rate_hz: float, channels: int) -> ScoreStream:
        """Returns a stream of scores for one recording.

        Raises:
            ValueError: a rate or a number of channels that cannot be measured.
        """
        return ScoreStream(self.arrays, decider(self.kind, self.arrays), rate_hz, channels, self.frame_ms)

    def states(self, point: str = "rate", **changed: Any) -> StateStream:
        """Returns a stream that turns scores into states.

        Args:
            point: the operating point; ``changed`` replaces fields of it, such as ``hold_s``.
        """
        return StateStream(Point(**{**self._own["points"][point], **changed}), self.frame_ms)

    def decide(
        self, digital: NDArray[np.integer], rate_hz: float, point: str = "rate", **changed: Any
    ) -> NDArray[np.uint8]:
        """Returns the states of a whole recording ``[C, T]``, one a frame.

        Raises:
            ValueError: a rate or a number of channels that cannot be measured.
        """
        states = self.states(point, **changed)
        seen = states.push(self.stream(rate_hz, len(digital)).push(digital))
        return np.concatenate([seen, states.finish()])


def save_controller(directory: Path, arrays: Arrays, description: dict[str, Any]) -> None:
    """Write the two files. ``description`` must not depend on time or place."""
    weights = save({name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)})
    made = description | {"schema": SCHEMA, "weights_sha256": sha256(weights).hexdigest()}
    write_atomic(directory / WEIGHTS, weights)
    write_atomic(directory / DESCRIPTION, (json.dumps(made, sort_keys=True, indent=1) + "\n").encode())

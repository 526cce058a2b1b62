"""Writes and reads label directories: one for train and validation patients, one for sealed ones.

Each has ``labels.json`` and ``<stem>.npy``, uint8 ``[frames]``. A training is given the first alone, so what
it learns cannot come from a sealed patient's labels.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the control plane reads the index alone
    import numpy as np
    from numpy.typing import NDArray

from blut_resources.payload_kit.refuse import Refused
from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.formats.index import read_index

SCHEMA = "blut.activity_labels.v1"
INDEX = "labels.json"
FIT, SEALED = "fit", "sealed"
"""Directories of the labels of train and validation patients, and of those whom only the gate sees."""


class LabelsInvalid(Refused):
    """Says that a directory of labels cannot be read; names the file and the remedy."""


@dataclass(frozen=True)
class Labels:
    """Holds the labels of some recordings.

    Attributes:
        frame_ms: milliseconds of a frame.
        recordings: of each, by stem: ``patient``, ``split``, ``frames``, ``state`` of its annotations.
    """

    root: Path
    frame_ms: int
    recordings: Mapping[str, Mapping[str, Any]]

    def of(self, stem: str) -> "NDArray[np.uint8]":
        """Returns the labels of a recording, uint8 ``[frames]``.

        Raises:
            LabelsInvalid: there are none, or they are not what the index says.
        """
        import numpy as np

        path = self.root / f"{stem}.npy"
        try:
            labels = np.load(path, allow_pickle=False)
            if labels.dtype != np.uint8 or labels.shape != (self.recordings[stem]["frames"],):
                raise ValueError(f"it holds {labels.dtype} {labels.shape}")
        except (OSError, EOFError, KeyError, ValueError) as error:
            raise LabelsInvalid(f"labels of {stem}: {path.name}: {error!r}; make the labels again") from error
        return labels

    def stems(self, split: str) -> list[str]:
        """Returns the recordings of a split, sorted."""
        return sorted(stem for stem, one in self.recordings.items() if one["split"] == split)


def read_labels(directory: Path) -> Labels:
    """Returns the labels in a directory; their arrays are read when they are asked for.

    Raises:
        LabelsInvalid: the index is missing or malformed.
    """
    value = read_index(
        directory / INDEX, SCHEMA, "an index of labels", "make the labels again", LabelsInvalid
    )
    try:
        recordings = {stem: dict(one) for stem, one in value["recordings"].items()}
        return Labels(directory, int(value["frame_ms"]), recordings)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise LabelsInvalid(f"{directory / INDEX}: {error!r}; make the labels again") from error


def write_index(directory: Path, frame_ms: int, recordings: Mapping[str, Mapping[str, Any]]) -> None:
    """Write what is known of the recordings in a directory, as `Labels` has it."""
    content = {"schema": SCHEMA, "frame_ms": frame_ms, "recordings": recordings}
    write_atomic(directory / INDEX, (json.dumps(content, indent=1, sort_keys=True) + "\n").encode())


def write_labels(path: Path, labels: "NDArray[np.uint8]") -> None:
    """Write the labels of one recording, whole or not at all."""
    import numpy as np

    file = io.BytesIO()
    np.save(file, labels, allow_pickle=False)
    write_atomic(path, file.getvalue())

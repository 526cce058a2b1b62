"""Measures what a device's encoder is held to: its twin's bytes, its compiler's budgets, the CR it loses."""

import json
import math
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cookbooks.lamquant.device.bundle import encode_with
from cookbooks.lamquant.device.compiling import Budget, measure_budget
from cookbooks.lamquant.device.errors import DeviceError
from cookbooks.lamquant.device.layout import DeviceLayout
from cookbooks.lamquant.device.toolchains import toolchain_of
from cookbooks.lamquant.device.twin import twin_encode
from cookbooks.lamquant.formats.corpus import Recording
from cookbooks.lamquant.gate.metrics import prdn
from cookbooks.lamquant.lqc.container.header import Profile
from cookbooks.lamquant.lqc.decode import decode
from cookbooks.lamquant.lqc.encode import encode
from cookbooks.lamquant.lqc.errors import LqcError
from cookbooks.lamquant.lqc.model import DESCRIPTION, Model
from cookbooks.lamquant.lqc.targets import NoiseRatio

KIB = 1024
ENCODE, SANITIZED = "encode", "sanitized"
"""The encoder compiled for this machine, and compiled with sanitizers."""
_NEAR = 1e-3
"""How far two errors may be apart, relative to them, and be called equal."""


def noise_ratio_of(model: Path) -> float:
    """Returns the error that a checkpoint codes with unless something else is asked for.

    Raises:
        LqcError: its description does not say.
    """
    try:
        ratio = json.loads((model / DESCRIPTION).read_bytes())["noise_ratio"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LqcError(f"{DESCRIPTION}: noise_ratio cannot be read ({error!r}): build it again") from error
    if isinstance(ratio, bool) or not isinstance(ratio, int | float) or not 0 < ratio < math.inf:
        raise LqcError(f"{DESCRIPTION}: noise_ratio={ratio!r}: must be a number above 0")
    return float(ratio)


def differs_from_twin(
    data: bytes, model: Model, layout: DeviceLayout, recording: Recording, ratio: float
) -> str | None:
    """Says where a device's file is not what the integer twin writes; None where every byte is."""
    try:
        twin = twin_encode(model, layout, recording.digital, recording.rate_hz, ratio).data
    except LqcError as error:
        return f"{recording.stem}: the twin cannot code it: {error}"
    if data == twin:
        return None
    first, second = (np.frombuffer(one, np.uint8) for one in (data, twin))
    n = min(len(first), len(second))
    apart = np.flatnonzero(first[:n] != second[:n])
    at = int(apart[0]) if len(apart) else n
    return f"{recording.stem}: the device wrote {len(first)} bytes, the twin {len(second)}; they part at {at}"


def budget_of(bundle: Path, target: str, objects: Path) -> Budget:
    """Returns what the encoder takes, measured by the target's compiler here, whatever the bundle says.

    Raises:
        DeviceError: the compiler is missing or refuses, or the code needs a library.
    """
    return measure_budget(toolchain_of(target), bundle, objects)


def beyond(budget: Budget, max_flash_kib: int, max_ram_kib: int) -> list[str]:
    """Returns in sentences what is more than the device was said to have."""
    asked = (
        ("flash", budget.flash_bytes, "max_flash_kib", max_flash_kib),
        ("RAM", budget.ram_bytes, "max_ram_kib", max_ram_kib),
    )
    return [
        f"{size} bytes of {what} are more than {field} = {most} allows"
        for what, size, field, most in asked
        if size > most * KIB
    ]


def sanitizer_findings(bundle: Path, program: Path, recordings: list[Recording], ratio: float) -> list[str]:
    """Returns what sanitizers say as the encoder codes recordings: undefined behaviour, wrong addresses."""
    found = []
    for recording in recordings:
        try:
            encode_with(bundle, recording.digital, recording.rate_hz, ratio, program=program)
        except (DeviceError, LqcError) as error:
            found.append(f"{recording.stem}: {error}")
    return found


@dataclass(frozen=True)
class Reference:
    """Encodes a recording in Python with a model, in one of the profiles.

    Attributes:
        model: of the checkpoint that the device's was made from.
        profile: ``device`` in one pass, ``full`` with all that is known.
        ratio: the error to begin with.
    """

    model: Model
    profile: Profile
    ratio: float

    def bytes_at(self, recording: Recording, wanted: float) -> float:
        """Returns how many bytes a recording takes at a PRDN of ``wanted`` percent.

        Between two sizes, the logarithm of the size is a straight line over that of the error.
        """
        points = [self._point(recording, self.ratio)]
        if abs(points[0][0] / wanted - 1) > _NEAR:
            points.append(self._point(recording, self.ratio * wanted / points[0][0]))
        return _at(points, wanted)

    def _point(self, recording: Recording, ratio: float) -> tuple[float, int]:
        with warnings.catch_warnings():  # what is done otherwise than asked is measured
            warnings.simplefilter("ignore")
            data = encode(
                *(recording.digital, recording.rate_hz, self.model, NoiseRatio(ratio)),
                profile=self.profile,
                threads=1,
            )
        back = decode(data, self.model) * recording.scale[:, None] + recording.offset[:, None]
        error = prdn(recording.microvolts, back)
        if not error:
            raise LqcError(f"{recording.stem}: its error cannot be compared")
        return error, len(data)


def _at(points: list[tuple[float, int]], wanted: float) -> float:
    (error, size), *others = points
    for other, other_size in others:
        if abs(other / error - 1) > _NEAR:
            slope = math.log(other_size / size) / math.log(other / error)
            return size * (wanted / error) ** slope
    return float(size)


def lost_pct(ours: float, theirs: float) -> float:
    """Returns by how many percent a CR of ``ours`` bytes is below one of ``theirs``, of the same samples."""
    return 100 * (1 - theirs / ours)

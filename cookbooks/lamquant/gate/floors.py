"""Reads what the codec gate asks for: the floor registry, and the floors that it and a split imply.

Pure judging logic without numpy, so that the control plane can derive the floors in force when it promotes.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from blut_resources.files.documents import DocumentError, read_yaml
from blut_resources.files.foreign import read_regular
from blut_resources.payload_kit.refuse import Refused
from blut_resources.registry.verdicts import EACH, Change, Floor
from cookbooks.lamquant.gate.grade import ROUNDING, Level, lqs_level
from cookbooks.lamquant.gate.split import parse_split
from cookbooks.lamquant.signal.bands import BandName

CORPUS = "/corpus"  # the scope of what is counted over all recordings; no stem contains a slash
INTEGRITY = (
    "inputs_unchanged",
    "sealed_test_split",
    "patients_disjoint",
    "test_patients_unseen",
    "no_duplicates_across_splits",
    "one_bitstream_per_recording",
    "real_bitstreams",
    "one_decoding_per_recording",
)
GateName = Literal["device", "snn", "pipeline", "oracle", "decoder"]
OWN, SECOND = "lamquant-", "blut.floor_registry.v2"
"""How the names of this cookbook's models begin, before a gate, and the schema of most gates' floors."""
MAX_REGISTRY_BYTES = 2**20
REGISTRY_FILE = "registry.yaml"
# the stretch floors of a registry that writes none; the last two belong together: R = sqrt(1 - PRDN^2)
STRETCH_SECONDS = 2.0
STRETCH_FACTOR = 2.0
STRETCH_FLAT_UV = 5.0
STRETCH_MOST_PRDN = 95.0
STRETCH_LEAST_R = 0.31
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Correlation = Annotated[float, Field(strict=True, allow_inf_nan=False, gt=0, le=1)]
Percent = Annotated[float, Field(strict=True, allow_inf_nan=False, gt=0, le=100)]
Count = Annotated[int, Field(strict=True, ge=1)]


class RegistryInvalid(Refused, ValueError):
    """Says that the floor registry cannot be used; the message names the file, the field and the problem."""


class Strict(BaseModel):
    """Refuses keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RecordingFloors(Strict):
    """Holds floors for each recording: R, PRDN in percent, CR of file bytes, and PRD in percent if wanted."""

    min_r: Correlation
    max_prdn: Percent
    min_cr: Annotated[Number, Field(gt=0)]
    max_prd: Percent | None = None


class BandFloors(Strict):
    """Holds floors of one band for each recording."""

    max_prd: Percent
    min_r: Correlation


class ChannelFloors(Strict):
    """Holds floors of the worst channel of each recording; bands not given here are those of the registry."""

    min_r: Correlation
    max_prdn: Percent
    bands: dict[BandName, BandFloors] = {}


class StretchFloors(Strict):
    """Holds floors of the worst stretch of any channel of each recording.

    ``max_prdn`` stays below 100 percent, which is what a stretch that was erased has. ``max_flat_uv`` is the
    largest error in microvolts where the original does not move at all.
    """

    seconds: Annotated[Number, Field(ge=0.25, le=30)]
    min_r: Correlation
    max_prdn: Annotated[Percent, Field(lt=100)]
    max_flat_uv: Annotated[Number, Field(ge=0, le=100)]


class Minima(Strict):
    """Says how much must have been measured."""

    recordings: Count
    patients: Count
    samples: Count


class FloorRegistryFile(Strict):
    """Validates the floor registry: unknown keys, non-finite floors and missing floors are refused."""

    format: Literal["blut.floor_registry.v1"] = Field(alias="schema")
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    model: Annotated[str, Field(min_length=1)]
    change_classes: Annotated[list[str], Field(min_length=1)]
    split: Literal["test"]
    each_recording: RecordingFloors
    each_channel: ChannelFloors | None = None
    each_stretch: StretchFloors | None = None
    bands: Annotated[dict[BandName, BandFloors], Field(min_length=1)]
    minima: Minima
    min_lqs: Level = "below"

    @model_validator(mode="after")
    def _classes_are_distinct(self) -> Self:
        if len(set(self.change_classes)) != len(self.change_classes):
            raise ValueError("change_classes: a class is listed twice")
        return self

    def channel_floors(self) -> ChannelFloors:
        """Returns what the worst channel must reach; where it is not written, what the recording must."""
        whole, own = self.each_recording, self.each_channel
        own = own or ChannelFloors(min_r=whole.min_r, max_prdn=whole.max_prdn)
        return own.model_copy(update={"bands": {**self.bands, **own.bands}})

    def stretch_floors(self) -> StretchFloors:
        """Returns what the worst stretch must reach.

        Where it is not written, twice the error that the recording may have: a codec of one step for all
        errs more where a channel is quiet. Since 1 - R goes with the square of the error, that is four times
        the 1 - R. An erased stretch (100 %, no R) never passes.
        """
        whole = self.each_recording
        return self.each_stretch or StretchFloors(
            seconds=STRETCH_SECONDS,
            min_r=max(1 - STRETCH_FACTOR**2 * (1 - whole.min_r), STRETCH_LEAST_R),
            max_prdn=min(STRETCH_FACTOR * whole.max_prdn, STRETCH_MOST_PRDN),
            max_flat_uv=STRETCH_FLAT_UV,
        )

    def fidelity(self) -> Self:
        """Returns itself: all its floors are of fidelity."""
        return self

    def integrity(self) -> list[str]:
        """Returns the figures of integrity, which must be 0."""
        return [f"{name}_violations" for name in INTEGRITY]

    def required(self, stems: Iterable[str]) -> list[Floor]:
        """Returns everything a verdict over these test recordings must have judged, in a fixed order."""
        return required_floors(self, stems)

    def authorise(self, change: Change) -> None:
        """Refuse a change whose class the registry does not list."""
        if change.change_class not in self.change_classes:
            raise RegistryInvalid(
                f"change_class is {change.change_class!r}: {self.model} {self.version} allows "
                f"{', '.join(self.change_classes)}"
            )


def load_registry(path: Path) -> FloorRegistryFile:
    """Returns the registry from a YAML file, or from the single YAML file in a directory.

    Raises:
        RegistryInvalid: if it cannot be read, repeats a key, or does not validate.
    """
    path = registry_file(path)
    return parse_registry(read_registry(path), path.name)


def registry_file(path: Path) -> Path:
    """Returns the file of a registry; of a directory, the only YAML file in it.

    Raises:
        RegistryInvalid: there is none in the directory, or several.
    """
    if not path.is_dir():
        return path
    files = sorted(file for file in path.iterdir() if file.suffix in {".yaml", ".yml"})
    if len(files) != 1:
        raise RegistryInvalid(f"the floor registry must be one YAML file, found {len(files)}")
    return files[0]


def read_registry(path: Path) -> bytes:
    """Returns the bytes of a registry file.

    Raises:
        RegistryInvalid: if it cannot be read, or is larger than any registry.
    """
    try:
        return read_regular(path, MAX_REGISTRY_BYTES)
    except OSError as error:
        raise RegistryInvalid(f"{path.name}: {error}") from error


def parse_registry(data: bytes, name: str) -> FloorRegistryFile:
    """Returns the registry from the bytes of a YAML file; ``name`` is the file's, for errors.

    Raises:
        RegistryInvalid: if it repeats a key, or does not validate.
    """
    try:
        registry = FloorRegistryFile.model_validate(read_yaml(data, name, MAX_REGISTRY_BYTES))
    except ValidationError as error:
        raise explain_invalid(name, error) from error
    except DocumentError as error:
        raise RegistryInvalid(str(error)) from error
    if registry.model.startswith(OWN) and registry.model.removeprefix(OWN) in get_args(GateName):
        # by these floors a codec is judged, and would take the name of what another gate lets through
        raise RegistryInvalid(
            f"{name}: model {registry.model!r} has a gate of its own: its floors need schema: {SECOND}"
        )
    return registry


def explain_invalid(name: str, error: ValidationError) -> RegistryInvalid:
    """Returns what is wrong with a registry, by its fields; ``name`` is the file's."""
    problems = "; ".join(
        f"{'.'.join(str(part) for part in e['loc']) or 'file'}: {e['msg']} (found {_short(e['input'])})"
        for e in error.errors()
    )
    return RegistryInvalid(f"{name}: {problems}")


def _short(found: object) -> str:
    """Returns a value as it is told; a whole file is not told again."""
    return "the file" if isinstance(found, dict) and "schema" in found else repr(found)


def floors_in_force(registry: bytes, split: bytes) -> list[Floor]:
    """Returns what a promotion has to ask of a verdict:
    the floors of this registry for this split's test recordings.

    Args:
        registry: the bytes of the YAML file.
        split: the bytes of ``split.json``.

    Raises:
        RegistryInvalid, SplitInvalid: if either is not what it should be.
    """
    return required_floors(parse_registry(registry, REGISTRY_FILE), parse_split(split).of("test"))


def required_floors(registry: FloorRegistryFile, stems: Iterable[str]) -> list[Floor]:
    """Returns everything a verdict over these test recordings must have judged, in a fixed order."""
    minima = registry.minima.model_dump()
    floors = [floor_of("minimum", name, CORPUS, ">=", count) for name, count in minima.items()]
    floors.append(floor_of("grade", "lqs_level", CORPUS, ">=", lqs_level(registry.min_lqs)))
    floors += [floor_of("integrity", name, CORPUS, "==", 0) for name in registry.integrity()]
    for stem in sorted(stems):
        floors += recording_floors(registry, stem)
    return floors


def pinned_floors(data: bytes, name: str, model: str) -> list[Floor]:
    """Returns what a registry file asks of any verdict on this model,
    whatever recordings it was measured on.

    Args:
        data: the bytes of the YAML file.
        name: of the file, for errors.

    Raises:
        RegistryInvalid: it is not a registry, or one of another model.
    """
    registry = parse_registry(data, name)
    if registry.model != model:
        raise RegistryInvalid(f"{name}: its floors are for model {registry.model!r}, not {model!r}")
    return required_floors(registry, [EACH])


def possible(name: str, value: float) -> bool:
    """Says whether a figure can have this value: no correlation above 1, no error or ratio below 0."""
    figure = name.rpartition("_")[2]
    if figure == "r":
        return abs(value) <= 1 + ROUNDING
    return value > 0 if figure == "cr" else value >= 0 or figure not in ("prd", "prdn")


def floor_of(kind: str, name: str, scope: str, op: Literal[">=", "<=", "=="], floor: float) -> Floor:
    """Returns a floor; the arguments are its fields."""
    return Floor(kind=kind, name=name, scope=scope, op=op, floor=floor)


def recording_floors(registry: FloorRegistryFile, stem: str) -> list[Floor]:
    """Returns what a recording, its worst channel and its worst stretch must reach."""
    limits = registry.each_recording
    floors = [
        floor_of("acceptance", "r", stem, ">=", limits.min_r),
        floor_of("acceptance", "prdn", stem, "<=", limits.max_prdn),
        floor_of("acceptance", "cr", stem, ">=", limits.min_cr),
    ]
    if limits.max_prd is not None:
        floors.append(floor_of("acceptance", "prd", stem, "<=", limits.max_prd))
    floors += _band_floors("band", "", registry.bands, stem)
    channel, stretch = registry.channel_floors(), registry.stretch_floors()
    return [
        *floors,
        floor_of("channel", "channel_r", stem, ">=", channel.min_r),
        floor_of("channel", "channel_prdn", stem, "<=", channel.max_prdn),
        *_band_floors("channel", "channel_", channel.bands, stem),
        floor_of("stretch", "stretch_r", stem, ">=", stretch.min_r),
        floor_of("stretch", "stretch_prdn", stem, "<=", stretch.max_prdn),
        floor_of("stretch", "flat_uv", stem, "<=", stretch.max_flat_uv),
    ]


def _band_floors(kind: str, prefix: str, bands: Mapping[BandName, BandFloors], stem: str) -> list[Floor]:
    floors = []
    for band, limit in sorted(bands.items()):
        floors.append(floor_of(kind, f"{prefix}{band}_prd", stem, "<=", limit.max_prd))
        floors.append(floor_of(kind, f"{prefix}{band}_r", stem, ">=", limit.min_r))
    return floors

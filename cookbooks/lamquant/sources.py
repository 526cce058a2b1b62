"""Looks at what the user brings on every run, and never copies it: the sources."""

from pathlib import Path

from blut_assets.stages import NotYet, Stage, Steps, stage_asset
from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.artifacts import FloorRegistry, Recordings, SplitRequest
from cookbooks.lamquant.configs.corpus import BUILT, RecordingsConfig, SplitRequestConfig
from cookbooks.lamquant.configs.verdict import FloorRegistryConfig
from cookbooks.lamquant.formats.edf.discovery import find_recordings
from cookbooks.lamquant.gate.floors import REGISTRY_FILE, parse_registry, read_registry
from cookbooks.lamquant.signal.request import REQUEST, Requested
from cookbooks.lamquant.subjects.sides import Sides, read_manifest
from cookbooks.lamquant.subjects.stated import read_subjects

SHIPPED_REGISTRY = Path(__file__).parent / "configs" / "pccp_registry.yaml"


@stage_asset(cookbook="lamquant", group="sources", source=True, headline=["n_files"], kinds={"edf"})
def recordings(stage: Stage, config: RecordingsConfig) -> Steps[Recordings]:
    """EDF/BDF recordings in a directory, digested file by file.

    The digest depends on relative names and contents only: the same files elsewhere are the same recordings.
    """
    root = yield from recordings_root(stage, config.edf_root)
    names = find_recordings(root).names
    if not names:
        raise FileNotFoundError(
            f"edf_root {config.edf_root!r} holds no .edf or .bdf file, also with .gz, in it or below: "
            "check the path"
        )
    found = stage.store.referenced(root, names)
    stage.show(directory=str(root), sources=_sources_note(root))
    return Recordings(**found._asdict())


def recordings_root(stage: Stage, edf_root: str) -> Steps[Path]:  # type: ignore[type-var]
    """Returns the directory that holds the recordings.

    Raises:
        FileNotFoundError: there is none.
    """
    root = Path(edf_root)
    if edf_root.startswith(BUILT):
        root = yield from _built(stage, edf_root)
    if not root.is_dir():
        raise FileNotFoundError(f"edf_root {edf_root!r} is not a directory: give one that holds EDF files")
    return root


def _built(stage: Stage, name: str) -> Steps[Path]:  # type: ignore[type-var]
    """The directory of a sample or synthetic set, built by a payload the first time it is asked for."""
    dest = stage.store.root / "samples" / name.replace(":", "-").replace(",", "-")
    if not dest.is_dir():
        if stage.planning:
            raise NotYet(f"{name} has not been built yet; the first run builds it")
        with stage.store.lock("samples"):
            if dest.is_dir():
                return dest
            yield from stage.run(
                "cookbooks.lamquant.payload.sample_build",
                config={"name": name, "dest": str(dest), "cache": str(stage.store.root / "downloads")},
                inputs={},
            )
    return dest


def _sources_note(root: Path) -> str:
    note = root / "SOURCES.md"
    return note.read_text() if note.is_file() else "the user's own files"


def requested(manifest: str, subjects: str) -> Requested:
    """Returns what the user's files say of a split; an empty path says nothing.

    Raises:
        ManifestInvalid, SubjectsInvalid: a file is not what it should be.
    """
    return Requested(
        subjects=read_subjects(Path(subjects)) if subjects else {},
        sides=read_manifest(Path(manifest)) if manifest else Sides(),
    )


@stage_asset(cookbook="lamquant", group="sources", source=True, headline=["n_sides"], kinds={"json"})
def split_request(stage: Stage, config: SplitRequestConfig) -> SplitRequest:
    """What the user's files say of the split; nothing where none is given.

    The digest depends on what they say only: neither on where they lie, nor on how it is written.
    """
    request = requested(config.manifest, config.subjects)
    write_atomic(stage.out / REQUEST, request.to_json())
    sides = request.sides
    return SplitRequest(
        n_sides=len(sides.subjects) + len(sides.recordings) + len(sides.either),
        n_stated=len(request.subjects),
        manifest=request.manifest_digest or "",
    )


def registry_path(registry: str) -> Path:
    """Returns the user's floor registry, or the shipped one."""
    return Path(registry) if registry else SHIPPED_REGISTRY


@stage_asset(cookbook="lamquant", group="sources", source=True, kinds={"yaml"})
def floor_registry(stage: Stage, config: FloorRegistryConfig) -> FloorRegistry:
    """The acceptance floors of the PCCP gate. A verdict carries this file's digest."""
    path = registry_path(config.registry)
    data = read_registry(path)
    registry = parse_registry(data, path.name)
    write_atomic(stage.out / REGISTRY_FILE, data)
    return FloorRegistry(model=registry.model, version=registry.version)

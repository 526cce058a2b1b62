"""Looks at what the user brings on every run, and never copies it: the sources."""

import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from blut_assets.stages import Footprint, NotYet, Stage, Steps, stage_asset
from blut_resources.store.artifacts import StoreError, write_atomic
from blut_resources.store.references import Referenced
from cookbooks.lamquant.annotations.vocabulary import parse_vocabulary, read_vocabulary, vocabulary_path
from cookbooks.lamquant.artifacts.corpus import Recordings, SplitRequest
from cookbooks.lamquant.artifacts.verdicts import FloorRegistry
from cookbooks.lamquant.configs.corpus import RecordingsConfig, SplitRequestConfig
from cookbooks.lamquant.configs.sources import BUILT, Root
from cookbooks.lamquant.configs.verdict import FloorRegistryConfig
from cookbooks.lamquant.formats.edf.discovery import LOOKED_FOR, PassedOver, find_recordings
from cookbooks.lamquant.gate.floors import REGISTRY_FILE, RegistryInvalid, parse_registry, read_registry
from cookbooks.lamquant.samples.names import options_of
from cookbooks.lamquant.signal.request import REQUEST, Requested
from cookbooks.lamquant.subjects.sides import Sides, read_manifest
from cookbooks.lamquant.subjects.stated import read_subjects

if TYPE_CHECKING:
    from cookbooks.lamquant.gate.floors import FloorRegistryFile
    from cookbooks.lamquant.gate.registry import Registry

ROOTS = "roots.json"
SHOWN = 50
"""Files that were passed over which the log and the page name."""
DENIED = "cannot be read by this user", "give this user permission to read it"
SHIPPED_REGISTRY = Path(__file__).parent / "configs" / "pccp_registry.yaml"


@stage_asset(
    cookbook="lamquant",
    group="sources",
    source=True,
    headline=["n_files", "n_passed_over"],
    kinds={"edf", "lma"},
    footprint=Footprint(cpus=1, network=1),
)
def recordings(stage: Stage, config: RecordingsConfig) -> Steps[Recordings]:
    """EDF/BDF recordings and archives in directories, digested file by file.

    The digest depends on relative names and contents only: the same files elsewhere are the same recordings.
    """
    try:
        roots = config.roots()
    except ValueError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    found: list[Referenced] = []
    passed_over: list[dict[str, str]] = []
    for root in roots:
        place = yield from recordings_root(stage, root.path, root.field)
        names, others = _names(root, place)
        seen, denied = _seen(stage, place, names)
        found.append(seen)
        others += denied
        passed_over += [{"root": root.name, **one._asdict()} for one in others]
    _show(stage, roots, passed_over)
    parts = [
        {"name": root.name, "kind": root.kind, "digest": one.digest}
        for root, one in zip(roots, found, strict=True)
    ]
    n_files, n_bytes = sum(one.n_files for one in found), sum(one.n_bytes for one in found)
    named = parts if roots[0].name else []
    several = Recordings(n_files=n_files, n_bytes=n_bytes, n_passed_over=len(passed_over), roots=named)
    if len(parts) == 1:
        return several.stored_as(parts[0]["digest"])
    # names and order are left out: what was called otherwise is the same recordings
    listed = sorted([one["kind"], one["digest"]] for one in parts)
    write_atomic(stage.out / ROOTS, json.dumps({"roots": listed}).encode())
    return several


def _seen(stage: Stage, place: Path, names: list[str]) -> tuple[Referenced, list[PassedOver]]:
    """Returns the files of a directory as the store knows them, and those that this user may not read."""
    try:
        return stage.store.referenced(place, names), []
    except StoreError:
        denied = {name for name in names if not os.access(place / name, os.R_OK)}
        if not denied or len(denied) == len(names):
            raise
    seen = stage.store.referenced(place, [name for name in names if name not in denied])
    return seen, [PassedOver(name, *DENIED) for name in sorted(denied)]


def _names(root: Root, place: Path) -> tuple[list[str], list[PassedOver]]:
    """Returns the names of what counts in a directory, and what was passed over; refuses a wrong one."""
    names, passed_over = find_recordings(place, LOOKED_FOR[root.kind])
    if names:
        return names, passed_over
    other = "lma" if root.kind == "edf" else "edf"
    there = len(find_recordings(place, LOOKED_FOR[other]).names)
    instead = f"; it holds {there} files of the other kind: give it as {other}_roots" if there else ""
    what = ".edf or .bdf file, also with .gz" if root.kind == "edf" else ".lma or .lml archive"
    raise FileNotFoundError(
        f"{root.field} {root.path!r} holds no {what}, in it or below: check the path{instead}"
    )


def _show(stage: Stage, roots: list[Root], passed_over: list[dict[str, str]]) -> None:
    """Show where the recordings are, and what is left out of them."""
    first = Path(roots[0].path)
    stage.show(directory=", ".join(root.path for root in roots), sources=_sources_note(first))
    if not passed_over:
        return
    rows = [dg.TableRecord(one) for one in passed_over[:SHOWN]]
    stage.show(passed_over=dg.MetadataValue.table(rows))
    for one in passed_over[:SHOWN] if not stage.planning else ():
        stage.context.log.warning("passed over {file}: {problem}. {remedy}".format(**one))


def recordings_root(stage: Stage, path: str, field: str = "edf_root") -> Steps[Path]:  # type: ignore[type-var]
    """Returns the directory that holds the recordings.

    Raises:
        FileNotFoundError: there is none.
    """
    root = Path(path)
    if path.startswith(BUILT):
        root = yield from _built(stage, path)
    if not root.is_dir():
        what = "archives" if field == "lma_roots" else "EDF files"
        raise FileNotFoundError(f"{field} {path!r} is not a directory: give one that holds {what}")
    return root


def _built(stage: Stage, name: str) -> Steps[Path]:  # type: ignore[type-var]
    """The directory of a sample or synthetic set, built by a payload the first time it is asked for."""
    options_of(name)  # or a dry run would find no fault with it
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


def _critical(stage: Stage, config: SplitRequestConfig) -> Steps[Any]:
    """Returns the stems of the files in which seizures are annotated, in each directory of EDF files."""
    from cookbooks.lamquant.annotations.critical import Understood, known_critical

    path = vocabulary_path(config.vocabulary)
    by = Understood(config.labels, config.unknown, parse_vocabulary(read_vocabulary(path), path.name))
    found: list[str] = []
    roots = config.roots()
    for root in roots:
        if root.kind == "edf":
            place = yield from recordings_root(stage, root.path, root.field)
            prefix = f"{root.name}__" if len(roots) > 1 else ""
            stems = known_critical(
                stage.store,
                place,
                by,
                keep_identity=config.identity == "keep",
                version=stage.spec.code.value,
            )
            found += (f"{prefix}{stem}" for stem in stems)
    return tuple(sorted(found))


@stage_asset(cookbook="lamquant", group="sources", source=True, headline=["n_sides"], kinds={"json"})
def split_request(stage: Stage, config: SplitRequestConfig) -> Steps[SplitRequest]:
    """What the user's files say of the split; nothing where none is given.

    The digest depends on what they say only: neither on where they lie, nor on how it is written. Which
    recordings have seizures belongs to it only where each side is to have some.
    """
    request = requested(config.manifest, config.subjects)
    if config.stratify == "critical":
        critical = yield from _critical(stage, config)
        request = replace(request, critical=critical)
    write_atomic(stage.out / REQUEST, request.to_json())
    sides = request.sides
    return SplitRequest(
        n_sides=len(sides.subjects) + len(sides.recordings) + len(sides.either),
        n_stated=len(request.subjects),
        manifest=request.manifest_digest or "",
    )


def registry_path(registry: str, shipped: Path = SHIPPED_REGISTRY) -> Path:
    """Returns the user's floor registry, or a shipped one."""
    return Path(registry) if registry else shipped


def renamed(data: bytes, model: str, name: str) -> bytes:
    """Returns a floor registry for another model; as it is if none is given.

    Args:
        data: the bytes of the YAML file.
        name: of the file, for errors.

    Raises:
        RegistryInvalid: the file does not say in a line of its own which model it is for.
    """
    if not model:
        return data
    found, times = re.subn(rb"(?m)^model:.*$", f'model: "{model}"'.encode(), data)
    if times != 1:
        raise RegistryInvalid(f"{name}: {times} lines begin with `model:`, so {model!r} has no place in it")
    return found


def floors_of(
    name: str, shipped: Path, parse: Callable[[bytes, str], "FloorRegistryFile | Registry"] = parse_registry
) -> dg.AssetsDefinition:
    """Returns the source asset of a gate's floors.

    Args:
        name: of the asset.
        shipped: the file where the user gives none.
        parse: bytes and the file's name to the registry; refuses what the gate does not read.
    """

    def floors(stage: Stage, config: FloorRegistryConfig) -> FloorRegistry:
        """The acceptance floors of a gate. A verdict carries this file's digest."""
        path = registry_path(config.registry, shipped)
        data = renamed(read_registry(path), config.registered_as, path.name)
        registry = parse(data, path.name)
        write_atomic(stage.out / REGISTRY_FILE, data)
        return FloorRegistry(model=registry.model, version=registry.version)

    return stage_asset(cookbook="lamquant", group="sources", name=name, source=True, kinds={"yaml"})(floors)

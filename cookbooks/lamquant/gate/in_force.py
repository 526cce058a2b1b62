"""Finds the floors in force in a registry of either version."""

from pathlib import Path

from blut_resources.files.documents import DocumentError, read_yaml
from blut_resources.registry.verdicts import Floor
from cookbooks.lamquant.gate import floors
from cookbooks.lamquant.gate.floors import (
    MAX_REGISTRY_BYTES,
    REGISTRY_FILE,
    SECOND,
    RegistryInvalid,
    read_registry,
    registry_file,
)
from cookbooks.lamquant.gate.kinds import GateName
from cookbooks.lamquant.gate.registry import Registry, parse_second
from cookbooks.lamquant.gate.split import parse_split


def floors_in_force(registry: bytes, split: bytes) -> list[Floor]:
    """Returns what a promotion has to ask of a verdict:
    the floors of this registry for this split's test recordings.

    Args:
        registry: the bytes of the YAML file.
        split: the bytes of ``split.json``.

    Raises:
        RegistryInvalid, SplitInvalid: if either is not what it should be.
    """
    if not is_second(registry):
        return floors.floors_in_force(registry, split)
    return parse_second(registry, REGISTRY_FILE).required(parse_split(split).of("test"))


def registry_for(gate: GateName, path: Path) -> Registry:
    """Returns the registry of a file, or of the only one in a directory; it has to be this gate's.

    Raises:
        RegistryInvalid: it cannot be read, does not validate, or is another gate's.
    """
    path = registry_file(path)
    return parse_for(gate, read_registry(path), path.name)


def parse_for(gate: GateName, data: bytes, name: str) -> Registry:
    """Returns the registry from the bytes of a file, which has to be this gate's; ``name`` is the file's.

    Raises:
        RegistryInvalid: it does not validate, or is another gate's.
    """
    registry = parse_second(data, name)
    if registry.judged_by != gate:
        raise RegistryInvalid(
            f"{name}: its floors are those of the gate {registry.judged_by!r}, and not of {gate!r}: give a"
            f" registry of model lamquant-{gate}, or of a model of your own with gate: {gate}"
        )
    return registry


def is_second(data: bytes) -> bool:
    """Says whether a registry is of the second version; raises as `floors_in_force`."""
    try:
        document = read_yaml(data, REGISTRY_FILE, MAX_REGISTRY_BYTES)
    except DocumentError as error:
        raise RegistryInvalid(str(error)) from error
    return isinstance(document, dict) and document.get("schema") == SECOND

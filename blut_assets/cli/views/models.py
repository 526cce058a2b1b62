"""Computes the rows of registered models, for `blut model list` and `show`, and for the cockpit."""

from typing import Any

from blut_resources.registry.models import Entry, ModelRegistry, Registration


def model_rows(registry: ModelRegistry) -> list[dict[str, Any]]:
    """Returns a row for each model, as `blut model list` has it.

    Raises:
        RegistryError: the registry cannot be read.
    """
    return [_summary(registry, name) for name in registry.names()]


def version_rows(registry: ModelRegistry, name: str) -> list[dict[str, Any]]:
    """Returns a row for each version of a model, oldest first, as `blut model show NAME` has it.

    Raises:
        RegistryError: the registry cannot be read.
    """
    return [as_json(registry, record) for record in registry.versions(name).values()]


def _summary(registry: ModelRegistry, name: str) -> dict[str, Any]:
    """Returns a line about a model."""
    records, retired = registry.versions(name), registry.retired(name)
    newest = records[max(records)] if records else None
    return {
        "name": name,
        "versions": len(records),
        "retired": len(retired),
        "newest": f"{newest.version}, {passed_word(newest)}, {newest.at[:19]}" if newest else "-",
        "aliases": ", ".join(_aliases(registry, name)) or "-",
    }


def _aliases(registry: ModelRegistry, name: str) -> list[str]:
    def unjudged(alias: str, entry: Entry) -> bool:
        return not entry.verdict and registry.is_governed(name, alias)

    return [
        f"{alias} -> {entry.told}{' (governed, not judged)' if unjudged(alias, entry) else ''}"
        for alias, entry in registry.aliases(name).items()
    ]


def as_json(registry: ModelRegistry, record: Registration | Entry) -> dict[str, Any]:
    """Returns everything that is recorded of a version, or of what an alias stands for."""
    if isinstance(record, Entry):
        return record.model_dump(mode="json")
    retirement = registry.retired(record.name).get(record.version)
    gone = {"by": retirement.by, "at": retirement.at} if retirement else None
    return record.model_dump(mode="json") | {"retired": gone}


def passed_word(record: Registration) -> str:
    """Returns whether a version passed, in a word."""
    return "passed" if record.passed else "failed"

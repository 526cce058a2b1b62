"""Retires versions: no name may stand for one any more, and its bytes are no longer kept for it."""

from collections.abc import Iterable, Mapping

from pydantic import Field

from blut_resources.registry.log import Record, RegistryError
from blut_resources.registry.records import Digest, Entry, Registration


class RetirementRefused(RegistryError):
    """Says that a name stands for the version that is to be retired, and what to do."""


class VersionRetired(RegistryError):
    """Says that a version that is asked for was retired, and what to do."""


class Retirement(Record):
    """Records that ``by`` let go of a version as its registration ``of`` recorded it.

    A later registration of the same candidate has a higher number, and brings the version back.
    """

    version: int = Field(ge=1)
    candidate: Digest
    of: int = Field(ge=1)
    by: str

    @property
    def told(self) -> str:
        """Says by whom it was retired and when."""
        return f"retired by {self.by} on {self.at[:19]}"


def in_force(
    retirements: Iterable[Retirement], versions: Mapping[int, Registration]
) -> dict[int, Retirement]:
    """Returns the retirements that no registration came after, by version."""
    found = {one.version: one for one in retirements}
    return {n: one for n, one in found.items() if n in versions and versions[n].n == one.of}


def refuse_named(record: Registration, aliases: Mapping[str, Entry]) -> None:
    """Refuse a version that a name stands for.

    Raises:
        RetirementRefused: naming the aliases.
    """
    named = [f"{record.name}@{alias}" for alias, e in aliases.items() if e.candidate == record.candidate]
    verb = "stand" if len(named) > 1 else "stands"
    if named:
        raise RetirementRefused(
            f"{record.model} cannot be retired: {' and '.join(named)} {verb} for it; `blut model promote"
            f" {named[0]} --version N` points at another version, `blut model drop {named[0]}` takes the"
            " name away"
        )


def refuse_retired(record: Registration, retired: Mapping[int, Retirement]) -> None:
    """Refuse what was retired: its bytes may be gone.

    Raises:
        VersionRetired: with who, when and the remedy.
    """
    if record.version in retired:
        raise VersionRetired(
            f"{record.model} was {retired[record.version].told}: name another version (`blut model show"
            f" {record.name}`), or run its recipe again with the args of run {record.run}, which brings it"
            " back if the same bytes come out"
        )

"""Looks for what an extra, such as ``blut[llm]``, brings: which of its packages are there."""

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires, version
from typing import NamedTuple


class Extra(NamedTuple):
    """Says of an extra what it brings: how many packages, which are missing, which have another version."""

    asked: str
    n_packages: int
    missing: tuple[str, ...]
    other: tuple[str, ...]

    @property
    def remedy(self) -> str:
        """Returns the command that brings it."""
        return f"pip install '{self.asked}'"

    @property
    def told(self) -> str:
        """Says in words what is missing."""
        few = [*self.missing[:3], *(["..."] if len(self.missing) > 3 else [])]
        verb = "are" if len(few) > 1 else "is"
        return f"{self.asked}, of which {', '.join(few)} {verb} not installed: {self.remedy}"


def extra(asked: str) -> Extra:
    """Returns what is installed of an extra; of an unknown distribution, itself is what is missing."""
    from packaging.requirements import Requirement  # not by every command, for what a recipe may bring

    wanted = Requirement(asked)
    try:
        required = map(Requirement, requires(wanted.name) or [])
    except PackageNotFoundError:
        return Extra(asked, 0, (wanted.name,), ())
    asked_for = [{"extra": name} for name in wanted.extras]
    needed = [one for one in required if one.marker and any(map(one.marker.evaluate, asked_for))]
    found = {one.name: (one, _version(one.name)) for one in needed}
    other = [
        f"{name} {there} is not {one.specifier}"
        for name, (one, there) in found.items()
        if there and not one.specifier.contains(there, prereleases=True)
    ]
    return Extra(asked, len(needed), tuple(n for n, (_, there) in found.items() if not there), tuple(other))


def lacking(asked: Iterable[str]) -> list[Extra]:
    """Returns the extras of which a package is missing; one in another version may do as well."""
    return [one for one in map(extra, asked) if one.missing]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None

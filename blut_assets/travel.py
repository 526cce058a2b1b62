"""Asks a cookbook about its verdicts that travel: what goes along, and how they are judged again."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from blut_resources.registry.verdicts import Verdict


class Travel(Protocol):
    """Stands for what a cookbook declares as its ``travel``, such as a module with these functions.

    ``carried`` maps the roles of artifacts that go along to their digests, or is None for a verdict that is
    not the cookbook's. ``problems`` says what in the unpacked artifacts contradicts the verdict, ``again``
    measures on the recordings and says what differs.
    """

    def carried(self, verdict: Verdict) -> Mapping[str, str] | None:
        """Returns the artifacts that go along, by role, or None for a verdict of another cookbook."""
        ...

    def problems(self, folder: Path, verdict: Verdict, digests: Mapping[str, str]) -> list[str]:
        """Returns what in the unpacked artifacts contradicts the verdict."""
        ...

    def again(self, folder: Path, verdict: Verdict, corpus: Path) -> list[str]:
        """Measure on the recordings again; returns what differs."""
        ...

"""What a cookbook says of its verdicts that travel: what goes along, and how they are judged again."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from blut_resources.registry.verdicts import Verdict


class Travel(Protocol):
    """What a cookbook declares as its ``travel``, such as a module with these three functions.

    ``carried`` maps the roles of artifacts that go along to their digests, or is None for a verdict that is
    not the cookbook's. ``problems`` says what in the unpacked artifacts contradicts the verdict, ``again``
    measures on the recordings and says what differs.
    """

    def carried(self, verdict: Verdict) -> Mapping[str, str] | None: ...

    def problems(self, folder: Path, verdict: Verdict, digests: Mapping[str, str]) -> list[str]: ...

    def again(self, folder: Path, verdict: Verdict, corpus: Path) -> list[str]: ...


def travels() -> dict[str, Travel]:
    """Returns what the installed cookbooks declare, by the names of those that do."""
    from blut_assets.discovery import discover

    return {one.name: one.travel for one in discover().cookbooks if one.travel}

"""What a cookbook says of its verdicts when one of them travels: what goes along, and how it is judged again.

A cookbook that has such verdicts keeps a module ``gate.bundle`` in its package, with three functions
as `Travel` has them.
"""

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol, cast

from blut_resources.registry.verdicts import Verdict

GROUP = "blut.cookbooks"


class Travel(Protocol):
    """A cookbook's module ``gate.bundle``.

    ``carried`` maps the roles of artifacts that go along to their digests, or is None for a verdict that is
    not the cookbook's. ``problems`` says what in the unpacked artifacts contradicts the verdict, ``again``
    measures on the recordings and says what differs.
    """

    def carried(self, verdict: Verdict) -> Mapping[str, str] | None: ...

    def problems(self, folder: Path, verdict: Verdict, digests: Mapping[str, str]) -> list[str]: ...

    def again(self, folder: Path, verdict: Verdict, corpus: Path) -> list[str]: ...


def travels() -> dict[str, Travel]:
    """The cookbooks that have such verdicts, by name."""
    found: dict[str, Travel] = {}
    for point in entry_points(group=GROUP):
        gate = f"{point.module}.gate"
        if find_spec(gate) and find_spec(f"{gate}.bundle"):
            found[point.name] = cast(Travel, import_module(f"{gate}.bundle"))
    return found

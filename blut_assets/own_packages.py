"""Finds Blut's other packages beside this one, whatever else is called ``sensors`` or ``cookbooks``.

The working directory comes first on the path of `dagster -m`, `python -m`, pytest and a notebook, and many a
project has a ``sensors.py`` of its own in it.
"""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

PACKAGES = ("blut_resources", "cookbooks", "sensors")
HOME = Path(__file__).parent.parent


def scaffolded() -> bool:
    """Says whether there is anything in ``blut_assets/defs``, which is loaded with the cookbooks."""
    here = Path(__file__).parent / "defs"
    return not {entry.name for entry in here.iterdir()} <= {"__init__.py", "__pycache__"}


class _Beside:
    """Finds these packages beside this one, and nothing else."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return PathFinder.find_spec(name, [str(HOME)]) if name in PACKAGES and path is None else None


def prefer_own() -> None:
    """Have these packages imported from beside this one.

    Raises:
        ImportError: another module has been imported under one of their names already.
    """
    for name in PACKAGES:
        there = sys.modules.get(name)
        places = [Path(place).resolve() for place in getattr(there, "__path__", ())]
        if there is not None and (HOME / name).resolve() not in places:
            where = getattr(there, "__file__", None) or ", ".join(map(str, places))
            raise ImportError(
                f"{where} was imported as `{name}`, which is the name of a package of Blut: rename it,"
                " import `blut_assets` before it, or give Blut a code location of its own (`dagster dev -m"
                " blut_assets.definitions -m yours`)",
                name=name,
            )
    if _Beside not in sys.meta_path:
        sys.meta_path.insert(0, _Beside)

"""Tells a payload process about the source that it is to run."""

import functools
import importlib.util
import json
import os
import sys
import sysconfig
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import blut_resources
from blut_resources.files.here import here

START = str(Path(__file__).with_name("start.py"))
TOGETHER = str(Path(blut_resources.__file__).with_name("payload_kit") / "together.py")
FRAMEWORK = str(Path(blut_resources.__file__).parents[1])
FRAMEWORK_PACKAGES = ("blut_resources", "blut_assets")


@dataclass(frozen=True)
class PayloadFiles:
    """Lists the files that were hashed: ``modules`` maps names to paths, ``digests`` paths to digests.

    The digests are those of `code.digest_bytes`. ``root`` is the directory that the top-level package
    lies in; where it is not given, it is the place where this process would import the payload from.
    """

    modules: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    root: str | None = None

    def told(self, module: str, path: Sequence[str] | None = None) -> str:
        """Returns the JSON that `start` reads; ``path`` instead of where this process looks for modules."""
        root = self.root or _root(module)
        packages = {os.path.join(root, name.partition(".")[0]) for name in self.modules}  # noqa: PTH118
        told = {
            "path": path or search_path([root, FRAMEWORK]),
            "modules": dict(self.modules),
            "files": dict(self.digests),
            # what is read through a link to the package is told by either name
            "roots": sorted(_both(path for path in packages if Path(path).is_dir())),
            "counted": sorted(_both(self.digests)),
        }
        return json.dumps(told)

    def source(self, module: str) -> list[Path]:
        """Returns the packages that a payload's source is read from, and nothing that lies beside them."""
        top = Path(self.root or _root(module), module.partition(".")[0])
        return list(dict.fromkeys([top, *(Path(FRAMEWORK, name) for name in FRAMEWORK_PACKAGES)]))


def _both(paths: Iterable[str]) -> set[str]:
    return {name for path in paths for name in (path, os.path.realpath(path))}


def search_path(first: Sequence[str]) -> list[str]:
    """Returns where a payload looks for modules:
    the standard library, ``first``, and what this process has.

    The working directory comes last, unless the user has put it on PYTHONPATH: Dagster puts it first, and
    what lies there by chance must not hide a library.
    """
    found, standard = [absolute(path) for path in sys.path if path], standard_library()
    others = [path for path in found if not _is_standard(path)]
    asked = {absolute(path) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path}
    typed_in = {str(here())} - asked
    ordered = [
        *standard,
        *first,
        *(p for p in others if p not in typed_in),
        *(p for p in others if p in typed_in),
    ]
    return list(dict.fromkeys(ordered))


def standard_library() -> list[str]:
    """Returns where this interpreter has its standard library."""
    return [path for path in map(absolute, filter(None, sys.path)) if _is_standard(path)]


def absolute(path: str) -> str:
    """Returns the path from the root on, with its links as they are."""
    return os.path.abspath(path)  # noqa: PTH100


@functools.cache
def _is_standard(path: str) -> bool:
    library = sysconfig.get_paths()
    version = f"{sys.version_info.major}{sys.version_info.minor}"
    return path in {library["stdlib"], library["platstdlib"]} or path.endswith(
        (f"{os.sep}python{version}.zip", f"{os.sep}lib-dynload")
    )


def _root(module: str) -> str:
    top = module.partition(".")[0]
    spec = importlib.util.find_spec(top)
    if spec is None:
        raise ModuleNotFoundError(f"payload module {module!r} does not exist")
    places = list(spec.submodule_search_locations or ())
    return str(Path(places[0] if places else spec.origin or ".").absolute().parent)

"""A project and a user with settings of their own, and a package of a cookbook that brings some."""

import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

from blut_assets.recipes import Recipe
from tests.blut_assets.recipes.toy import RECIPE

Write = Callable[..., Path]
CONFIGURE = """
from tests.blut_assets.recipes.toy import _configure


def configure(args):
    return _configure(args)
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a file in a project, or as ``user/...`` in the directory of a user's settings; both are empty."""
    (tmp_path / "project/sub").mkdir(parents=True)
    (tmp_path / "project/.git").mkdir()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "project/sub")

    def put(name: str, text: str) -> Path:
        user = name.startswith("user/")
        path = tmp_path / (name.replace("user/", "home/blut/") if user else f"project/{name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return put


@pytest.fixture
def packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Recipe]:
    """Make the toy recipe one of a package with files of its own, in a directory or in an archive."""
    made: list[str] = []

    def make(files: dict[str, str], *, zipped: bool = False) -> Recipe:
        name = f"packed{len(made)}"
        whole = {f"{name}/__init__.py": "", f"{name}/recipes/__init__.py": ""}
        whole |= {
            f"{name}/recipes/training.py": CONFIGURE,
            **{f"{name}/{one}": text for one, text in files.items()},
        }
        place = tmp_path / ("site.zip" if zipped else "site")
        if zipped:
            with zipfile.ZipFile(place, "w") as archive:
                for one, text in whole.items():
                    archive.writestr(one, text)
        for one, text in whole.items() if not zipped else ():
            (place / one).parent.mkdir(parents=True, exist_ok=True)
            (place / one).write_text(text)
        monkeypatch.syspath_prepend(str(place))
        module = import_module(f"{name}.recipes.training")
        made.append(name)
        return replace(RECIPE, configure=module.configure)

    yield make  # type: ignore[misc]
    for name in [one for one in sys.modules if one.partition(".")[0] in made]:
        del sys.modules[name]

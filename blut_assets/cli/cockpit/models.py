"""Shows the registered models with their versions, and promotes one once its name is typed."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from blut_assets.cli.cockpit.drawing import BAD, GOOD, HEAD, DrawnRow, cut, table
from blut_assets.cli.cockpit.pane import LooksBefore, LookWanted, Rows
from blut_assets.cli.cockpit.starting import said_by
from blut_assets.terminal.output import numbers

if TYPE_CHECKING:
    import dagster as dg

FIRST = 3
"""Figures of a version that names none of its own."""


class ModelsView:
    """Shows each model, what its aliases stand for, and its versions: as `blut model list` and `show`."""

    key, title = "D", "models"
    nothing = "no models: a recipe that ends in a judged model registers one"

    def read(self, instance: "dg.DagsterInstance", seen: LooksBefore, wanted: LookWanted) -> Rows:
        """Returns the rows of `blut model list`; those of `blut model show` are under ``registered``.

        Raises:
            RegistryError: the registry cannot be read.
        """
        from blut_assets.cli.views.models import model_rows, version_rows
        from blut_resources.instance.instance import store_of
        from blut_resources.registry.models import ModelRegistry

        registry = ModelRegistry(store_of(instance).root / "registry")
        return [{**row, "registered": version_rows(registry, row["name"])} for row in model_rows(registry)]

    def head(self, width: int) -> str:
        """Returns the names of the columns."""
        return _version_line("version", "verdict", "run", "registered", "figures", width)

    def draw(self, rows: Rows, width: int, braille: bool) -> list[DrawnRow]:
        """Returns an entry for each model, and one for each of its versions, the newest first."""
        found = list[DrawnRow]()
        for row in rows:
            title = f"{row['name']}  aliases: {row['aliases']}"
            found.append(DrawnRow(row["name"], (cut(title, width),), HEAD))
            found += [_drawn(row["name"], one, width) for one in reversed(row["registered"])]
        return found


def _drawn(name: str, version: dict[str, Any], width: int) -> DrawnRow:
    figures = version["figures"]
    chosen = {one: figures.get(one) for one in version["headline"] or sorted(figures)[:FIRST]}
    told = numbers({one: value for one, value in chosen.items() if value is not None})
    verdict = "retired" if version["retired"] else "passed" if version["passed"] else "failed"
    cells = (f"  {version['version']}", verdict, version["run"][:8], version["at"][:16])
    tone = {"passed": GOOD, "failed": BAD}.get(verdict, "")
    line = _version_line(*cells, told, width)
    return DrawnRow(version_key(name, version["version"]), (line,), tone, version["run"])


def _version_line(version: str, verdict: str, run: str, at: str, figures: str, width: int) -> str:
    return table([(version, 8), (verdict, 8), (run, 8), (at, 16)], figures, width)


def version_key(name: str, version: int) -> str:
    """Returns the key of the row of a version, by which it is promoted too."""
    return f"{name}@{version}"


@dataclass
class TypedConsent:
    """Asks for the whole name that a version is to have, typed, before it is promoted.

    Attributes:
        version: that is to be promoted, such as ``mine@3``; empty where nothing is asked.
    """

    version: str = ""
    text: str = ""

    def ask(self, key: str) -> str:
        """Ask for consent to promote the version of a row; returns why nothing is asked."""
        if key.rpartition("@")[2].isdecimal():
            self.version, self.text = key, ""
            return ""
        return "choose one of its versions: p promotes it"

    def shown(self) -> str:
        """Returns what is asked, with what was typed so far."""
        name, _, version = self.version.rpartition("@")
        asks = f"promote version {version}: type the name that it is to have, {name}@ALIAS, and Enter"
        return f"{asks}: {self.text}_"

    def key(self, key: str, letter: str | None, tell: Callable[[str], object]) -> str:
        """Take a key while consent is asked for; returns what is to be said.

        Args:
            tell: gets what `blut model promote` said, from another thread.
        """
        if key == "enter":
            asked, typed = self.version, self.text.strip()
            self.version = ""
            name, _, version = asked.rpartition("@")
            model, _, alias = typed.partition("@")
            if not alias or model != name:
                return f"not promoted: {typed!r} is no name of {name}, such as {name}@prod"
            words = ["model", "promote", typed, "--version", version]
            threading.Thread(target=lambda: tell(said_by(words)), name="blut-promote", daemon=True).start()
            return f"promoting {asked} to {typed} ..."
        if key == "escape":
            self.version = ""
            return "not promoted"
        if key in ("backspace", "ctrl+h"):
            self.text = self.text[:-1]
        elif letter:
            self.text += letter
        return ""

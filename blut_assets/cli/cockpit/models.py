"""Shows the registered models with their versions, and promotes one once its name is typed."""

from typing import TYPE_CHECKING, Any

from blut_assets.cli.cockpit.drawing import BAD, GOOD, HEAD, DrawnRow, cut, table
from blut_assets.cli.cockpit.pane import LooksBefore, LookWanted, Rows
from blut_assets.cli.cockpit.typed import Step, TypedAnswer
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
    key = version_key(name, version["version"])
    return DrawnRow(key, (line,), tone, version["run"], version["candidate"])


def _version_line(version: str, verdict: str, run: str, at: str, figures: str, width: int) -> str:
    return table([(version, 8), (verdict, 8), (run, 8), (at, 16)], figures, width)


def version_key(name: str, version: int) -> str:
    """Returns the key of the row of a version, by which it is promoted too."""
    return f"{name}@{version}"


class TypedConsent(TypedAnswer):
    """Asks for the whole name that a version, such as ``mine@3``, is to have, before it is promoted."""

    dropped = "not promoted"

    def ask(self, key: str) -> str:
        """Ask for consent to promote the version of a row; returns why nothing is asked."""
        if key.rpartition("@")[2].isdecimal():
            self.begin(key)
            return ""
        return "choose one of its versions: p promotes it"

    def question(self) -> str:
        """Returns what is asked."""
        name, _, version = self.about.rpartition("@")
        return f"promote version {version}: type the name that it is to have, {name}@ALIAS, and Enter"

    def answered(self, about: str, typed: str) -> Step:
        """Returns the command that promotes the version, if its whole name was typed."""
        name, _, version = about.rpartition("@")
        model, _, alias = typed.partition("@")
        if not alias or model != name:
            return f"not promoted: {typed!r} is no name of {name}, such as {name}@prod", []
        return f"promoting {about} to {typed} ...", ["model", "promote", typed, "--version", version]

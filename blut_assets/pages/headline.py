"""Puts first on the page of a result what is asked of it first: a few facts, rounded, with unit and meaning.

Dagster shows metadata in the order in which an event has it, and Markdown in place only where it is short.
"""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from blut_assets.artifacts import Artifact
from blut_assets.pages.documentation import meanings
from blut_assets.pages.metadata import DIGEST, KIND, SIZE, URI, harmless
from blut_resources.machine.memory import size_text
from blut_resources.store.places import is_digest
from blut_resources.text import markdown_cell

HEADLINE, INPUTS = "headline", "inputs"
INLINE = 999
"""Characters of Markdown that the UI shows in place; of more it shows a link."""
FIRST = 4
"""Facts that are shown where an asset names none."""
DIGITS = 6
"""Of a number that is plotted; the JSON of the artifact has all of them."""
WIDTH, WORD = 30, 40
"""Characters of a line beside the other columns of the page, and of a value."""
UNITS = {"%": "%", "decibels": "dB", "seconds": "s", "bytes": "bytes"}
"""Units by the word that the documentation of a field begins with."""
ENDINGS = {"_pct": "%", "_db": "dB", "_s": "s", "_ms": "ms"}


def headline(artifact: Artifact, names: Sequence[str], note: str = "") -> dict[str, Any]:
    """Returns the facts of a headline as Markdown that is shown in place: what was measured before counts.

    Args:
        names: of the facts; the first few where there are none.
        note: Markdown that stands above.
    """
    facts, said = artifact.facts(), meanings(type(artifact))
    chosen = sorted(
        (name for name in names or [*facts][:FIRST] if name in facts),
        key=lambda name: type(facts[name]) is int,
    )
    for most in (160, 100, 60, 0):
        items = [_item(name, facts[name], said.get(name, ""), most) for name in chosen]
        text = "\n".join([*([note, ""] if note else []), *items])
        if len(text) <= INLINE:
            return {HEADLINE: dg.MetadataValue.md(text)}
    return {HEADLINE: dg.MetadataValue.md(text[:INLINE].rpartition("\n")[0])}


def _item(name: str, value: Any, meaning: str, most: int) -> str:
    unit, meaning = _unit(name, meaning)
    told = f"- {markdown_cell(name)}: **{markdown_cell(rounded(value, unit))}**"
    return "  \n  ".join([told, *(in_lines(meaning.replace("``", ""), most) if most else [])])


def in_lines(text: str, most: int) -> list[str]:
    """Returns so many characters of a text at most, as Markdown, in lines that the column of values shows."""
    return [
        markdown_cell(line) for line in textwrap.wrap(textwrap.shorten(text, most, placeholder=" …"), WIDTH)
    ]


def _unit(name: str, meaning: str) -> tuple[str, str]:
    """Returns the unit of a fact, and what is said of it beside that."""
    word, comma, rest = meaning.partition(", ")
    if comma and word in UNITS:
        return UNITS[word], rest
    unit = next((unit for ending, unit in ENDINGS.items() if name.endswith(ending)), "")
    return "bytes" if name.endswith("_bytes") else unit, meaning


def rounded(value: Any, unit: str = "") -> str:
    """Returns a value as a person reads it: three digits of a number, ``yes`` or ``no``, a short text."""
    if value is None:
        return "not measured"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float) and unit == "bytes":
        return size_text(round(value))
    if isinstance(value, int):
        return f"{value:,} {unit}".rstrip()
    if isinstance(value, float):
        return f"{value:{'.3g' if abs(value) < 1000 else ',.0f'}} {unit}".rstrip()
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text[:12] if is_digest(text) else text if len(text) <= WORD else f"{text[: WORD - 1]}…"


def facts_shown(artifact: Artifact, names: Sequence[str]) -> dict[str, Any]:
    """Returns the facts as metadata of their own: Dagster plots those that are numbers over materializations.

    Where there is a headline, an integer that is not in it and counts nothing (``n_``) is a text: a plot of
    what was chosen is flat.
    """
    plain = {k: v for k, v in artifact.facts().items() if isinstance(v, bool | int | float | str)}
    return {
        name: _shown(value, not names or name in names or name.startswith("n_"))
        for name, value in plain.items()
    }


def _shown(value: bool | int | float | str, plotted: bool) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    return str(value) if type(value) is int and not plotted else harmless(value)


def in_order(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Returns metadata in the order of a page: headline, pictures, tables, facts, the rest, digests, JSON."""
    return dict(sorted(metadata.items(), key=lambda item: _place(*item)))


def _place(name: str, value: Any) -> int:
    if name == HEADLINE:
        return 0
    if isinstance(value, dg.JsonMetadataValue) or name in (DIGEST, KIND, SIZE, URI):
        return 6
    if isinstance(plain := getattr(value, "value", value), str) and is_digest(plain):
        return 6
    if name == INPUTS or isinstance(value, dg.PathMetadataValue | dg.DagsterRunMetadataValue):
        return 5
    if isinstance(value, dg.MarkdownMetadataValue):
        return 1 if len(value.md_str or "") <= INLINE else 2
    return 3 if isinstance(value, dg.TableMetadataValue) else 4

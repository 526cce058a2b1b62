"""Holds what a person has typed into the form of a recipe, and what a key does to it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from blut_assets.cli.views.forms import PARTITION_ROW, text_of


@dataclass
class Draft:
    """Holds the changes to a form that are not a run yet.

    Attributes:
        typed: by argument the text that was typed; None for what is to be as the settings have it.
        editing: the argument that is being typed into; empty where none is.
        text: what stands there meanwhile.
        offers: what may stand there, to complete it.
    """

    recipe: str
    typed: dict[str, str | None] = field(default_factory=dict)
    editing: str = ""
    text: str = ""
    offers: Sequence[str] = ()
    chosen: str = ""
    """What goes with the run whose plan is shown, as text: the recipe, its args, the partition."""

    def choose(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take what the form holds for a run."""
        sent = {row["argument"]: row["sent"] for row in rows if row["given"]}
        partition = sent.pop(PARTITION_ROW, None)
        self.chosen = json.dumps([self.recipe, sent, partition])

    def again(self, args: Mapping[str, Any], partition: str) -> None:
        """Take what an earlier run was given, for its plan and for the form."""
        self.typed = {name: text_of(value) for name, value in args.items()}
        self.typed |= {PARTITION_ROW: partition} if partition else {}
        self.chosen = json.dumps([self.recipe, args, partition or None])

    def asked(self) -> str:
        """Returns what a view is asked about, as text: the recipe and what was typed so far."""
        typed = {**self.typed, **({self.editing: self.text} if self.editing else {})}
        return json.dumps([self.recipe, typed], sort_keys=True)

    def begin(self, row: Mapping[str, Any]) -> None:
        """Start to type into an argument, with what stands in it."""
        self.editing, self.text, self.offers = row["argument"], row["value"], row["offers"]

    def key(self, key: str, letter: str | None) -> None:
        """Take a key while an argument is typed into."""
        if key == "enter":
            self.typed[self.editing], self.editing = self.text, ""
        elif key == "escape":
            self.editing = ""
        elif key in ("backspace", "ctrl+h"):
            self.text = self.text[:-1]
        elif key == "ctrl+u":
            self.text = ""
        elif key == "tab":
            self.text = _common(self.fitting()) or self.text
        elif letter:
            self.text += letter

    def fitting(self) -> list[str]:
        """Returns what can be completed out of what was typed so far."""
        return [one for one in self.offers if one.startswith(self.text)]

    def turn(self, row: Mapping[str, Any], by: int) -> None:
        """Take the next of the values that an argument can have."""
        if choices := row["choices"]:
            at = choices.index(row["value"]) if row["value"] in choices else -by if by > 0 else 0
            self.typed[row["argument"]] = choices[(at + by) % len(choices)]

    def drop(self, row: Mapping[str, Any]) -> None:
        """Let an argument be as the settings have it."""
        self.typed[row["argument"]] = None

    def over(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Returns rows of the form with what is being typed, of which no look has told yet."""
        found = [dict(row) for row in rows]
        for row in found:
            text = self.typed.get(row["argument"])
            if row["argument"] and row["argument"] == self.editing:
                row["value"] = f"{self.text}_"
            elif row["argument"] and text is not None:
                row["value"] = text
        return found


def _common(texts: Sequence[str]) -> str:
    """Returns what all of them begin with."""
    low, high = min(texts, default=""), max(texts, default="")
    return low[: next((n for n, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), len(low))]

"""What the model registry records: versions of a model, and what its aliases stand for."""

import os
import re
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field

from blut_assets.gates import Finite, Floor, PromotionRefused
from blut_resources.registry_log import Record, check_alias

GOVERNED_ALIASES = "BLUT_GOVERNED_ALIASES"
Digest = Annotated[str, Field(min_length=1)]


class Entry(Record):
    """One line of the history: from ``at`` on, ``name@alias`` stands for ``candidate``.

    ``inputs`` are the digests that the verdict was made on, a floor registry's among them; ``verdict`` is
    None where the alias asked for none. ``version`` is the candidate's, if it has one. ``previous`` is what
    it stood for before. A rollback restores the target that the promotion it undoes had replaced. After a
    drop the alias stands for nothing, and ``candidate`` is what it stood for.
    """

    action: Literal["promote", "rollback", "drop"]
    alias: str
    candidate: Digest
    verdict: Digest | None
    change_id: str
    inputs: dict[str, str] = Field(default_factory=dict)
    previous: str | None
    version: int | None = None

    @property
    def model(self) -> str:
        """``name@alias``."""
        return f"{self.name}@{self.alias}"


class Registration(Record):
    """One line of the versions: a run registered ``candidate`` as this version.

    A version stands for one candidate, for ever. The same candidate registered again is the same version
    with a further record, of which the newest counts: it says how the candidate was judged last.
    ``inputs`` are the digests of what it was made of and judged on, by role. ``floors`` are those in force;
    ``passed`` is what the verdict said, for people: a promotion reads the verdict itself.
    """

    version: int = Field(ge=1)
    candidate: Digest
    inputs: dict[str, Digest]
    verdict: Digest
    passed: bool
    floors: list[Floor]
    figures: dict[str, Finite | None]
    license: str
    run: str

    @property
    def model(self) -> str:
        """``name@version``."""
        return f"{self.name}@{self.version}"

    def digests(self) -> set[str]:
        """Everything that the version needs."""
        return {self.candidate, self.verdict, *self.inputs.values()}


class Try(Record):
    """One line of the tries: ``candidate`` was judged on the set whose digest is ``sealed``."""

    sealed: Digest
    candidate: Digest


def governed_aliases() -> frozenset[str]:
    """Aliases that take a passing verdict: ``prod``, and those that $BLUT_GOVERNED_ALIASES adds.

    Raises:
        RegistryError: if one of these is no alias: a misspelt one would govern nothing.
    """
    added = [text for text in re.split(r"[,\s]+", os.environ.get(GOVERNED_ALIASES, "")) if text]
    for alias in added:
        check_alias(alias)
    return frozenset({"prod", *added})


def refuse_unjudged(entry: Entry) -> None:
    """An alias may have become governed after it was pointed somewhere.

    Raises:
        PromotionRefused: with the remedy.
    """
    if entry.verdict is None and entry.alias in governed_aliases():
        raise PromotionRefused(
            f"{entry.model} is governed, but was pointed at version {entry.version} without a passing"
            f" verdict: `blut model promote {entry.model} --version N` promotes one that passed"
        )


def stack_of(entries: Iterable[Entry], alias: str) -> list[Entry]:
    """The targets of an alias that are still reachable, the one in force last."""
    stack: list[Entry] = []
    for entry in entries:
        if entry.alias != alias:
            continue
        if entry.action == "promote":
            stack.append(entry)
        elif entry.action == "rollback":
            stack[-2:] = [entry]
        else:
            stack = []
    return stack

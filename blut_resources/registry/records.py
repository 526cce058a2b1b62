"""Defines what the model registry records: versions of a model, and what its aliases stand for."""

import getpass
import os
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from blut_resources.registry.log import Record, check_alias
from blut_resources.registry.verdicts import Finite, Floor, PromotionRefused
from blut_resources.settings import settings

GOVERNED_ALIASES = "BLUT_GOVERNED_ALIASES"
Digest = Annotated[str, Field(min_length=1)]


class Entry(Record):
    """Records in the history that ``name@alias`` stands for ``candidate`` from ``at`` on.

    ``inputs`` are the digests that the verdict was made on, a floor registry's among them; ``verdict`` is
    None where the alias asked for none. ``version`` is the candidate's, if it has one. ``previous`` is what
    it stood for before. A rollback restores the target that the promotion it undoes had replaced. After a
    drop the alias stands for nothing, and ``candidate`` is what it stood for.

    ``by`` did it and ``why``; ``author`` proposed the change. ``floors`` is the digest of those that decided.
    ``sealed`` is the digest of the set that the candidate was judged on, as the ``tries``-th one. ``worse``
    says on which figures it is worse than what it replaced; None means that they were not compared.
    ``allow_worse`` and ``new_sealed`` are the reasons somebody gave for what would else be refused. Entries
    of before lack all of these.
    """

    action: Literal["promote", "rollback", "drop"]
    alias: str
    candidate: Digest
    verdict: Digest | None
    change_id: str
    inputs: dict[str, str] = Field(default_factory=dict)
    previous: str | None
    version: int | None = None
    by: str = ""
    author: str = ""
    why: str = ""
    floors: str | None = None
    sealed: str | None = None
    tries: int | None = None
    worse: list[str] | None = None
    allow_worse: str = ""
    new_sealed: str = ""

    @property
    def model(self) -> str:
        """Returns the name ``name@alias``."""
        return f"{self.name}@{self.alias}"

    @property
    def told(self) -> str:
        """Returns what the alias stands for, in words."""
        return f"version {self.version}" if self.version else self.candidate[:12]


class Registration(Record):
    """Records that a run registered ``candidate`` as this version.

    A version stands for one candidate, for ever. The same candidate registered again is the same version
    with a further record, of which the newest counts: it says how the candidate was judged last.
    ``inputs`` are the digests of what it was made of and judged on, by role. ``floors`` are those in force;
    ``passed`` is what the verdict said, for people: a promotion reads the verdict itself. ``headline`` names
    the figures that a one-line summary shows.
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
    headline: list[str] = Field(default_factory=list)

    @property
    def model(self) -> str:
        """Returns the name ``name@version``."""
        return f"{self.name}@{self.version}"

    def digests(self) -> set[str]:
        """Returns everything that the version needs."""
        return {self.candidate, self.verdict, *self.inputs.values()}


class Try(Record):
    """Records that ``candidate`` was judged on the set whose digest is ``sealed``."""

    sealed: Digest
    candidate: Digest


class Governance(Record):
    """Records who owns an alias's floors: from ``at`` on these are pinned for it, or nothing is.

    ``floors`` is the digest of the file that was given, in the store; ``rules`` are what it asks, with the
    scope `EACH` for what every part must meet; ``isolated`` says that the verdict must come from processes
    that could not see the originals. A release repeats what it takes away.
    """

    action: Literal["govern", "release"]
    alias: str
    floors: Digest
    rules: list[Floor] = Field(min_length=1)
    isolated: bool = False
    by: str
    why: str

    @property
    def model(self) -> str:
        """Returns the name ``name@alias``."""
        return f"{self.name}@{self.alias}"


class Authority(NamedTuple):
    """Says on whose authority an alias is moved: ``by`` whom (this process's user if empty) and ``why``.

    ``allow_worse`` says why a candidate may take the place of one that is better, ``new_sealed`` why it may
    be judged on another sealed set than those before it.
    """

    by: str = ""
    why: str = ""
    allow_worse: str = ""
    new_sealed: str = ""

    @property
    def user(self) -> str:
        """Says who, by name."""
        return self.by or acting_user()


def now() -> str:
    """Returns the time as records have it: UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def acting_user() -> str:
    """Returns the user of this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # in a container, the user may have no name
        return f"user {os.getuid()}"


def governed_aliases() -> frozenset[str]:
    """Returns aliases that are governed whatever the model:
    ``prod``, and those that $BLUT_GOVERNED_ALIASES adds.

    Raises:
        RegistryError: if one of these is not an alias: a misspelt one would govern nothing.
    """
    added = [text for text in re.split(r"[,\s]+", settings().get(GOVERNED_ALIASES, "")) if text]
    for alias in added:
        check_alias(alias)
    return frozenset({"prod", *added})


def pinned(records: Iterable[Governance]) -> dict[str, Governance]:
    """Returns the floors in force, by alias."""
    newest = {record.alias: record for record in records}
    return {alias: record for alias, record in newest.items() if record.action == "govern"}


def refuse_unjudged(entry: Entry) -> None:
    """Refuse an entry of a governed alias without a verdict: it may have become governed after it was made.

    Raises:
        PromotionRefused: with the remedy.
    """
    if entry.verdict is None:
        raise PromotionRefused(
            f"{entry.model} is governed, but was pointed at version {entry.version} without a passing"
            f" verdict: `blut model promote {entry.model} --version N` promotes one that passed"
        )


def stack_of(entries: Iterable[Entry], alias: str) -> list[Entry]:
    """Returns the targets of an alias that are still reachable, the one in force last."""
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

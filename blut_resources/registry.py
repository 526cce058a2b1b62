"""The model registry: which candidate ``name@alias`` stands for, and how that came to be.

On disk, below a root directory that the caller gives::

    <name>/history.jsonl        one line per promotion or rollback, only ever appended to
    <name>/aliases/<alias>.json what the alias stands for now, for people and other tools
    <name>/lock                 taken by whoever appends

The history is the truth and the alias files follow from it, so a crash between the two loses nothing: the
next writer restores the file. A last line without its newline was never confirmed to anybody; readers
ignore it and the next writer cuts it off.
"""

import contextlib
import fcntl
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from blut_assets.gates import Floor, require_pass
from blut_resources.store import write_atomic
from blut_resources.store_files import sync

_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?")


class RegistryError(Exception):
    """A name, alias or record the registry cannot accept or does not have; the message says what to do."""


class Entry(BaseModel):
    """One line of the history: from ``at`` on, ``name@alias`` stands for ``candidate``.

    ``inputs`` are the digests that the verdict was made on, the floor registry's among them.
    ``previous`` is what it stood for before. A rollback restores the target that the promotion it undoes
    had replaced.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n: int
    action: Literal["promote", "rollback"]
    name: str
    alias: str
    candidate: str = Field(min_length=1)
    verdict: str = Field(min_length=1)
    change_id: str
    inputs: dict[str, str] = Field(default_factory=dict)
    previous: str | None
    at: str

    @property
    def model(self) -> str:
        """``name@alias``."""
        return f"{self.name}@{self.alias}"


class ModelRegistry:
    """Promotions in one directory. Objects hold no state: every call reads what is on disk."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def promote(
        self,
        name: str,
        alias: str,
        *,
        candidate: str,
        verdict: str,
        artifact: Path,
        inputs: Mapping[str, str],
        floors: Iterable[Floor],
    ) -> tuple[Entry, bool]:
        """Let ``name@alias`` stand for ``candidate``; returns the entry in force and whether it is new.

        Args:
            candidate: digest of the candidate's bytes.
            verdict: digest of the verdict artifact.
            artifact: where the verdict artifact's bytes are; they are read and digested again here.
            inputs: digests that the verdict must name besides the candidate.
            floors: the requirements in force; the verdict must have judged exactly these.

        Raises:
            PromotionRefused: without a passing verdict on ``name`` for exactly this candidate. Nothing is
                written.
            RegistryError: if the name or alias is malformed, or the history is damaged.
        """
        _check_name("name", name)
        _check_name("alias", alias)
        document = require_pass(
            artifact, candidate=candidate, verdict=verdict, model=name, inputs=inputs, floors=floors
        )
        with self._writing(name) as entries:
            stack = _stack(entries, alias)
            if stack and stack[-1].candidate == candidate:
                self._point(stack[-1])
                return stack[-1], False
            entry = Entry(
                n=len(entries) + 1,
                action="promote",
                name=name,
                alias=alias,
                candidate=candidate,
                verdict=verdict,
                change_id=document.change.change_id,
                inputs=document.inputs,
                previous=stack[-1].candidate if stack else None,
                at=_now(),
            )
            self._append(entry)
            return entry, True

    def rollback(self, name: str, alias: str) -> Entry:
        """Let ``name@alias`` stand for what it stood for before its last promotion.

        Raises:
            RegistryError: if there is no earlier target.
        """
        _check_name("name", name)
        _check_name("alias", alias)
        if not self._history_path(name).exists():
            raise RegistryError(f"nothing was promoted under {name}")
        with self._writing(name) as entries:
            stack = _stack(entries, alias)
            if len(stack) < 2:
                raise RegistryError(f"{name}@{alias} has no earlier target to roll back to")
            entry = stack[-2].model_copy(
                update={
                    "n": len(entries) + 1,
                    "action": "rollback",
                    "previous": stack[-1].candidate,
                    "at": _now(),
                }
            )
            self._append(entry)
            return entry

    def resolve(self, model: str) -> str:
        """The digest that ``name@alias`` stands for.

        Raises:
            RegistryError: if the text is not ``name@alias`` or nothing was promoted to it.
        """
        return self.entry(model).candidate

    def entry(self, model: str) -> Entry:
        """The history entry that put ``name@alias`` where it is; raises like `resolve`."""
        name, separator, alias = model.partition("@")
        if not separator:
            raise RegistryError(f"{model!r} is not name@alias")
        _check_name("alias", alias)
        stack = _stack(self.history(name), alias)
        if not stack:
            known = sorted({e.alias for e in self.history(name)}) or ["none"]
            raise RegistryError(f"nothing was promoted to {model}; aliases of {name}: {', '.join(known)}")
        return stack[-1]

    def names(self) -> list[str]:
        """Every model with a history, sorted."""
        return sorted(path.parent.name for path in self.root.glob("*/history.jsonl"))

    def aliases(self, name: str) -> dict[str, Entry]:
        """What each alias of a model stands for."""
        entries = self.history(name)
        return {alias: _stack(entries, alias)[-1] for alias in sorted({e.alias for e in entries})}

    def history(self, name: str) -> list[Entry]:
        """Every promotion and rollback of a model, oldest first; empty for an unknown model.

        Raises:
            RegistryError: if a confirmed line cannot be read. Nothing is skipped: a registry that forgets
                a promotion would let its bytes be collected.
        """
        _check_name("name", name)
        path = self._history_path(name)
        if not path.exists():
            return []
        confirmed, _, _ = path.read_bytes().rpartition(b"\n")
        lines = confirmed.split(b"\n") if confirmed else []
        return [_parse(path, number, line) for number, line in enumerate(lines, start=1)]

    def promoted_digests(self) -> set[str]:
        """Candidates and verdicts that must be kept: what each alias stands for or can be rolled back to."""
        kept: set[str] = set()
        for name in self.names():
            entries = self.history(name)
            for alias in {e.alias for e in entries}:
                for entry in _stack(entries, alias):
                    kept |= {entry.candidate, entry.verdict}
        return kept

    def _history_path(self, name: str) -> Path:
        return self.root / name / "history.jsonl"

    @contextlib.contextmanager
    def _writing(self, name: str) -> Iterator[list[Entry]]:
        """The history under the model's lock, its unconfirmed tail cut off."""
        directory = self.root / name
        (directory / "aliases").mkdir(parents=True, exist_ok=True)
        with (directory / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            path = self._history_path(name)
            if path.exists() and (data := path.read_bytes()) and not data.endswith(b"\n"):
                with path.open("r+b") as file:
                    file.truncate(data.rfind(b"\n") + 1)
                    os.fsync(file.fileno())
            yield self.history(name)

    def _append(self, entry: Entry) -> None:
        path = self._history_path(entry.name)
        is_new = not path.exists()
        line = json.dumps(entry.model_dump(mode="json"), sort_keys=True) + "\n"
        with path.open("ab") as file:
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            sync(path.parent)
        self._point(entry)

    def _point(self, entry: Entry) -> None:
        path = self.root / entry.name / "aliases" / f"{entry.alias}.json"
        data = (json.dumps(entry.model_dump(mode="json"), sort_keys=True, indent=1) + "\n").encode()
        if not path.exists() or path.read_bytes() != data:
            write_atomic(path, data)


def _stack(entries: list[Entry], alias: str) -> list[Entry]:
    """The targets of an alias that are still reachable, the one in force last."""
    stack: list[Entry] = []
    for entry in entries:
        if entry.alias != alias:
            continue
        if entry.action == "promote":
            stack.append(entry)
        else:
            stack[-2:] = [entry]
    return stack


def _parse(path: Path, number: int, line: bytes) -> Entry:
    place = f"{path.parent.name}/{path.name} line {number}"
    try:
        entry: Any = Entry.model_validate_json(line)
    except ValidationError as error:
        raise RegistryError(
            f"{place} cannot be read: restore the file from a backup, or remove the line if you know that "
            f"nothing was promoted by it ({error.errors()[0]['msg']})"
        ) from error
    if entry.n != number or entry.name != path.parent.name:
        raise RegistryError(f"{place} says it is line {entry.n} of {entry.name}: a line was lost or moved")
    return entry


def _check_name(field: str, value: str) -> None:
    if not _NAME.fullmatch(value) or ".." in value:
        raise RegistryError(
            f"{field} {value!r}: 1 to 64 of a-z, 0-9, '.', '_' and '-', beginning and ending with a letter "
            "or digit, without '..'"
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")

"""The model registry: versions of a model, which of them ``name@alias`` stands for, and how that came to be.

On disk, below a root directory that the caller gives::

    <name>/versions.jsonl       one line per registration, only ever appended to
    <name>/history.jsonl        one line per promotion or rollback, only ever appended to
    <name>/aliases/<alias>.json what the alias stands for now, for people and other tools
    <name>/lock                 taken by whoever appends

The two logs are the truth and the alias files follow from them, so a crash between them loses nothing: the
next writer restores the file.

A governed alias (`governed_aliases`) takes a passing verdict on exactly the candidate's digest; the rule
is kept here, where the name is given, and not only by the asset that asks for it.
"""

import contextlib
import fcntl
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from blut_assets.gates import Floor, PromotionRefused, require_pass
from blut_resources.registry_log import RecordLog, RegistryError, check_alias, check_name, registry_name
from blut_resources.registry_records import Entry, Registration, governed_aliases
from blut_resources.store import ArtifactStore, StoreError, write_atomic

__all__ = ["Entry", "ModelRegistry", "Registration", "RegistryError", "governed_aliases", "registry_name"]


class ModelRegistry:
    """Models in one directory. Objects hold no state: every call reads what is on disk."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def register(
        self,
        name: str,
        *,
        candidate: str,
        inputs: Mapping[str, str],
        verdict: str,
        passed: bool,
        floors: Iterable[Floor],
        figures: Mapping[str, float | None],
        license: str,
        run: str,
    ) -> Registration:
        """Record a candidate: version 1, 2, 3 and so on, or the version that it has already.

        Raises:
            RegistryError: if the name is malformed, or what is on disk is damaged.
        """
        check_name("name", name)
        with self._writing(name):
            log = self._versions(name)
            records = log.read()
            known = [r.version for r in records if r.candidate == candidate]
            record = Registration(
                n=len(records) + 1,
                name=name,
                version=known[0] if known else max((r.version for r in records), default=0) + 1,
                candidate=candidate,
                inputs=dict(inputs),
                verdict=verdict,
                passed=passed,
                floors=list(floors),
                figures=dict(figures),
                license=license,
                run=run,
                at=_now(),
            )
            log.append(record)
        return record

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
        version: int | None = None,
    ) -> tuple[Entry, bool]:
        """Let ``name@alias`` stand for ``candidate``; returns the entry in force and whether it is new.

        Args:
            candidate: digest of the candidate's bytes.
            verdict: digest of the verdict artifact.
            artifact: where the verdict artifact's bytes are; they are read and digested again here.
            inputs: digests that the verdict must name besides the candidate.
            floors: the requirements in force; the verdict must have judged exactly these.
            version: of the candidate, if it was registered.

        Raises:
            PromotionRefused: without a passing verdict on ``name`` for exactly this candidate. Nothing is
                written.
            RegistryError: if the name or alias is malformed, or the history is damaged.
        """
        check_name("name", name)
        check_alias(alias)
        document = require_pass(
            artifact, candidate=candidate, verdict=verdict, model=name, inputs=inputs, floors=floors
        )
        return self._promote(
            name,
            alias,
            candidate=candidate,
            verdict=verdict,
            change_id=document.change.change_id,
            inputs=document.inputs,
            version=version,
        )

    def promote_version(
        self, name: str, alias: str, version: int, store: ArtifactStore
    ) -> tuple[Entry, bool]:
        """Let ``name@alias`` stand for a registered version; returns as `promote`.

        Raises:
            PromotionRefused: if the alias is governed and the version has no passing verdict, or if its
                bytes are not in the store. Nothing is written.
            RegistryError: if the name or alias is malformed, or there is no such version.
        """
        check_alias(alias)
        record = self.registration(f"{name}@{version}")
        try:
            store.verify(record.candidate, full=True)
            if alias not in governed_aliases():
                return self._promote(
                    name, alias, candidate=record.candidate, verdict=None, change_id="", version=version
                )
            artifact = store.open(record.verdict)
        except StoreError as error:
            raise PromotionRefused(f"{record.model} cannot be promoted: {error}") from error
        try:
            return self.promote(
                name,
                alias,
                candidate=record.candidate,
                verdict=record.verdict,
                artifact=artifact,
                inputs=record.inputs,
                floors=record.floors,
                version=version,
            )
        except PromotionRefused as error:
            raise PromotionRefused(
                f"{name}@{alias} is governed and takes a passing verdict; {record.model}: {error}"
            ) from error

    def rollback(self, name: str, alias: str) -> Entry:
        """Let ``name@alias`` stand for what it stood for before its last promotion.

        Raises:
            RegistryError: if there is no earlier target.
            PromotionRefused: if the alias is governed now and the earlier target has no verdict.
        """
        check_name("name", name)
        check_name("alias", alias)
        if not self._history(name).path.exists():
            raise RegistryError(f"nothing was promoted under {name}")
        with self._writing(name):
            log = self._history(name)
            entries = log.read()
            stack = _stack(entries, alias)
            if len(stack) < 2:
                raise RegistryError(f"{name}@{alias} has no earlier target to roll back to")
            _refuse_unjudged(stack[-2])
            entry = stack[-2].model_copy(
                update={
                    "n": len(entries) + 1,
                    "action": "rollback",
                    "previous": stack[-1].candidate,
                    "at": _now(),
                }
            )
            log.append(entry)
            self._point(entry)
            return entry

    def resolve(self, model: str) -> str:
        """The digest that ``name@alias`` or ``name@version`` stands for.

        Raises:
            RegistryError: if the text is neither, or there is no such alias or version.
            PromotionRefused: if the alias is governed now and what it stands for has no verdict.
        """
        if _version_of(model) is not None:
            return self.registration(model).candidate
        return self.entry(model).candidate

    def entry(self, model: str) -> Entry:
        """The history entry that put ``name@alias`` where it is; raises like `resolve`."""
        name, alias = _parted(model)
        check_name("alias", alias)
        history = self.history(name)
        stack = _stack(history, alias)
        if not stack:
            known = sorted({e.alias for e in history}) or ["none"]
            raise RegistryError(f"nothing was promoted to {model}; aliases of {name}: {', '.join(known)}")
        _refuse_unjudged(stack[-1])
        return stack[-1]

    def registration(self, model: str) -> Registration:
        """The newest record of ``name@version``, or of the version that ``name@alias`` stands for.

        Raises:
            RegistryError, PromotionRefused: like `resolve`, and if the alias stands for no version.
        """
        name, _ = _parted(model)
        version = _version_of(model)
        if version is None:
            version = self.entry(model).version
            if version is None:
                raise RegistryError(f"{model} was promoted without being registered: it has no version")
        records = self.registrations(name)
        found = [record for record in records if record.version == version]
        if not found:
            known = ", ".join(map(str, sorted({record.version for record in records}))) or "none"
            raise RegistryError(f"{name} has no version {version}; versions of {name}: {known}")
        return found[-1]

    def names(self) -> list[str]:
        """Every model with a version or a history, sorted."""
        return sorted({path.parent.name for log in ("versions", "history") for path in self._logs(log)})

    def versions(self, name: str) -> dict[int, Registration]:
        """The newest record of each version of a model."""
        return {record.version: record for record in self.registrations(name)}

    def registrations(self, name: str) -> list[Registration]:
        """Every registration of a model, oldest first; empty for an unknown model. Raises like `history`."""
        check_name("name", name)
        return self._versions(name).read()

    def aliases(self, name: str) -> dict[str, Entry]:
        """What each alias of a model stands for."""
        entries = self.history(name)
        return {alias: _stack(entries, alias)[-1] for alias in sorted({e.alias for e in entries})}

    def history(self, name: str) -> list[Entry]:
        """Every promotion and rollback of a model, oldest first; empty for an unknown model.

        Raises:
            RegistryError: if a confirmed line cannot be read.
        """
        check_name("name", name)
        return self._history(name).read()

    def promoted_digests(self) -> set[str]:
        """What must be kept: what each version needs, and what an alias stands for or can roll back to."""
        kept: set[str] = set()
        for name in self.names():
            for record in self.versions(name).values():
                kept |= record.digests()
            entries = self.history(name)
            for alias in {e.alias for e in entries}:
                for entry in _stack(entries, alias):
                    kept |= {entry.candidate, *filter(None, [entry.verdict])}
        return kept

    def _promote(self, name: str, alias: str, *, verdict: str | None, **fields: Any) -> tuple[Entry, bool]:
        with self._writing(name):
            log = self._history(name)
            entries = log.read()
            stack = _stack(entries, alias)
            held = stack[-1] if stack else None
            if held and held.candidate == fields["candidate"] and (held.verdict or not verdict):
                self._point(held)
                return held, False
            entry = Entry(
                n=len(entries) + 1,
                action="promote",
                name=name,
                alias=alias,
                verdict=verdict,
                previous=held.candidate if held else None,
                at=_now(),
                **fields,
            )
            log.append(entry)
            self._point(entry)
            return entry, True

    def _logs(self, kind: str) -> Iterable[Path]:
        return self.root.glob(f"*/{kind}.jsonl")

    def _versions(self, name: str) -> RecordLog[Registration]:
        return RecordLog(self.root / name / "versions.jsonl", Registration)

    def _history(self, name: str) -> RecordLog[Entry]:
        return RecordLog(self.root / name / "history.jsonl", Entry)

    @contextlib.contextmanager
    def _writing(self, name: str) -> Iterator[None]:
        """Hold the model's lock."""
        directory = self.root / name
        (directory / "aliases").mkdir(parents=True, exist_ok=True)
        with (directory / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _point(self, entry: Entry) -> None:
        path = self.root / entry.name / "aliases" / f"{entry.alias}.json"
        data = (json.dumps(entry.model_dump(mode="json"), sort_keys=True, indent=1) + "\n").encode()
        if not path.exists() or path.read_bytes() != data:
            write_atomic(path, data)


def _parted(model: str) -> tuple[str, str]:
    name, separator, rest = model.partition("@")
    if not separator:
        raise RegistryError(f"{model!r} is not name@alias or name@version")
    check_name("name", name)
    return name, rest


def _version_of(model: str) -> int | None:
    """The version in ``name@version``; None where an alias is named."""
    _, rest = _parted(model)
    return int(rest) if rest.isascii() and rest.isdigit() else None


def _refuse_unjudged(entry: Entry) -> None:
    """An alias may have become governed after it was pointed somewhere."""
    if entry.verdict is None and entry.alias in governed_aliases():
        raise PromotionRefused(
            f"{entry.model} is governed, but was pointed at version {entry.version} without a passing"
            f" verdict: `blut model promote {entry.model} --version N` promotes one that passed"
        )


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


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")

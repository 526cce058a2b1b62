"""The model registry: versions of a model, which of them ``name@alias`` stands for, and how that came to be.

A governed alias (`governed_aliases`) takes a passing verdict on exactly the candidate's digest; the rule
is kept here, where the name is given, and not only by the asset that asks for it.
"""

import getpass
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from blut_assets.gates import Floor, PromotionRefused, require_pass
from blut_resources.registry_files import RegistryFiles
from blut_resources.registry_log import (
    RegistryError,
    check_alias,
    check_name,
    parted,
    registry_name,
    version_of,
)
from blut_resources.registry_records import (
    Entry,
    Registration,
    Try,
    governed_aliases,
    refuse_unjudged,
    stack_of,
)
from blut_resources.registry_retirement import Retirement, in_force, refuse_named, refuse_retired
from blut_resources.store import ArtifactStore, StoreError

__all__ = ["Entry", "ModelRegistry", "Registration", "RegistryError", "governed_aliases", "registry_name"]


class ModelRegistry(RegistryFiles):
    """Models in one directory. Objects hold no state: every call reads what is on disk."""

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

        One that was retired is in use again.

        Raises:
            RegistryError: if the name is malformed, or what is on disk is damaged.
        """
        check_name("name", name)
        with self.writing(name):
            log = self.version_log(name)
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
            RegistryError: if the name or alias is malformed, or there is no such version, or it is retired.
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
            RegistryError: if there is no earlier target, or it was retired.
            PromotionRefused: if the alias is governed now and the earlier target has no verdict.
        """
        check_name("name", name)
        check_name("alias", alias)
        if not self.promotion_log(name).path.exists():
            raise RegistryError(f"nothing was promoted under {name}")
        with self.writing(name):
            log = self.promotion_log(name)
            entries = log.read()
            stack = stack_of(entries, alias)
            if len(stack) < 2:
                raise RegistryError(f"{name}@{alias} has no earlier target to roll back to")
            refuse_unjudged(stack[-2])
            self._refuse_retired(name, stack[-2].candidate)
            entry = stack[-2].model_copy(
                update={
                    "n": len(entries) + 1,
                    "action": "rollback",
                    "previous": stack[-1].candidate,
                    "at": _now(),
                }
            )
            log.append(entry)
            self.point(entry)
            return entry

    def drop(self, name: str, alias: str) -> tuple[Entry, bool]:
        """Take ``name@alias`` away, also a governed one: it stands for nothing, and can be promoted anew.

        Returns the entry of the history that says so, with what it stood for, and whether that is new.

        Raises:
            RegistryError: there never was such an alias.
        """
        check_name("name", name)
        check_name("alias", alias)
        of_it = [entry for entry in self.history(name) if entry.alias == alias]
        if not of_it:
            raise self._unknown(name, alias)
        with self.writing(name):
            log = self.promotion_log(name)
            entries = log.read()
            last = [entry for entry in entries if entry.alias == alias][-1]
            is_new = last.action != "drop"
            if is_new:
                gone = {"n": len(entries) + 1, "action": "drop", "previous": last.candidate, "at": _now()}
                last = last.model_copy(update=gone)
                log.append(last)
            self.point(last)
            return last, is_new

    def _unknown(self, name: str, alias: str) -> RegistryError:
        known = ", ".join(self.aliases(name)) or "none"
        return RegistryError(f"nothing is promoted to {name}@{alias}; aliases of {name}: {known}")

    def retire(self, model: str) -> tuple[Retirement, bool]:
        """Let go of ``name@version``; returns the retirement in force and whether it is new.

        Its bytes are no longer kept for it, nor for a rollback. A registration of the same candidate brings
        the version back.

        Raises:
            RetirementRefused: a name stands for it. Nothing is written.
            RegistryError: if the text is no ``name@version``, or there is no such version.
        """
        record = self.retirable(model)
        with self.writing(record.name):
            record = self.retirable(model)
            if found := self.retired(record.name).get(record.version):
                return found, False
            log = self.retirement_log(record.name)
            retirement = Retirement(
                n=len(log.read()) + 1,
                name=record.name,
                version=record.version,
                candidate=record.candidate,
                of=record.n,
                by=_user(),
                at=_now(),
            )
            log.append(retirement)
        return retirement, True

    def retirable(self, model: str) -> Registration:
        """The newest record of a version that may be retired, or is; raises like `retire`."""
        if version_of(model) is None:
            raise RegistryError(f"{model!r} is no name@version: a version is retired, such as mine@3")
        record = self.registration(model, retired=True)
        refuse_named(record, self.aliases(record.name))
        return record

    def retired(self, name: str) -> dict[int, Retirement]:
        """The versions of a model that are retired. Raises like `history`."""
        return in_force(self.retirements(name), self.versions(name))

    def retirements(self, name: str) -> list[Retirement]:
        """Every retirement of a model, oldest first, also those undone since. Raises like `history`."""
        check_name("name", name)
        return self.retirement_log(name).read()

    def resolve(self, model: str) -> str:
        """The digest that ``name@alias`` or ``name@version`` stands for.

        Raises:
            RegistryError: if the text is neither, or there is no such alias or version, or it is retired.
            PromotionRefused: if the alias is governed now and what it stands for has no verdict.
        """
        if version_of(model) is not None:
            return self.registration(model).candidate
        return self.entry(model).candidate

    def entry(self, model: str) -> Entry:
        """The history entry that put ``name@alias`` where it is; raises like `resolve`."""
        name, alias = parted(model)
        check_name("alias", alias)
        stack = stack_of(self.history(name), alias)
        if not stack:
            raise self._unknown(name, alias)
        refuse_unjudged(stack[-1])
        return stack[-1]

    def registration(self, model: str, *, retired: bool = False) -> Registration:
        """The newest record of ``name@version``, or of the version that ``name@alias`` stands for.

        Args:
            retired: it may be, and is not refused then.

        Raises:
            RegistryError, PromotionRefused: like `resolve`, and if the alias stands for no version.
        """
        name, _ = parted(model)
        version = version_of(model)
        if version is None:
            version = self.entry(model).version
            if version is None:
                raise RegistryError(f"{model} was promoted without being registered: it has no version")
        records = self.registrations(name)
        found = [record for record in records if record.version == version]
        if not found:
            known = ", ".join(map(str, sorted({record.version for record in records}))) or "none"
            raise RegistryError(f"{name} has no version {version}; versions of {name}: {known}")
        if not retired:
            refuse_retired(found[-1], self.retired(name))
        return found[-1]

    def names(self) -> list[str]:
        """Every model with a version or a history, sorted."""
        return sorted({path.parent.name for log in ("versions", "history") for path in self.logs(log)})

    def versions(self, name: str) -> dict[int, Registration]:
        """The newest record of each version of a model."""
        return {record.version: record for record in self.registrations(name)}

    def registrations(self, name: str) -> list[Registration]:
        """Every registration of a model, oldest first; empty for an unknown model. Raises like `history`."""
        check_name("name", name)
        return self.version_log(name).read()

    def aliases(self, name: str) -> dict[str, Entry]:
        """What each alias of a model stands for."""
        entries = self.history(name)
        stacks = {alias: stack_of(entries, alias) for alias in sorted({e.alias for e in entries})}
        return {alias: stack[-1] for alias, stack in stacks.items() if stack}

    def history(self, name: str) -> list[Entry]:
        """Every promotion, rollback and drop of a model, oldest first; empty for an unknown model.

        Raises:
            RegistryError: if a confirmed line cannot be read.
        """
        check_name("name", name)
        return self.promotion_log(name).read()

    def try_number(self, model: str, *, sealed: str, candidate: str) -> int:
        """The candidate's place among all that were judged on one sealed set, from 1; noted if it is new.

        The more candidates are tried on the same recordings, the less a pass on them says.

        Args:
            model: name of the model, without an alias.
            sealed: digest of the set.
            candidate: digest of the candidate's bytes.

        Raises:
            RegistryError: if the name is malformed, or what is on disk is damaged.
        """
        check_name("name", model)
        with self.writing(model):
            log = self.try_log(model)
            tries = log.read()
            tried = [one.candidate for one in tries if one.sealed == sealed]
            if candidate not in tried:
                log.append(Try(n=len(tries) + 1, name=model, at=_now(), sealed=sealed, candidate=candidate))
                tried.append(candidate)
        return tried.index(candidate) + 1

    def promoted_digests(self, retiring: Registration | None = None) -> set[str]:
        """What must be kept: what each version needs, and what an alias stands for or can roll back to.

        What is retired needs nothing, as if ``retiring`` were too.
        """
        kept: set[str] = set()
        for name in self.names():
            versions, gone = self.versions(name), {*self.retired(name)}
            if retiring and retiring.name == name:
                gone.add(retiring.version)
            for number in versions.keys() - gone:
                kept |= versions[number].digests()
            let_go = {versions[number].candidate for number in gone}
            entries = self.history(name)
            for alias in {e.alias for e in entries}:
                for entry in stack_of(entries, alias):
                    if entry.candidate not in let_go:
                        kept |= {entry.candidate, *filter(None, [entry.verdict])}
        return kept

    def _promote(self, name: str, alias: str, *, verdict: str | None, **fields: Any) -> tuple[Entry, bool]:
        with self.writing(name):
            log = self.promotion_log(name)
            entries = log.read()
            stack = stack_of(entries, alias)
            held = stack[-1] if stack else None
            self._refuse_retired(name, fields["candidate"])
            if held and held.candidate == fields["candidate"] and (held.verdict or not verdict):
                self.point(held)
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
            self.point(entry)
            return entry, True

    def _refuse_retired(self, name: str, candidate: str) -> None:
        for record in self.versions(name).values():
            if record.candidate == candidate:
                refuse_retired(record, self.retired(name))


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # in a container, the user may have no name
        return f"user {os.getuid()}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")

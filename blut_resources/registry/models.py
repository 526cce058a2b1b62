"""Registers models: versions, which of them ``name@alias`` stands for, and how that came to be.

A governed alias (`governed_aliases`, and those whose floors are pinned) takes a passing verdict on exactly
the candidate's digest, judged again by its own floors; the rule is kept here, where the name is given, and
not only by the asset that asks for it.
"""

from collections.abc import Iterable, Mapping

from blut_resources.registry.governing import Governing
from blut_resources.registry.log import RegistryError, check_alias, check_name, registry_name, version_of
from blut_resources.registry.records import (
    Authority,
    Entry,
    Governance,
    Registration,
    Try,
    acting_user,
    governed_aliases,
    now,
    refuse_unjudged,
    stack_of,
)
from blut_resources.registry.retirement import Retirement, refuse_named, refuse_retired
from blut_resources.registry.rules import (
    floors_digest,
    refuse_missed,
    refuse_other_sealed,
    refuse_synthetic,
    refuse_without_authority,
    refuse_worse,
)
from blut_resources.registry.verdicts import (
    Floor,
    PromotionRefused,
    Verdict,
    read_verdict,
    require_about,
    require_pass,
)
from blut_resources.store.artifacts import ArtifactStore, StoreError

__all__ = [
    "Authority",
    "Entry",
    "Governance",
    "ModelRegistry",
    "Registration",
    "RegistryError",
    "governed_aliases",
    "registry_name",
]

NOBODY_SAYS = Authority()


class ModelRegistry(Governing):
    """Keeps models in one directory. Objects hold no state: every call reads what is on disk."""

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
        headline: Iterable[str] = (),
    ) -> Registration:
        """Record a candidate: version 1, 2, 3 and so on, or the version that it has already.

        One that was retired is in use again.

        Raises:
            RegistryError: if the name is malformed, or what is on disk is damaged.
        """
        check_name("name", name)
        with self.writing(name) as alone:
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
                headline=list(headline),
                at=now(),
            )
            log.append(record, alone)
        return record

    def promote(
        self,
        name: str,
        alias: str,
        *,
        candidate: str,
        verdict: str,
        store: ArtifactStore,
        inputs: Mapping[str, str],
        floors: Iterable[Floor],
        version: int | None = None,
        authority: Authority = NOBODY_SAYS,
    ) -> tuple[Entry, bool]:
        """Let ``name@alias`` stand for ``candidate``; returns the entry in force and whether it is new.

        Args:
            candidate: digest of the candidate's bytes.
            verdict: digest of the verdict artifact; its bytes are read from ``store`` and digested here.
            inputs: digests that the verdict must name besides the candidate.
            floors: those that the candidate was made under; the verdict must have judged exactly these. A
                governed alias judges by its own besides.
            version: of the candidate, if it was registered.

        Raises:
            PromotionRefused: without a passing verdict on ``name`` for exactly this candidate, or where the
                alias asks for more (see `rules`). Nothing is written.
            RegistryError: if the name or alias is malformed, or the history is damaged.
        """
        check_name("name", name)
        check_alias(alias)
        try:
            artifact = store.open(verdict)
        except StoreError as error:
            raise PromotionRefused(f"the verdict cannot be read: {error}") from error
        document = require_pass(
            artifact, candidate=candidate, verdict=verdict, model=name, inputs=inputs, floors=floors
        )
        return self._promote(name, alias, document, store, authority, verdict=verdict, version=version)

    def promote_version(
        self,
        name: str,
        alias: str,
        version: int,
        store: ArtifactStore,
        authority: Authority = NOBODY_SAYS,
    ) -> tuple[Entry, bool]:
        """Let ``name@alias`` stand for a registered version; returns as `promote`.

        Raises:
            PromotionRefused: if the alias is governed and the version has no passing verdict, if its bytes
                are not in the store, or as `promote`. Nothing is written.
            RegistryError: if the name or alias is malformed, or there is no such version, or it is retired.
        """
        check_alias(alias)
        record = self.registration(f"{name}@{version}")
        try:
            store.verify(record.candidate, full=True)
            artifact = store.open(record.verdict)
        except StoreError as error:
            raise PromotionRefused(f"{record.model} cannot be promoted: {error}") from error
        try:
            if not self.is_governed(name, alias):
                document = read_verdict(artifact, record.verdict)
                require_about(document, candidate=record.candidate, model=name)
                return self._promote(name, alias, document, store, authority, verdict=None, version=version)
            return self.promote(
                name,
                alias,
                candidate=record.candidate,
                verdict=record.verdict,
                store=store,
                inputs=record.inputs,
                floors=record.floors,
                version=version,
                authority=authority,
            )
        except PromotionRefused as error:
            raise PromotionRefused(f"{record.model} is not promoted to {name}@{alias}: {error}") from error

    def rollback(
        self, name: str, alias: str, store: ArtifactStore, authority: Authority = NOBODY_SAYS
    ) -> Entry:
        """Let ``name@alias`` stand for what it stood for before its last promotion.

        Raises:
            RegistryError: if there is no earlier target, or it was retired.
            PromotionRefused: if the alias is governed now and the earlier target has no verdict, or does not
                meet the floors that are pinned since, and nobody says why it may (``allow_worse``).
        """
        check_name("name", name)
        check_name("alias", alias)
        if not self.promotion_log(name).path.exists():
            raise RegistryError(f"nothing was promoted under {name}")
        with self.writing(name) as alone:
            log = self.promotion_log(name)
            entries = log.read()
            stack = stack_of(entries, alias)
            if len(stack) < 2:
                raise RegistryError(f"{name}@{alias} has no earlier target to roll back to")
            target = stack[-2]
            if self.is_governed(name, alias):
                refuse_unjudged(target)
            self._refuse_retired(name, target.candidate)
            pinned = self.governance(name).get(alias)
            if pinned and not authority.allow_worse.strip():
                refuse_missed(target, self._verdict(target, store), pinned)
            entry = target.model_copy(
                update={
                    "n": len(entries) + 1,
                    "action": "rollback",
                    "previous": stack[-1].candidate,
                    "at": now(),
                    "by": authority.user,
                    "why": authority.why,
                    "allow_worse": authority.allow_worse,
                    "new_sealed": "",
                    "worse": None,
                }
            )
            log.append(entry, alone)
            self.point(entry)
            return entry

    def drop(self, name: str, alias: str, authority: Authority = NOBODY_SAYS) -> tuple[Entry, bool]:
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
        with self.writing(name) as alone:
            log = self.promotion_log(name)
            entries = log.read()
            last = [entry for entry in entries if entry.alias == alias][-1]
            is_new = last.action != "drop"
            if is_new:
                gone = {"n": len(entries) + 1, "action": "drop", "previous": last.candidate, "at": now()}
                gone |= {"by": authority.user, "why": authority.why, "worse": None}
                gone |= {"allow_worse": "", "new_sealed": ""}
                last = last.model_copy(update=gone)
                log.append(last, alone)
            self.point(last)
            return last, is_new

    def retire(self, model: str) -> tuple[Retirement, bool]:
        """Let go of ``name@version``; returns the retirement in force and whether it is new.

        Its bytes are no longer kept for it, nor for a rollback. A registration of the same candidate brings
        the version back.

        Raises:
            RetirementRefused: a name stands for it. Nothing is written.
            RegistryError: if the text is no ``name@version``, or there is no such version.
        """
        record = self.retirable(model)
        with self.writing(record.name) as alone:
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
                by=acting_user(),
                at=now(),
            )
            log.append(retirement, alone)
        return retirement, True

    def retirable(self, model: str) -> Registration:
        """Returns the newest record of a version that may be retired, or is; raises like `retire`."""
        if version_of(model) is None:
            raise RegistryError(f"{model!r} is no name@version: a version is retired, such as mine@3")
        record = self.registration(model, retired=True)
        refuse_named(record, self.aliases(record.name))
        return record

    def try_number(self, model: str, *, sealed: str, candidate: str) -> int:
        """Returns the candidate's place among all that were judged on one sealed set,
        from 1; noted if it is new.

        The more candidates are tried on the same recordings, the less a pass on them says.

        Args:
            model: name of the model, without an alias.
            sealed: digest of the set.
            candidate: digest of the candidate's bytes.

        Raises:
            RegistryError: if the name is malformed, or what is on disk is damaged.
        """
        check_name("name", model)
        with self.writing(model) as alone:
            log = self.try_log(model)
            tries = log.read()
            tried = [one.candidate for one in tries if one.sealed == sealed]
            if candidate not in tried:
                one = Try(n=len(tries) + 1, name=model, at=now(), sealed=sealed, candidate=candidate)
                log.append(one, alone)
                tried.append(candidate)
        return tried.index(candidate) + 1

    def _promote(
        self,
        name: str,
        alias: str,
        document: Verdict,
        store: ArtifactStore,
        authority: Authority,
        *,
        verdict: str | None,
        version: int | None,
    ) -> tuple[Entry, bool]:
        model = f"{name}@{alias}"
        refuse_synthetic(model, document)
        with self.writing(name) as alone:
            log = self.promotion_log(name)
            entries = log.read()
            stack = stack_of(entries, alias)
            held = stack[-1] if stack else None
            self._refuse_retired(name, document.candidate)
            pinned = self.governance(name).get(alias)
            if self.is_governed(name, alias):
                if verdict is None:
                    raise PromotionRefused(f"{model} has become governed meanwhile: promote it again")
                refuse_without_authority(model, document, pinned)
            if held and held.candidate == document.candidate and (held.verdict or not verdict):
                self.point(held)
                return held, False
            refuse_other_sealed(model, document, [e for e in entries if e.alias == alias], authority)
            before = self._verdict(held, store) if held else None
            entry = Entry(
                n=len(entries) + 1,
                action="promote",
                name=name,
                alias=alias,
                candidate=document.candidate,
                verdict=verdict,
                change_id=document.change.change_id,
                inputs=document.inputs if verdict else {},
                previous=held.candidate if held else None,
                version=version,
                at=now(),
                by=authority.user,
                author=document.change.author,
                why=authority.why or document.change.description,
                floors=floors_digest(document, pinned),
                sealed=document.sealed,
                tries=document.tries,
                worse=refuse_worse(model, document, held, before, authority),
                allow_worse=authority.allow_worse,
                new_sealed=authority.new_sealed,
            )
            log.append(entry, alone)
            self.point(entry)
            return entry, True

    def _verdict(self, entry: Entry, store: ArtifactStore) -> Verdict | None:
        """Returns the verdict on what an alias stands for; None where there is none to be had any more."""
        record = self.versions(entry.name).get(entry.version or 0)
        digest = entry.verdict or (record.verdict if record else None)
        if digest is None:
            return None
        try:
            return read_verdict(store.open(digest), digest)
        except (StoreError, PromotionRefused):
            return None

    def _refuse_retired(self, name: str, candidate: str) -> None:
        for record in self.versions(name).values():
            if record.candidate == candidate:
                refuse_retired(record, self.retired(name))

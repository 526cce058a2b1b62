"""Reads what the model registry knows: versions, aliases, their governors, and what must be kept for them."""

from blut_resources.registry.files import RegistryFiles
from blut_resources.registry.log import RegistryError, check_name, parted, version_of
from blut_resources.registry.records import (
    Entry,
    Governance,
    Registration,
    governed_aliases,
    pinned,
    refuse_unjudged,
    stack_of,
)
from blut_resources.registry.retirement import Retirement, in_force, refuse_retired
from blut_resources.text import meant


class RegistryReading(RegistryFiles):
    """Reads the registry. Objects hold no state: every call reads what is on disk."""

    def retired(self, name: str) -> dict[int, Retirement]:
        """Returns the versions of a model that are retired. Raises like `history`."""
        return in_force(self.retirements(name), self.versions(name))

    def retirements(self, name: str) -> list[Retirement]:
        """Returns every retirement of a model, oldest first, also those undone since.

        Raises like `history`.
        """
        check_name("name", name)
        return self.retirement_log(name).read()

    def resolve(self, model: str) -> str:
        """Returns the digest that ``name@alias`` or ``name@version`` stands for.

        Raises:
            RegistryError: if the text is neither, or there is no such alias or version, or it is retired.
            PromotionRefused: if the alias is governed now and what it stands for has no verdict.
        """
        if version_of(model) is not None:
            return self.registration(model).candidate
        return self.entry(model).candidate

    def entry(self, model: str) -> Entry:
        """Returns the history entry that put ``name@alias`` where it is; raises like `resolve`."""
        name, alias = parted(model)
        check_name("alias", alias)
        stack = stack_of(self.history(name), alias)
        if not stack:
            raise self._unknown(name, alias)
        if self.is_governed(name, alias):
            refuse_unjudged(stack[-1])
        return stack[-1]

    def registration(self, model: str, *, retired: bool = False) -> Registration:
        """Returns the newest record of ``name@version``, or of the version that ``name@alias`` stands for.

        Args:
            retired: it may be, and is not refused then.

        Raises:
            RegistryError, PromotionRefused: like `resolve`, and if the alias stands for no version.
        """
        name, _ = parted(model)
        version = version_of(model)
        if version is None:
            version = self._version_of(self.entry(model))
        records = self.registrations(name)
        found = [record for record in records if record.version == version]
        if not found:
            known = ", ".join(map(str, sorted({record.version for record in records}))) or "none"
            raise RegistryError(f"{name} has no version {version}; versions of {name}: {known}")
        if not retired:
            refuse_retired(found[-1], self.retired(name))
        return found[-1]

    def _version_of(self, entry: Entry) -> int:
        """Returns an entry's version: one of before versions were recorded may have been registered since."""
        known = [r.version for r in self.registrations(entry.name) if r.candidate == entry.candidate]
        if not (entry.version or known):
            raise RegistryError(f"{entry.model} was promoted without being registered: it has no version")
        return entry.version or known[0]

    def names(self) -> list[str]:
        """Returns every model with a version, a history or pinned floors, sorted."""
        return sorted(
            {path.parent.name for log in ("versions", "history", "governed") for path in self.logs(log)}
        )

    def versions(self, name: str) -> dict[int, Registration]:
        """Returns the newest record of each version of a model."""
        return {record.version: record for record in self.registrations(name)}

    def registrations(self, name: str) -> list[Registration]:
        """Returns every registration of a model, oldest first; empty for an unknown model.

        Raises like `history`.
        """
        check_name("name", name)
        return self.version_log(name).read()

    def aliases(self, name: str) -> dict[str, Entry]:
        """Returns what each alias of a model stands for."""
        entries = self.history(name)
        stacks = {alias: stack_of(entries, alias) for alias in sorted({e.alias for e in entries})}
        return {alias: stack[-1] for alias, stack in stacks.items() if stack}

    def history(self, name: str) -> list[Entry]:
        """Returns every promotion, rollback and drop of a model, oldest first; empty for an unknown model.

        Raises:
            RegistryError: if a confirmed line cannot be read.
        """
        check_name("name", name)
        return self.promotion_log(name).read()

    def governance(self, name: str) -> dict[str, Governance]:
        """Returns the floors that are pinned for aliases of a model, by alias. Raises like `history`."""
        return pinned(self.governances(name))

    def governances(self, name: str) -> list[Governance]:
        """Returns every pinning of floors and every release, oldest first. Raises like `history`."""
        check_name("name", name)
        return self.governance_log(name).read()

    def is_governed(self, name: str, alias: str) -> bool:
        """Says whether an alias takes only what its own floors let pass. Raises like `history`."""
        return alias in governed_aliases() or alias in self.governance(name)

    def tries(self, name: str, sealed: str) -> int:
        """Returns how many candidates of a model were judged on one sealed set. Raises like `history`."""
        check_name("name", name)
        return sum(one.sealed == sealed for one in self.try_log(name).read())

    def promoted_digests(self, retiring: Registration | None = None) -> set[str]:
        """Returns what must be kept:
        what each version needs, and what an alias stands for or can roll back to.

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
            kept |= {governance.floors for governance in self.governance(name).values()}
            entries = self.history(name)
            for alias in {e.alias for e in entries}:
                for entry in stack_of(entries, alias):
                    if entry.candidate not in let_go:
                        kept |= {entry.candidate, *filter(None, [entry.verdict, entry.floors])}
        return kept

    def _unknown(self, name: str, alias: str) -> RegistryError:
        known = ", ".join(aliases := self.aliases(name)) or "none"
        near = meant(alias, aliases) or ("" if name in self.names() else meant(name, self.names()))
        return RegistryError(f"nothing is promoted to {name}@{alias}{near}; aliases of {name}: {known}")

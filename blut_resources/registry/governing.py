"""Pins the floors of an alias and takes them away, by an act that the registry records."""

from collections.abc import Sequence

from blut_resources.registry.log import RegistryError, check_alias, check_name
from blut_resources.registry.reading import RegistryReading
from blut_resources.registry.records import Authority, Governance, now
from blut_resources.registry.verdicts import Floor


class Governing(RegistryReading):
    """Pins floors: one half of the registry."""

    def govern(
        self,
        name: str,
        alias: str,
        *,
        floors: str,
        rules: Sequence[Floor],
        authority: Authority,
        isolated: bool = False,
    ) -> tuple[Governance, bool]:
        """Pin the floors that every promotion to ``name@alias`` is judged by from now on, whoever promotes.

        Args:
            floors: digest of the file, which is in the store and is kept there.
            rules: what the file asks, with the scope `EACH` for what every part must meet.
            isolated: whether a verdict must come from processes that could not see the originals.

        Returns:
            What is in force, and whether it is new.

        Raises:
            RegistryError: if the name or alias is malformed, or the log is damaged.
        """
        check_name("name", name)
        check_alias(alias)
        with self.writing(name) as alone:
            held, log = self.governance(name).get(alias), self.governance_log(name)
            record = Governance(
                n=len(log.read()) + 1,
                name=name,
                at=now(),
                action="govern",
                alias=alias,
                floors=floors,
                rules=list(rules),
                isolated=isolated,
                by=authority.user,
                why=authority.why,
            )
            if held and (held.floors, held.rules, held.isolated) == (floors, record.rules, isolated):
                return held, False
            log.append(record, alone)
        return record, True

    def release(self, name: str, alias: str, authority: Authority) -> Governance:
        """Take the pinned floors away. ``prod`` stays governed, and takes nothing until floors are pinned.

        Raises:
            RegistryError: none are pinned, or nobody says why.
        """
        if not authority.why.strip():
            raise RegistryError(f"{name}@{alias}: say why its floors are taken away (--why TEXT)")
        if alias not in self.governance(name):
            raise RegistryError(f"no floors are pinned for {name}@{alias}")
        with self.writing(name) as alone:
            log = self.governance_log(name)
            gone = {"n": len(log.read()) + 1, "at": now(), "action": "release"}
            gone |= {"by": authority.user, "why": authority.why}
            record = self.governance(name)[alias].model_copy(update=gone)
            log.append(record, alone)
        return record

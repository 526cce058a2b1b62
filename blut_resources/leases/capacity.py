"""Says what this machine has to lease, and which claims count against which part of it.

Memory, and the permits for network and disk, are the machine's. Of the CPUs a process may use only some, by
its affinity and the quotas of its cgroups: a claim counts against those that it can run on.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from blut_resources.leases.files import Claim, Needs
from blut_resources.machine.amounts import refused
from blut_resources.machine.cpus import Cpus, cpus, cpus_text
from blut_resources.machine.memory import Memory, memory, size_text
from blut_resources.settings import origin, settings

CPUS, NETWORK, DISK = "BLUT_LEASE_CPUS", "BLUT_LEASE_NETWORK", "BLUT_LEASE_DISK"
NETWORK_PERMITS, DISK_PERMITS = 4, 2
MOST = 65_536


@dataclass(frozen=True)
class Stock:
    """Describes one thing that is counted, and not told apart: bytes, CPUs, permits.

    Attributes:
        kind: the field of `Needs`.
        total: how much there is of it.
        counts: says whether a claim counts against it.
    """

    kind: str
    total: int
    counts: Callable[[Claim], bool] = lambda _: True

    def of(self, needs: Needs) -> int:
        """Returns how much of it is needed."""
        return int(getattr(needs, self.kind))

    def kept_for(self, claim: Claim, held: Sequence[Claim]) -> int:
        """Returns how much of it is not given to others while a claim waits.

        A process that may use some of the CPUs only has no more of them kept than are free among those: for
        the rest it waits until one of their holders ends, which then gives back as much here.
        """
        needed = self.of(claim.needs)
        if self.kind != "cpus" or not claim.cpus:
            return needed
        own = [(len(claim.cpus), _within(frozenset(claim.cpus)))]
        own += [(share, _in_cgroup(cgroup)) for cgroup, share in claim.quotas.items()]
        free = (total - sum(one.needs.cpus for one in held if within(one)) for total, within in own)
        return max(0, min([needed, *free])) if len(claim.cpus) < self.total or claim.quotas else needed


@dataclass(frozen=True)
class Capacity:
    """Says what there is to lease, but for the GPUs.

    Attributes:
        cpus_named: what ``$BLUT_LEASE_CPUS`` says; it stands in the place of what the kernel says.
    """

    memory: Memory
    cpus: Cpus
    network: int = NETWORK_PERMITS
    disk: int = DISK_PERMITS
    cpus_named: int | None = None

    def stocks(self, claims: Sequence[Claim]) -> Iterator[Stock]:
        """Yields all that is counted; of the CPUs each set of them that this process shares with others."""
        yield Stock("memory", self.memory.budget)
        yield from self._cpu_stocks(claims)
        yield Stock("network", self.network)
        yield Stock("disk", self.disk)

    def describe(self, kind: str) -> str:
        """Returns where a total comes from, for who needs more than it."""
        if kind == "memory":
            return self.memory.describe()
        if kind == "cpus":
            return f"{origin(CPUS)}={self.cpus_named}" if self.cpus_named else self.cpus.describe()
        variable, number = {"network": (NETWORK, self.network), "disk": (DISK, self.disk)}[kind]
        return f"this machine has {amount_text(kind, number)} ({origin(variable)})"

    def _cpu_stocks(self, claims: Sequence[Claim]) -> Iterator[Stock]:
        if self.cpus_named:
            yield Stock("cpus", self.cpus_named)
            return
        own = frozenset(self.cpus.ids)
        sets = {own, *(shared for claim in claims if (shared := frozenset(claim.cpus)) > own)}
        for ids in sorted(sets, key=len):
            yield Stock("cpus", len(ids), _within(ids))
        yield Stock("cpus", max(self.cpus.installed, len(own)))
        for cgroup, share in self.cpus.quotas.items():
            yield Stock("cpus", share, _in_cgroup(cgroup))


def capacity() -> Capacity:
    """Returns what there is. Raises ValueError if a variable makes no sense."""
    return Capacity(
        memory(),
        cpus(),
        _permits(NETWORK) or NETWORK_PERMITS,
        _permits(DISK) or DISK_PERMITS,
        _permits(CPUS),
    )


def amount_text(kind: str, number: int) -> str:
    """Returns text such as ``2 GiB``, ``4 CPUs``, ``1 network permit``."""
    if kind == "memory":
        return size_text(number)
    if kind == "cpus":
        return cpus_text(number)
    return f"{number} {kind} permit{'' if number == 1 else 's'}"


def _permits(variable: str) -> int | None:
    text = settings().get(variable, "").strip()
    if not text:
        return None
    if not text.isdecimal() or not 1 <= int(text) <= MOST:
        raise refused(origin(variable), text, f"must be a whole number from 1 to {MOST}, or left out")
    return int(text)


def _within(ids: frozenset[int]) -> Callable[[Claim], bool]:
    return lambda claim: bool(claim.cpus) and ids.issuperset(claim.cpus)


def _in_cgroup(cgroup: int) -> Callable[[Claim], bool]:
    return lambda claim: cgroup in claim.quotas

"""Says of a training how many processes do it together: the fields of its config, and what follows from them.

A training by several gives other bytes than one by a single process, as sums are made in another order. So
their number is a part of the fingerprint, but not where it is one: what was trained so before there was such
a field is still found.
"""

from collections.abc import Callable
from typing import Any, ClassVar

from pydantic import Field, model_validator

from blut_assets.stages.spec import StageConfig
from blut_resources.machine.liveness import locked
from blut_resources.payload_kit.refuse import Refused
from blut_resources.store.artifacts import ArtifactStore

FIELDS = frozenset({"gpus", "ranks"})
RANKS_MAX = 64


class RankedConfig(StageConfig):
    """Holds what the config of a training has that several processes can do together.

    Its subclasses have fields ``device`` and ``resume``. Give `leased` and `together` to `Stage.run`.

    Attributes:
        STATES: what the states are called, in the work directory of a training, from which it can go on.
    """

    STATES: ClassVar[str] = ""

    gpus: int | None = Field(
        None,
        ge=1,
        le=RANKS_MAX,
        description="GPUs that train together, each with its share of a batch; one, where there is one, if"
        " not given",
    )
    ranks: int | None = Field(
        None,
        ge=1,
        le=RANKS_MAX,
        description="processes that train together on the CPU, each with its share of a batch and `threads`"
        " of its own; one if not given",
    )

    @model_validator(mode="after")
    def _one_device(self) -> "RankedConfig":
        device = getattr(self, "device", "auto")
        if self.gpus and self.ranks:
            raise ValueError(
                f"gpus = {self.gpus} and ranks = {self.ranks}: give gpus to train on GPUs, or ranks to train"
                " on the CPU"
            )
        if self.gpus and device == "cpu":
            raise ValueError(f"gpus = {self.gpus} with device = 'cpu': leave out one, or give ranks instead")
        if self.together > 1 and self.ranks and device == "cuda":
            raise ValueError(f"ranks = {self.ranks} with device = 'cuda': give gpus instead")
        return self

    @property
    def together(self) -> int:
        """Returns how many processes train together."""
        return self.gpus or self.ranks or 1

    @property
    def leased(self) -> int | None:
        """Returns how many GPUs they need; None where one is taken if there is one."""
        on_cpu = getattr(self, "device", "auto") == "cpu" or (self.ranks or 1) > 1
        return 0 if on_cpu else self.gpus

    def fingerprinted(self) -> dict[str, Any]:
        return {**_without(super().fingerprinted()), **self._several()}

    def cost_drivers(self) -> dict[str, Any]:
        return {**_without(super().cost_drivers()), **self._several()}

    def for_payload(self) -> dict[str, Any]:
        """Returns the values that a payload may read; how many it trains with it knows, see `joined`."""
        demanded = {"device": "cuda" if self.gpus else "cpu"} if self.gpus or self.together > 1 else {}
        return {**_without(super().for_payload()), **demanded}

    def _several(self) -> dict[str, int]:
        return {"ranks": self.together} if self.together > 1 else {}


def refuse_other_ranks(
    config: RankedConfig, store: ArtifactStore, fingerprint_of: Callable[[StageConfig], str]
) -> None:
    """Refuse to begin what was left half done by another number of processes: only as many can go on with it.

    Args:
        fingerprint_of: the computation, with another config -> its fingerprint.

    Raises:
        Refused: there is such a state, and nobody trains on from it now.
    """
    if getattr(config, "resume", "auto") == "never" or _states(config, store, fingerprint_of(config)):
        return
    now = config.together
    for then in (number for number in range(1, RANKS_MAX + 1) if number != now):
        other = fingerprint_of(config.model_copy(update={"gpus": None, "ranks": then}))
        found = _states(config, store, other)
        if found and not locked(store.lock_path(f"fingerprint-{other}", "lock")):
            raise Refused(
                f"{_processes(then)} began this training and left it at {found[-1]}; {_processes(now)} cannot"
                f" go on from there, for the result would be neither's. Give gpus or ranks {then} to go on,"
                " or resume never to begin anew"
            )


def _states(config: RankedConfig, store: ArtifactStore, fingerprint: str) -> list[str]:
    """Returns what a training has left to go on from, the newest last; a state has its number at its end."""
    found = [path.name for path in store.work_path(fingerprint).glob(config.STATES) if path.is_dir()]
    return sorted(found, key=lambda name: int(name.rpartition("-")[2] or 0))


def _processes(number: int) -> str:
    return "1 process" if number == 1 else f"{number} processes"


def _without(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in FIELDS}

"""Defines what a payload may use, as a person says it in a config, and what an asset is expected to need."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

import dagster as dg
from pydantic import Field, model_validator

from blut_resources.containment.limits import Limits
from blut_resources.machine.amounts import parse_size
from blut_resources.settings import settings


class LimitsConfig(dg.Config, extra="forbid"):
    """Limits each payload process tree. What is not given comes from ``$BLUT_MEMORY_MAX`` and its like.

    How a result is computed, not what: none of it is part of the fingerprint.
    """

    NAMES: ClassVar[Mapping[str, str]] = {"wall_clock": "wall_clock_s", "containment": "backend"}

    memory_max: str | None = Field(None, description="such as 44G; the tree is killed beyond it")
    memory_high: str | None = Field(None, description="such as 40G; slowed down beyond it")
    swap_max: str | None = Field(None, description="such as 2G; none by default")
    tasks_max: int | None = Field(None, description="processes and threads")
    cpu_weight: int | None = Field(None, description="1 to 10000, usually 100")
    cpus: float | None = Field(None, description="how many CPUs' worth of time at most, such as 4 or 1.5")
    wall_clock: str | None = Field(None, description="such as 12h; stopped after it")
    containment: str | None = Field(
        None, description="auto, systemd, cgroup2, cgroup1, rlimit or none; auto takes the strongest"
    )
    mode: str | None = Field(
        None,
        description="required or best-effort; required, the default with memory_max, refuses to start where"
        " nothing enforces",
    )
    on_orphan: Literal["kill", "adopt"] = Field(
        "kill", description="adopt: outlive a dead orchestrator; the next run takes over"
    )
    oom_retry_up_to: str | None = Field(
        None, description="after an out-of-memory kill try again with more, up to this, such as 64G"
    )

    @model_validator(mode="after")
    def _sensible(self) -> "LimitsConfig":
        self.resolve({}, {})
        if self.oom_retry_up_to is not None:
            parse_size(self.oom_retry_up_to, "oom_retry_up_to")
        return self

    def resolve(self, defaults: Mapping[str, Any], env: Mapping[str, str] | None = None) -> Limits:
        """Returns what holds: what is said here, else the environment, else the asset's defaults.

        Raises:
            LimitsError: naming the field or the variable, the value, and what would do.
        """
        said = self.model_dump(exclude={"on_orphan", "oom_retry_up_to"})
        args = {self.NAMES.get(name, name): value for name, value in said.items()}
        return Limits.resolve(args, settings() if env is None else env, defaults)

    @property
    def ceiling(self) -> int | None:
        """Returns the bytes up to which a limit may be raised; None if it may not."""
        return parse_size(self.oom_retry_up_to, "oom_retry_up_to") if self.oom_retry_up_to else None


@dataclass(frozen=True)
class Footprint:
    """Says what an asset's payload is expected to need, until measured peaks know better.

    Attributes:
        memory: such as ``"3G"``; nothing is reserved if not given and never measured.
        gpus: how many; ``"any"`` takes one where there is one.
        vram: such as ``"20G"``, free on each GPU before it starts.
        cpus: how many threads compute at once, or the field of the config that says it. Where neither is
            there, it is what ``$OMP_NUM_THREADS`` says, else a quarter of the CPUs, so that four share well.
        network: permits for the network, one for each download that is as fast as the line.
        disk: permits for the disk, one for whatever reads and writes as fast as that.
        limits: defaults for the limits, by their names in `Limits`.
        launcher: where it is computed unless somebody says so, as an arg ``launcher`` has it.
    """

    memory: str | None = None
    gpus: int | Literal["any"] = 0
    vram: str | None = None
    cpus: int | str = "threads"
    network: int = 0
    disk: int = 0
    limits: Mapping[str, Any] = field(default_factory=dict)
    launcher: str | None = None

    def times(self, ranks: int) -> "Footprint":
        """Returns what so many processes need together that train at once; each GPU has one of them."""
        if self.memory is None or ranks == 1:
            return self
        return replace(self, memory=str(parse_size(self.memory, "footprint.memory") * ranks))


NO_FOOTPRINT = Footprint()
NO_LIMITS = LimitsConfig.model_validate({})

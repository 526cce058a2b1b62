"""Measures the energy that was used while something ran: RAPL for CPU packages, NVML for GPUs.

What cannot be read is not told. A RAPL counter is of the whole package, with whatever else runs on it, and it
starts again from zero every few minutes to hours: so it is read once a minute. Only root may read it, unless
the machine allows more.
"""

import contextlib
import importlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from blut_resources.machine.flag import Flag

POWERCAP = Path("/sys/class/powercap")
CPU, GPU = "energy_cpu_joules", "energy_gpu_joules"
EVERY_S = 60.0


@dataclass
class Counter:
    """Counts joules: it goes up, and starts from zero again at ``wraps_at``."""

    kind: str
    read: Callable[[], float]
    wraps_at: float | None = None
    used: float = 0.0
    last: float | None = None

    def update(self) -> None:
        """Add what has been counted since the last time."""
        now = self.read()
        if self.last is not None:
            step = now - self.last
            self.used += step + self.wraps_at if step < 0 and self.wraps_at else max(step, 0.0)
        self.last = now


@dataclass
class Meter:
    """Reads counters together."""

    counters: list[Counter] = field(default_factory=list)

    def update(self) -> None:
        """Read all; one that cannot be read any more tells nothing in the end."""
        for counter in list(self.counters):
            try:
                counter.update()
            except Exception:  # sysfs or the driver went away: no reason to end a training
                self.counters.remove(counter)

    def joules(self) -> dict[str, float]:
        """Returns what was used, by kind, summed over packages and GPUs."""
        kinds = dict.fromkeys(counter.kind for counter in self.counters)
        return {kind: round(sum(c.used for c in self.counters if c.kind == kind), 1) for kind in kinds}

    def added_to(self, shown: Mapping[str, float]) -> dict[str, float]:
        """Returns what it shows, on top of what another meter has shown."""
        return {kind: round(used + shown.get(kind, 0.0), 1) for kind, used in self.joules().items()}


@contextlib.contextmanager
def metered(gpus: Sequence[int] = (), powercap: Path = POWERCAP, every_s: float = EVERY_S) -> Iterator[Meter]:
    """Measure what the block uses: all CPU packages, and these GPUs, by the index of nvidia-smi."""
    meter = Meter([*_packages(powercap), *_gpus(gpus)])
    meter.update()
    over = Flag()

    def watch() -> None:
        while not over.wait(every_s):
            meter.update()

    thread = threading.Thread(target=watch, name="energy", daemon=True)
    if meter.counters:
        thread.start()
    try:
        yield meter
    finally:
        over.set()
        if thread.is_alive():
            thread.join()
        meter.update()


def _packages(powercap: Path) -> Iterator[Counter]:
    """Yields the domains ``intel-rapl:N``, which AMD's processors have too;
    ``psys`` would count them twice.
    """
    for domain in sorted(powercap.glob("intel-rapl:[0-9]*")):
        if ":" in domain.name.partition(":")[2]:
            continue  # a part of a package, such as its cores
        with contextlib.suppress(OSError, ValueError):
            _joules(domain / "energy_uj")
            if (domain / "name").read_text().strip() != "psys":
                wraps_at = _joules(domain / "max_energy_range_uj")
                yield Counter(CPU, lambda path=domain / "energy_uj": _joules(path), wraps_at)


def _joules(path: Path) -> float:
    return int(path.read_text()) / 1e6


def _gpus(indices: Sequence[int]) -> Iterator[Counter]:
    if not indices:
        return
    with contextlib.suppress(Exception):  # no NVML, or a GPU older than Volta: no figure
        nvml = importlib.import_module("pynvml")
        nvml.nvmlInit()
        for index in indices:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            nvml.nvmlDeviceGetTotalEnergyConsumption(handle)
            yield Counter(GPU, lambda handle=handle: nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3)

"""Finds the GPUs that this process may use, through NVML (package nvidia-ml-py, optional)."""

import contextlib
import importlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

DECLARED = "BLUT_GPUS"
VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class Gpu:
    """Describes one GPU; memory in bytes. `index` counts as nvidia-smi does, in the order of the PCI bus."""

    index: int
    uuid: str
    name: str
    total: int
    free: int


class Gpus(NamedTuple):
    """Lists the GPUs found, and says why there are no more."""

    found: tuple[Gpu, ...]
    reason: str = ""


def gpus() -> Gpus:
    """Returns what NVML shows or $BLUT_GPUS declares,
    as far as $CUDA_VISIBLE_DEVICES lets this process see it.

    ``BLUT_GPUS="0:24G,1:24G"`` (index and memory) is for GPUs that NVML does not know; all of their memory
    counts as free. ``none`` gives out no GPU.

    Raises:
        ValueError: $BLUT_GPUS makes no sense.
    """
    declared = os.environ.get(DECLARED)
    there = _declared(declared) if declared else _nvml()
    return _visible(there, os.environ.get(VISIBLE))


def driver() -> str:
    """Returns the version of the driver, and of the newest CUDA that it can run; empty where none tells."""
    try:
        nvml = importlib.import_module("pynvml")
        _start(nvml)
        cuda = nvml.nvmlSystemGetCudaDriverVersion_v2()
        return (
            f"{_text(nvml.nvmlSystemGetDriverVersion())}, for CUDA up to {cuda // 1000}.{cuda % 1000 // 10}"
        )
    except Exception:  # no package, no driver, or one that fails: `gpus` says which
        return ""


def environment(granted: tuple[Gpu, ...]) -> dict[str, str]:
    """Returns what makes a program see these GPUs only, in this order; none, where none was granted.

    By UUID where there is one: CUDA counts by speed and not by PCI bus, unless told, so that its index 1
    may be another GPU.
    """
    names = [gpu.uuid if gpu.uuid.startswith("GPU-") else str(gpu.index) for gpu in granted]
    return {VISIBLE: ",".join(names), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


def usage(indices: Sequence[int]) -> list[dict[str, float]]:
    """Returns what these GPUs do:
    ``index``, ``util`` (percent), ``memory_bytes``, ``temperature_c``, ``power_w``.

    What NVML does not tell is missing; none at all where there is no NVML.
    """
    try:
        nvml = importlib.import_module("pynvml")
        _start(nvml)
    except Exception:  # no package, no driver, or one that fails: there is nothing to read then
        return []
    return [{"index": index, **_usage(nvml, index)} for index in indices]


def _usage(nvml: Any, index: int) -> dict[str, float]:
    ask: dict[str, Callable[[Any], float]] = {
        "util": lambda gpu: nvml.nvmlDeviceGetUtilizationRates(gpu).gpu,
        "memory_bytes": lambda gpu: nvml.nvmlDeviceGetMemoryInfo(gpu).used,
        "temperature_c": lambda gpu: nvml.nvmlDeviceGetTemperature(gpu, nvml.NVML_TEMPERATURE_GPU),
        "power_w": lambda gpu: nvml.nvmlDeviceGetPowerUsage(gpu) / 1000,
    }
    found: dict[str, float] = {}
    for name, question in ask.items():
        with contextlib.suppress(nvml.NVMLError):
            found[name] = question(nvml.nvmlDeviceGetHandleByIndex(index))
    return found


def _visible(there: Gpus, text: str | None) -> Gpus:
    if text is None or not there.found:
        return there
    found: list[Gpu] = []
    for word in text.split(","):
        gpu = next((gpu for gpu in there.found if _names(word.strip(), gpu)), None)
        if gpu is None or gpu in found:
            break  # as CUDA does: nothing after a name that is none
        found.append(gpu)
    return Gpus(tuple(found), f"${VISIBLE}={text!r}")


def _names(word: str, gpu: Gpu) -> bool:
    return word == str(gpu.index) or (word.startswith("GPU-") and gpu.uuid.startswith(word))


def _declared(text: str) -> Gpus:
    from blut_resources.machine.amounts import parse_size

    if text.strip() == "none":
        return Gpus((), f"${DECLARED}=none")
    found: dict[int, Gpu] = {}
    for word in text.split(","):
        index, _, size = word.strip().partition(":")
        if not index.isdecimal() or not size or int(index) in found:
            raise ValueError(
                f'${DECLARED}={text!r}: say each GPU once, by index and memory, like "0:24G,1:24G"'
            )
        total = parse_size(size, f"${DECLARED}")
        found[int(index)] = Gpu(int(index), f"declared-{index}", "GPU", total, total)
    return Gpus(tuple(found.values()), f"${DECLARED}={text!r}")


def _nvml() -> Gpus:
    try:
        nvml = importlib.import_module("pynvml")
    except ImportError:
        return Gpus((), "nvidia-ml-py is not installed")
    try:
        _start(nvml)
        count = nvml.nvmlDeviceGetCount()
    except (nvml.NVMLError_LibraryNotFound, nvml.NVMLError_DriverNotLoaded):
        return Gpus((), "no NVIDIA driver")
    except nvml.NVMLError as error:
        return Gpus((), f"NVML: {error}")
    found, reasons = [], []
    for index in range(count):
        try:
            found.append(_gpu(nvml, index))
        except nvml.NVMLError as error:
            reasons.append(f"GPU {index}: {error} (${DECLARED} can declare it)")
    return Gpus(tuple(found), "; ".join(reasons))


@cache
def _start(nvml: Any) -> None:
    """Start NVML once per process: it can take a second."""
    nvml.nvmlInit()


def _gpu(nvml: Any, index: int) -> Gpu:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    uuid, name = (_text(ask(handle)) for ask in (nvml.nvmlDeviceGetUUID, nvml.nvmlDeviceGetName))
    return Gpu(index, uuid, name, memory.total, memory.free)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value

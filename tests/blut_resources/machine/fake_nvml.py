"""A library that says what NVML would of two GPUs; no GPU is here, so only our reading of it is tested."""

from types import ModuleType, SimpleNamespace
from typing import Any

GIB = 1 << 30


class NVMLError(Exception):
    """As the library's own."""


class FakeNvml(ModuleType):
    """Two GPUs: the second tells neither its power nor, where ``lost``, anything."""

    NVMLError = NVMLError
    NVMLError_LibraryNotFound = type("NVMLError_LibraryNotFound", (NVMLError,), {})
    NVMLError_DriverNotLoaded = type("NVMLError_DriverNotLoaded", (NVMLError,), {})
    NVML_TEMPERATURE_GPU = 0

    def __init__(self, util: int = 3, *, lost: bool = False) -> None:
        super().__init__("pynvml")
        self.util, self.lost = util, lost

    def nvmlInit(self) -> None:
        pass

    def nvmlSystemGetDriverVersion(self) -> bytes:
        return b"570.86.10"

    def nvmlSystemGetCudaDriverVersion_v2(self) -> int:
        return 12080

    def nvmlDeviceGetCount(self) -> int:
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        if index == 1 and self.lost:
            raise NVMLError("GPU is lost")
        return index

    def nvmlDeviceGetMemoryInfo(self, gpu: int) -> Any:
        return SimpleNamespace(total=24 * GIB, free=20 * GIB, used=4 * GIB)

    def nvmlDeviceGetUUID(self, gpu: int) -> bytes:
        return f"GPU-{gpu}".encode()

    def nvmlDeviceGetName(self, gpu: int) -> str:
        return "NVIDIA RTX"

    def nvmlDeviceGetUtilizationRates(self, gpu: int) -> Any:
        return SimpleNamespace(gpu=self.util)

    def nvmlDeviceGetTemperature(self, gpu: int, which: int) -> int:
        return 50

    def nvmlDeviceGetPowerUsage(self, gpu: int) -> int:
        if gpu == 1:
            raise NVMLError("not supported")
        return 70_500

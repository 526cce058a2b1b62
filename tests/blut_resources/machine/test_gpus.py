"""What is read of GPUs and their driver, from a library that is not NVML but answers as it does."""

import sys

import pytest

from blut_assets.cli.commands.checkup import _gpus
from blut_resources.machine import gpus
from tests.blut_resources.machine.fake_nvml import GIB, FakeNvml


def test_what_the_library_says_is_read_and_what_it_does_not_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml(97))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    found, reason = gpus.gpus()
    assert [(gpu.uuid, gpu.name, gpu.total, gpu.free) for gpu in found] == [
        ("GPU-0", "NVIDIA RTX", 24 * GIB, 20 * GIB),
        ("GPU-1", "NVIDIA RTX", 24 * GIB, 20 * GIB),
    ]
    assert reason == ""
    common = {"util": 97, "memory_bytes": 4 * GIB, "temperature_c": 50}
    assert gpus.usage([0, 1]) == [{"index": 0, **common, "power_w": 70.5}, {"index": 1, **common}]
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml(lost=True))
    found, reason = gpus.gpus()
    assert [gpu.index for gpu in found] == [0] and reason.startswith("GPU 1: GPU is lost")
    assert gpus.usage([1]) == [{"index": 1}]


def test_the_doctor_names_the_driver_and_each_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml())
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    told = {one.about: one.found for one in _gpus()}
    assert told["GPU driver"] == "570.86.10, for CUDA up to 12.8"
    assert told["GPU 1"] == "NVIDIA RTX, 24 GiB, 20 GiB free"

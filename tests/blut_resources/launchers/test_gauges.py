"""What is said of a GPU that waits: once, and what it is likely to wait for."""

import json
import os
import sys
from pathlib import Path

import pytest

from blut_resources.containment.backends.base import UP
from blut_resources.launchers.gauges import EVERY, STARVED_AFTER, Gauges, likely_cause
from tests.blut_resources.machine.fake_nvml import FakeNvml


def test_a_gpu_with_nothing_to_do_is_told_of_once_until_it_had_something(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    library = FakeNvml(3)
    monkeypatch.setitem(sys.modules, "pynvml", library)
    monkeypatch.setenv(EVERY, "1e-9")
    (tmp_path / UP).write_text(json.dumps({"pid": os.getpid()}))
    gauges = Gauges(tmp_path, [0])

    def told(samples: int) -> list[str]:
        events = [event for _ in range(samples) for event in gauges.events()]
        gauge = next(event for event in events if event["event"] == "gauge")["values"]
        assert gauge["gpu0_util"] == library.util and gauge["gpu0_power_w"] == 70.5
        return [event["likely"] for event in events if event["event"] == "gpu_starved"]

    assert told(STARVED_AFTER - 1) == []
    assert len(told(1)) == 1 and told(9) == []
    library.util = 80
    assert told(1) == []
    library.util = 3
    assert len(told(STARVED_AFTER)) == 1


@pytest.mark.parametrize(
    ("values", "likely"),
    [
        ({"host_io_wait_percent": 61.0, "cpu_percent": 400.0}, "the disk: 61 %"),
        ({"host_io_wait_percent": 2.0, "cpu_percent": 740.0}, "the loader: it uses 740 %"),
        ({"cpu_percent": 98.0}, "the loader, or small batches"),
        ({"host_io_wait_percent": 0.0, "cpu_percent": 12.0}, "small batches, or something else"),
        ({}, "nobody knows why"),
    ],
)
def test_what_is_busy_meanwhile_is_the_likely_cause(values: dict[str, float], likely: str) -> None:
    assert likely_cause(values).startswith(likely)

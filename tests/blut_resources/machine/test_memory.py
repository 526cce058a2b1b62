"""What a machine has to give: asked of real kernels, in real cgroups and with a real /dev/shm."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from blut_resources.machine import memory as machine
from blut_resources.machine.cgroupfs import Cgroup
from blut_resources.machine.gpus import environment, gpus
from blut_resources.machine.memory import SharedMemoryTooSmall, check_shared_memory, memory, size_text
from tests.conftest import REPOSITORY
from tests.owners import PATIENCE_S

GIB, MIB = 1 << 30, 1 << 20
ASK = (
    "import json; from blut_resources.machine import memory as machine; block = bytearray({block});"
    " print(json.dumps([vars(machine.memory()), machine.memory().describe(), machine.available()]))"
)


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BLUT_MEMORY_RESERVE", "BLUT_GPUS", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)


def _mem_total() -> int:
    return int(Path("/proc/meminfo").read_text().split()[1]) * 1024


def test_a_twentieth_but_at_least_a_gibibyte_is_kept_for_the_system() -> None:
    found = memory()
    assert found.installed == _mem_total()
    assert found.total <= found.installed
    assert found.reserve == max(GIB, found.total // 20)
    assert found.budget == max(0, found.total - found.reserve)
    assert 0 < machine.available() <= found.total


def test_the_reserve_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLUT_MEMORY_RESERVE", "300M")
    assert memory().reserve == 300 * MIB
    assert "300 MiB are kept for the system ($BLUT_MEMORY_RESERVE)" in memory().describe()
    monkeypatch.setenv("BLUT_MEMORY_RESERVE", "0")
    assert memory().budget == memory().total
    monkeypatch.setenv("BLUT_MEMORY_RESERVE", "900T")
    assert memory().budget == 0
    monkeypatch.setenv("BLUT_MEMORY_RESERVE", "plenty")
    with pytest.raises(ValueError, match=r"BLUT_MEMORY_RESERVE='plenty'.*44G"):
        memory()


@pytest.fixture
def cgroup() -> Iterator[Path]:
    """A cgroup limited to 512 MiB, with one inside of it; on whichever version limits memory here."""
    bases = [Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")]
    controls = bases[1] / "cgroup.subtree_control"
    version = 2 if controls.exists() and "memory" in controls.read_text() else 1
    outer = bases[version - 1] / f"blut-test-{os.getpid()}"
    try:
        (outer / "inner").mkdir(parents=True)
    except OSError as error:
        pytest.skip(f"no cgroup can be made here: {error}")
    limit = outer / ("memory.max" if version == 2 else "memory.limit_in_bytes")
    limit.write_text(str(512 * MIB))
    yield outer
    # what was killed in it may take a moment to leave
    assert Cgroup(outer, version).remove(PATIENCE_S)


def _ask_inside(group: Path, block: int = 0) -> tuple[dict[str, int | str], str, int]:
    command = ["sh", "-c", f'echo $$ > {group}/cgroup.procs; exec "$@"', "sh", sys.executable, "-c"]
    done = subprocess.run([*command, ASK.format(block=block)], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_limit_of_a_cgroup_counts_wherever_above_the_process_it_is(cgroup: Path) -> None:
    for group in (cgroup, cgroup / "inner"):
        found, text, _ = _ask_inside(group)
        assert found["total"] == 512 * MIB
        assert found["cgroup"] == str(cgroup)
        assert found["installed"] == _mem_total()
        assert f"of which the cgroup {cgroup} may use 512 MiB" in text


def test_what_a_limited_cgroup_uses_is_not_available(cgroup: Path) -> None:
    *_, before = _ask_inside(cgroup / "inner")
    *_, after = _ask_inside(cgroup / "inner", block=300 * MIB)
    assert before <= 512 * MIB
    assert after <= min(before - 250 * MIB, 212 * MIB)


def test_sizes_are_said_in_words() -> None:
    assert [size_text(size) for size in (7, 3 << 10, 512 * MIB, 3 * GIB // 2, 12 * GIB)] == [
        "7 bytes",
        "3 KiB",
        "512 MiB",
        "1.5 GiB",
        "12 GiB",
    ]


def test_workers_that_find_no_room_in_shared_memory_are_refused() -> None:
    check_shared_memory(0, 1 << 60)
    check_shared_memory(1, 1 << 10)
    with pytest.raises(SharedMemoryTooSmall, match="num_workers=0"):
        check_shared_memory(4, machine.shared_memory()[1])


def test_a_containers_small_shared_memory_is_named_with_the_remedy() -> None:
    ask = "from blut_resources.machine.memory import *; check_shared_memory(4, 100 << 20)"
    script = 'mount -t tmpfs -o size=64m tmpfs /dev/shm && exec "$@"'
    command = ["unshare", "--mount", "sh", "-c", script, "sh", sys.executable, "-c", ask]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    if "Traceback" not in done.stderr:
        pytest.skip(f"no mount namespace here: {done.stderr}")
    assert "/dev/shm has 64 MiB; 4 DataLoader workers need about 900 MiB" in done.stderr
    assert f"--shm-size={900 * MIB}" in done.stderr


def test_without_the_nvml_package_there_are_no_gpus_and_it_says_so() -> None:
    # -S: no site-packages, so that no installed package is seen
    ask = "from blut_resources.machine.gpus import gpus; print(gpus())"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, "-S", "-c", ask]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "Gpus(found=(), reason='nvidia-ml-py is not installed')"


def test_nvml_shows_the_gpus_or_why_there_are_none() -> None:
    pytest.importorskip("pynvml", reason="nvidia-ml-py is not installed")
    found, reason = gpus()
    if not Path("/dev/nvidiactl").exists():
        assert (found, reason) == ((), "no NVIDIA driver")
    for gpu in found:
        assert gpu.uuid.startswith("GPU-")
        assert 0 <= gpu.free <= gpu.total
        assert gpu.total > GIB


def test_gpus_can_be_declared_and_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLUT_GPUS", "0:24G, 2:80G")
    found, _ = gpus()
    assert [(gpu.index, gpu.total, gpu.free) for gpu in found] == [
        (0, 24 * GIB, 24 * GIB),
        (2, 80 * GIB, 80 * GIB),
    ]
    assert environment(found) == {"CUDA_VISIBLE_DEVICES": "0,2", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    for visible, expected in (("2", [2]), ("2,0", [2, 0]), ("2,7,0", [2]), ("", []), ("-1", [])):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert [gpu.index for gpu in gpus().found] == expected
        assert gpus().reason == f"$CUDA_VISIBLE_DEVICES={visible!r}"
    monkeypatch.setenv("BLUT_GPUS", "none")
    assert gpus() == ((), "$BLUT_GPUS=none")


@pytest.mark.parametrize("text", ["1", "0:24G,0:24G", "all", "0:plenty", "GPU-3:1G"])
def test_a_nonsensical_declaration_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("BLUT_GPUS", text)
    with pytest.raises(ValueError, match=r"\$BLUT_GPUS="):
        gpus()

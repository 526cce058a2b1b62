"""Two at once never get more than there is, nobody is starved, a death frees at once: with real processes."""

import fcntl
import json
import os
import random
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from blut_resources.leases import permits
from blut_resources.leases import place as lease_place
from blut_resources.leases.capacity import Capacity
from blut_resources.leases.files import Claim
from blut_resources.leases.lease import (
    LeaseError,
    Needs,
    NeverFits,
    estimate,
    holders,
    join,
    lease,
    waiters,
)
from blut_resources.leases.queue import look
from blut_resources.machine import memory as machine
from blut_resources.machine.cpus import cpus
from blut_resources.machine.gpus import Gpu, Gpus
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.timeout(120)

GIB, MIB = 1 << 30, 1 << 20
BUDGET = 100 * MIB
SOON_S = 20
"""Far from for ever, and more than a busy machine needs."""
HOLD = """
import json, os, signal, subprocess, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
import blut_resources.containment.limits, pwd
from blut_resources.leases.lease import Needs, lease
asked = json.loads(sys.argv[1])
if "user" in asked: os.setuid(asked["user"])
if "affinity" in asked: os.sched_setaffinity(0, asked["affinity"])
say = lambda word, text: print(word, text, flush=True)
counted = {kind: asked.get(kind, 0) for kind in ("cpus", "network", "disk")}
needs = Needs(asked.get("memory", 0) << 20, asked.get("gpus", 0), **counted)
holder = {"run": "3fa2c1d0aaaa", "asset": asked["name"]}
with lease(needs, holder=holder, on_wait=lambda text: say("waits", text)) as got:
    if "child" in asked:
        share = "import fcntl, os, sys, time; file = open(sys.argv[1]); fcntl.flock(file, fcntl.LOCK_SH);"
        share += "print(os.getpid(), flush=True); time.sleep(600)"
        command = [sys.executable, "-c", share, str(got.path)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        say("child", child.stdout.readline().strip())
    say("has", got.path)
    sys.stdin.read()
say("done", "")
"""


class Holder:
    """A process that asks for a lease and keeps it until told."""

    def __init__(self, name: str, memory: int = 0, *, env: dict[str, str] | None = None, **more: Any) -> None:
        asked = json.dumps({"name": name, "memory": memory, **more})
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLD, asked],
            cwd=REPOSITORY,
            env={**os.environ, **(env or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[tuple[float, str]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append((time.monotonic(), line.rstrip()))

    def said(self, word: str) -> list[str]:
        return [line.partition(" ")[2] for _, line in self.lines if line.startswith(f"{word} ")]

    def expect(self, word: str, within: float = 60) -> str:
        until(
            lambda: bool(self.said(word)) or self.process.poll() is not None, within, f"{word}: {self.lines}"
        )
        assert self.said(word), (self.lines, self.process.stderr.read() if self.process.stderr else "")
        return self.said(word)[-1]

    def refused(self) -> str:
        """What it said at its end, which was none of a success."""
        assert self.process.wait(60) != 0 and self.process.stderr
        return self.process.stderr.read()

    def when(self, word: str) -> float:
        return next(at for at, line in self.lines if line.startswith(f"{word} "))

    def finish(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        assert self.process.wait(60) == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def until(true: Callable[[], bool], within: float = 60, what: str = "") -> None:
    end = time.monotonic() + within
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.01)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of leases of its own, and a budget of 100 MiB."""
    for name in ("BLUT_MEMORY_WAIT", "BLUT_GPUS", "CUDA_VISIBLE_DEVICES", "BLUT_LEASE_CPUS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("BLUT_MEMORY_RESERVE", raising=False)
    monkeypatch.setenv("BLUT_MEMORY_RESERVE", str(machine.memory().total - BUDGET))
    monkeypatch.setenv("BLUT_LEASES", str(tmp_path / "leases"))
    return tmp_path / "leases"


@pytest.fixture
def start(place: Path) -> Iterator[Callable[..., Holder]]:
    started: list[Holder] = []

    def begin(*args: Any, **more: Any) -> Holder:
        started.append(Holder(*args, **more))
        return started[-1]

    yield begin
    for one in started:
        one.kill()


def hold(memory: int, **more: int) -> Any:
    return lease(Needs(memory * MIB, **more), holder={"run": "r", "asset": "test"}, on_wait=lambda _: None)


def left_over(place: Path) -> list[str]:
    return sorted(path.name for path in place.iterdir() if path.name != ".lock")


HAMMER = """
import os, random, sys, time
from pathlib import Path
from blut_resources.leases.lease import Needs, lease
draw = random.Random(int(sys.argv[1]))
ready = Path(sys.argv[2]).with_suffix(".ready")
ready.touch()
while len([*ready.parent.glob("*.ready")]) < 8:
    time.sleep(0.002)
with open(sys.argv[2], "a", buffering=1) as log:
    for turn in range(20):
        size = draw.randint(1, 60) << 20
        with lease(Needs(size), holder={"asset": "hammer"}, on_wait=lambda text: None):
            log.write(f"{time.monotonic_ns()} {size}\\n")
            time.sleep(draw.random() * 0.03)
            log.write(f"{time.monotonic_ns()} {-size}\\n")
"""


@pytest.mark.slow
def test_eight_processes_never_hold_more_than_the_budget(place: Path, tmp_path: Path) -> None:
    logs = [tmp_path / f"{number}.log" for number in range(8)]
    commands = [[sys.executable, "-c", HAMMER, str(number), str(log)] for number, log in enumerate(logs)]
    processes = [subprocess.Popen(command, cwd=REPOSITORY) for command in commands]
    seen = []
    while any(process.poll() is None for process in processes):
        seen.append(sum(claim.needs.memory for claim in holders()))
        time.sleep(0.005)
    assert [process.returncode for process in processes] == [0] * 8
    assert 0 < max(seen) <= BUDGET
    events = sorted(tuple(map(int, line.split())) for log in logs for line in log.read_text().splitlines())
    assert len(events) == 8 * 20 * 2
    held = most = together = 0
    for _, size in events:
        held += size
        most = max(most, held)
        together += size > 0 and held > size
    assert most <= BUDGET
    assert together > 20, "leases that fit together run together"
    assert left_over(place) == []


def test_a_killed_holder_frees_at_once_and_leaves_nothing(start: Callable[..., Holder], place: Path) -> None:
    first = start("big", 80)
    first.expect("has")
    second = start("small", 50)
    second.expect("waits")
    first.kill()
    killed = time.monotonic()
    second.expect("has")
    assert second.when("has") - killed < SOON_S
    assert [claim.holder["asset"] for claim in holders()] == ["small"]
    second.finish()
    assert left_over(place) == []


def test_nobody_overtakes_a_waiter_and_a_killed_waiter_blocks_nobody(start: Callable[..., Holder]) -> None:
    start("holder", 80).expect("has")
    big = start("big", 90)
    big.expect("waits")
    small = start("small", 10)
    assert "1 before this one" in small.expect("waits")
    time.sleep(1)
    assert not small.said("has"), "20 are free, and would be for the big one as well"
    assert [claim.holder["asset"] for claim in waiters()] == ["big", "small"]
    big.kill()
    killed = time.monotonic()
    small.expect("has")
    assert small.when("has") - killed < SOON_S
    assert waiters() == []


def test_first_come_first_served(start: Callable[..., Holder]) -> None:
    holder = start("holder", 100)
    holder.expect("has")
    line = []
    for number, size in enumerate((60, 70, 50, 80)):
        line.append(start(f"number {number}", size))
        line[-1].expect("waits")
    holder.finish()
    for one in line:
        one.expect("has")
        time.sleep(0.3)
        one.finish()
    assert [one.when("has") for one in line] == sorted(one.when("has") for one in line)


def test_who_wants_a_gpu_does_not_wait_behind_who_waits_for_memory(start: Callable[..., Holder]) -> None:
    gpu = {"BLUT_GPUS": "0:24G"}
    start("holder", 100).expect("has")
    start("memory", 10).expect("waits")
    drawing = start("gpu", gpus=1, env=gpu)
    drawing.expect("has")
    both = start("both", 10, gpus=1, env=gpu)
    text = both.expect("waits")
    assert "waiting for 10 MiB: 100 MiB of 100 MiB are held: holder 100 MiB (run 3fa2c1d0, since " in text
    assert "and for 1 GPU: GPU 0 is held by gpu 1 GPU (run 3fa2c1d0, since " in text
    assert text.endswith("; 1 before this one")


def test_a_lease_lives_until_the_last_process_that_shares_it_is_dead(start: Callable[..., Holder]) -> None:
    first = start("parent", 80, child=True)
    child = int(first.expect("child"))
    try:
        first.expect("has")
        first.kill()
        second = start("next", 50)
        assert "parent 80 MiB" in second.expect("waits")
        time.sleep(0.5)
        assert not second.said("has")
        assert [claim.holder["asset"] for claim in holders()] == ["parent"]
    finally:
        os.kill(child, signal.SIGKILL)
    killed = time.monotonic()
    second.expect("has")
    assert second.when("has") - killed < SOON_S


def test_the_end_of_the_block_does_not_free_what_a_child_still_uses(start: Callable[..., Holder]) -> None:
    first = start("parent", 80, child=True)
    child = int(first.expect("child"))
    first.expect("has")
    first.finish()
    assert [claim.needs.memory for claim in holders()] == [80 * MIB]
    os.kill(child, signal.SIGKILL)
    until(lambda: holders() == [])


def test_a_payload_that_outlived_its_owner_is_joined_without_queueing(start: Callable[..., Holder]) -> None:
    first = start("owner", 80, child=True)
    child = int(first.expect("child"))
    path = Path(first.expect("has"))
    first.kill()
    with join(path):
        os.kill(child, signal.SIGKILL)
        time.sleep(0.3)
        assert [claim.path for claim in holders()] == [path]
    assert holders() == []
    with pytest.raises(LeaseError, match="take a new one"), join(path):
        pass


def test_what_is_waited_for_is_said_and_said_again_when_it_changes(start: Callable[..., Holder]) -> None:
    one, two = start("lamquant/joint_checkpoint", 60), start("llm/adapter", 30)
    one.expect("has")
    two.expect("has")
    waiter = start("third", 80)
    text = waiter.expect("waits")
    assert text.startswith("waiting for 80 MiB: 90 MiB of 100 MiB are held: ")
    assert re.search(r"lamquant/joint_checkpoint 60 MiB \(run 3fa2c1d0, since \d\d:\d\d\)", text)
    time.sleep(0.5)
    assert len(waiter.said("waits")) == 1
    two.finish()
    until(lambda: len(waiter.said("waits")) == 2)
    assert waiter.said("waits")[1].startswith("waiting for 80 MiB: 60 MiB of 100 MiB are held: lamquant/")
    one.finish()
    waiter.expect("has")
    assert len(waiter.said("waits")) == 2


class Alarm(Exception):
    pass


def test_a_signal_ends_the_wait_at_once(start: Callable[..., Holder]) -> None:
    start("holder", 80).expect("has")

    def ring(*_: object) -> None:
        raise Alarm

    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        began = time.monotonic()
        with pytest.raises(Alarm), hold(50):
            pytest.fail("it was granted")
        assert time.monotonic() - began < SOON_S
    finally:
        signal.signal(signal.SIGALRM, before)
    assert waiters() == []


def test_ctrl_c_ends_the_wait_and_an_exception_in_the_block_frees(start: Callable[..., Holder]) -> None:
    with pytest.raises(Alarm), hold(80):
        waiter = start("waiter", 50)
        waiter.expect("waits")
        waiter.process.send_signal(signal.SIGINT)
        waiter.process.wait(60)
        assert not waiter.said("has")
        raise Alarm
    assert holders() == waiters() == []


def test_a_failing_on_wait_leaves_no_ticket(start: Callable[..., Holder]) -> None:
    start("holder", 80).expect("has")

    def fail(_: str) -> None:
        raise Alarm

    with pytest.raises(Alarm), lease(Needs(50 * MIB), holder={}, on_wait=fail):
        pass
    assert waiters() == []


def test_what_can_never_fit_is_refused_with_the_arithmetic(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NeverFits) as refusal, hold(101):
        pass
    assert str(refusal.value).startswith("needs 101 MiB; this machine has ")
    assert "are kept for the system ($BLUT_MEMORY_RESERVE), so at most 100 MiB can ever be given" in str(
        refusal.value
    )
    monkeypatch.setenv("BLUT_GPUS", "0:24G,1:8G")
    with pytest.raises(NeverFits, match=r"needs 2 GPUs with 20 GiB; .*GPU 0 GPU with 24 GiB, GPU 1"):
        hold(0, gpus=2, vram=20 * GIB).__enter__()
    monkeypatch.setenv("BLUT_GPUS", "none")
    with pytest.raises(NeverFits, match=r"needs 1 GPU; this process sees no GPU \(\$BLUT_GPUS=none\)"):
        hold(0, gpus=1).__enter__()
    assert not place.exists()


def test_nonsensical_needs_are_refused() -> None:
    for wrong in ({"memory": -1}, {"gpus": -1}, {"vram": 5}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Needs(**wrong)


def test_needing_nothing_touches_no_file_and_never_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLUT_LEASES", "/proc/no/such/place")
    with hold(0) as got:
        assert (got.path, got.gpus, got.environment["CUDA_VISIBLE_DEVICES"]) == (None, (), "")
    assert holders() == waiters() == []


def test_all_of_the_budget_can_be_given(place: Path) -> None:
    with hold(60), hold(40):
        assert sum(claim.needs.memory for claim in holders()) == BUDGET


def test_a_file_that_nobody_has_locked_holds_nothing(place: Path) -> None:
    place.mkdir(mode=0o777)
    (place / "000001-old.holder").write_text(
        json.dumps({"needs": {"memory": BUDGET}, "holder": {}, "since": 1, "gpus": []})
    )
    assert holders() == []
    with hold(100):
        assert [claim.needs.memory for claim in holders()] == [BUDGET]


def test_two_dagster_homes_share_the_budget(start: Callable[..., Holder], tmp_path: Path) -> None:
    start("one", 80, env={"DAGSTER_HOME": str(tmp_path / "one")}).expect("has")
    assert "one 80 MiB" in start("two", 50, env={"DAGSTER_HOME": str(tmp_path / "two")}).expect("waits")


def test_each_gpu_goes_to_one_lease_and_small_needs_leave_the_large_ones(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLUT_GPUS", "0:80G,1:24G,2:24G")
    with hold(0, gpus=1) as one, hold(0, gpus=1, vram=40 * GIB) as two, hold(0, gpus=1) as three:
        assert (one.gpus, two.gpus, three.gpus) == ((1,), (0,), (2,))
        assert two.environment["CUDA_VISIBLE_DEVICES"] == "0"


def test_a_gpu_that_a_foreign_program_fills_is_waited_for() -> None:
    full, large = Gpu(0, "GPU-a", "A100", 40 * GIB, 3 * GIB), Gpu(1, "GPU-b", "A100", 40 * GIB, 40 * GIB)
    memory = Capacity(machine.Memory(GIB, GIB, "", 0), cpus())
    needs = Needs(gpus=1, vram=20 * GIB)
    held = Claim(Needs(gpus=1), {"asset": "x", "run": "abc"}, time.time(), ("GPU-b",))
    turn = look(needs, [held], [], memory, Gpus((full, large)))
    assert turn.waits
    assert (
        "GPU 0 has 3 GiB of 40 GiB free, a program without a lease uses the rest, GPU 1 is held" in turn.says
    )
    assert look(needs, [], [], memory, Gpus((full, large))).gpus == (large,)
    # what the earlier one waits for is not given to a later one that would do with less
    earlier = Claim(needs, {}, time.time(), ("GPU-a", "GPU-b"))
    assert look(Needs(gpus=1), [held], [earlier], memory, Gpus((full, large))).waits
    # but for an earlier one that cannot even see that GPU, nobody waits
    elsewhere = Claim(needs, {}, time.time(), ("GPU-b",))
    assert look(Needs(gpus=1), [held], [elsewhere], memory, Gpus((full, large))).gpus == (full,)


def test_a_shortage_that_others_make_is_said_or_waited_for(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLUT_MEMORY_RESERVE", "0")
    everything = machine.memory().total  # more than is ever available
    for patience, least in (("", 0.0), ("0.6s", 0.6)):
        monkeypatch.setenv("BLUT_MEMORY_WAIT", patience)
        said: list[str] = []
        began = time.monotonic()
        with lease(Needs(everything), holder={}, on_wait=said.append):
            assert least <= time.monotonic() - began < least + SOON_S
        assert "starting anyway ($BLUT_MEMORY_WAIT=10m would wait)" in said[-1]
        assert len(said) == (2 if patience else 1)
    monkeypatch.setenv("BLUT_MEMORY_WAIT", "soon")
    with pytest.raises(ValueError, match=r"BLUT_MEMORY_WAIT='soon'"):
        hold(1).__enter__()


def test_garbage_in_the_directory_is_harmless(place: Path) -> None:
    place.mkdir()
    for name in ("000001-dead.holder", "x.waiter", "000002-dead.waiter", ".new-dead", "README", "9-x.holder"):
        (place / name).write_bytes(b'{"needs": {"mem\xff')
    (place / "000003-fifo.waiter").touch()
    (place / "000004-link.holder").symlink_to("/etc/passwd")
    os.mkfifo(place / "000005-fifo.holder")
    (place / "000006-folder.holder").mkdir()
    with hold(100):
        assert len(holders()) == 1
    # what is no file of ours stays, and counts for nothing
    assert left_over(place) == [
        *("000004-link.holder", "000005-fifo.holder", "000006-folder.holder"),
        *("README", "x.waiter"),
    ]


def test_a_torn_file_of_a_living_process_is_waited_for_with_the_remedy(
    start: Callable[..., Holder], place: Path
) -> None:
    place.mkdir(mode=0o777)
    torn = place / "000001-torn.holder"
    with torn.open("w") as file:
        file.write('{"needs": {"memory": 1')
        file.flush()
        fcntl.flock(file, fcntl.LOCK_SH)
        waiter = start("next", 10)
        assert f"{torn} is held by a living process and cannot be read" in waiter.expect("waits")
    waiter.expect("has")


def test_a_ticket_that_somebody_deleted_is_put_back_at_the_end(
    start: Callable[..., Holder], place: Path
) -> None:
    holder = start("holder", 100)
    holder.expect("has")
    one, two = start("one", 60), None
    one.expect("waits")
    two = start("two", 60)
    two.expect("waits")
    waiters()[0].path.unlink()
    until(lambda: [claim.holder["asset"] for claim in waiters()] == ["two", "one"])
    holder.finish()
    two.expect("has")
    assert not one.said("has")


def test_a_stuck_directory_lock_is_not_a_silent_wait(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_place, "STUCK_S", 0.2)
    place.mkdir()
    said: list[str] = []

    def free(text: str) -> None:
        said.append(text)
        lock.close()

    lock = (place / ".lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    with lease(Needs(MIB), holder={}, on_wait=free):
        assert f"fuser -v {place}/.lock" in said[0]


def test_a_directory_that_cannot_be_used_is_named_with_the_remedy(
    place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/leases")):
        monkeypatch.setenv("BLUT_LEASES", str(path))
        with pytest.raises(LeaseError, match="set \\$BLUT_LEASES to a directory that every user"), hold(1):
            pass


@pytest.fixture
def shared(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory that another user can reach."""
    if os.geteuid():
        pytest.skip("only root can act as two users")
    base = Path(tempfile.mkdtemp(prefix="blut-test-leases-", dir="/tmp"))
    base.chmod(0o755)
    monkeypatch.setenv("BLUT_LEASES", str(base / "leases"))
    yield base / "leases"
    shutil.rmtree(base)


NOBODY = 65534


def test_all_users_share_the_budget(start: Callable[..., Holder], shared: Path) -> None:
    mask = os.umask(0o077)
    try:
        first = start("root's", 80)
        first.expect("has")
        assert stat.S_IMODE(shared.stat().st_mode) == 0o1777
        other = start("nobody's", 50, user=NOBODY)
        assert "root's 80 MiB" in other.expect("waits")
        first.kill()
        other.expect("has")
        assert len(left_over(shared)) == 2, "the dead file of another user stays, and counts for nothing"
        third = start("third", 60)
        assert "nobody's 50 MiB" in third.expect("waits")
        other.kill()
        third.expect("has")
        third.finish()
    finally:
        os.umask(mask)
    assert left_over(shared) == []


def test_another_users_closed_directory_is_refused_with_the_remedy(
    start: Callable[..., Holder], shared: Path
) -> None:
    shared.mkdir(mode=0o755)
    refused = start("nobody's", 50, user=NOBODY)
    assert refused.process.wait(60) != 0
    error = refused.process.stderr.read() if refused.process.stderr else ""
    assert f"{shared} belongs to root and nobody cannot write there: `chmod 1777 {shared}`" in error


@pytest.fixture
def sticky(shared: Path) -> Path:
    shared.mkdir()
    shared.chmod(0o1777)
    return shared


def by_nobody(path: Path, text: str, kind: str = "holder") -> subprocess.Popen[str]:
    """Another user's process that has locked a file of the directory and says this of itself."""
    script = f"import fcntl, os, sys; os.umask(0o022); os.setgid({NOBODY}); os.setuid({NOBODY});"
    script += "file = open(sys.argv[1], 'w'); file.write(sys.argv[2]);"
    script += "file.flush(); fcntl.flock(file, fcntl.LOCK_SH); print('locked', flush=True); input()"
    command = [sys.executable, "-I", "-c", script, str(path / f"000001-theirs.{kind}"), text]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
    assert process.stdout and process.stdout.readline() == "locked\n"
    return process


@pytest.mark.parametrize("kind", ["holder", "waiter"])
@pytest.mark.parametrize(
    "text", [json.dumps({"memory": 909 << 40}), "garbage", json.dumps({"memory": 95 << 20})]
)
def test_another_user_can_claim_a_share_and_no_more(
    start: Callable[..., Holder], sticky: Path, text: str, kind: str
) -> None:
    says = {"holder": {"asset": "theirs"}, "since": 0, "gpus": []}
    claim = json.dumps({**says, "needs": json.loads(text)}) if text.startswith("{") else text
    with by_nobody(sticky, claim, kind) as other:
        start("small", 9).expect("has")
        large = start("large", 20)
        said = large.expect("waits")
        assert kind == "waiter" or "of nobody" in said
        other.kill()
        large.expect("has")


def test_a_claim_that_its_owner_closes_to_others_is_none(sticky: Path) -> None:
    closed = sticky / "000001-closed.holder"
    closed.write_text('{"needs": {"memory": 1}}')
    os.mkfifo(sticky / "000002-fifo.holder")
    for path in (closed, sticky / "000002-fifo.holder"):
        path.chmod(0)
        os.chown(path, NOBODY, NOBODY)
    with closed.open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        code = (
            "import os, pwd, sys\nimport blut_resources.containment.limits, blut_resources.files.documents\n"
        )
        code += "from blut_resources.leases.lease import *; os.setuid(1)\n"
        code += "with lease(Needs(1 << 20), holder={}, on_wait=lambda text: sys.exit(text)): print('has')"
        command = [sys.executable, "-c", code]
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=REPOSITORY, timeout=60, check=False
        )
    assert done.stdout == "has\n", done.stderr


@pytest.mark.parametrize("what", ["fifo", "link", "closed"])
def test_a_directory_lock_of_another_kind_is_named_with_its_owner(sticky: Path, what: str) -> None:
    lock = sticky / ".lock"
    if what == "fifo":
        os.mkfifo(lock)
    elif what == "link":
        lock.symlink_to("/etc/shadow")
    else:
        lock.touch(mode=0o600)
    os.chown(lock, 2, 2, follow_symlinks=False)
    code = f"import os, pwd; from blut_resources.leases.place import _open, Path; os.setuid({NOBODY});"
    code += f"_open(Path({str(lock)!r}))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, timeout=60, check=False)
    assert f"{lock} of bin: " in done.stderr and "remove it as bin or root" in done.stderr
    assert Path("/etc/shadow").stat().st_mode & 0o007 == 0


def test_a_directory_that_others_rule_is_refused(sticky: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sticky.chmod(0o777)
    with pytest.raises(LeaseError, match=r"open to others and not sticky \(mode 777\).*chmod \+t"), hold(1):
        pass
    sticky.chmod(0o1777)
    os.chown(sticky, NOBODY, NOBODY)
    with (
        pytest.raises(LeaseError, match=r"belongs to nobody, who could take every lease.*chown root"),
        hold(1),
    ):
        pass
    # where all users look, root takes over what somebody else made first
    monkeypatch.setattr(lease_place, "PLACES", (sticky, sticky))
    with hold(1):
        assert sticky.stat().st_uid == 0


def test_a_stuck_lock_names_the_process_and_its_user(sticky: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_place, "STUCK_S", 0.2)
    (sticky / ".lock").touch()
    os.chown(sticky / ".lock", NOBODY, NOBODY)
    script = f"import fcntl, os, sys; os.setuid({NOBODY}); file = open(sys.argv[1], 'r+');"
    script += "fcntl.flock(file, fcntl.LOCK_EX);"
    script += "print('locked', flush=True); input()"
    command = [sys.executable, "-I", "-c", script, str(sticky / ".lock")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as other:
        assert other.stdout and other.stdout.readline() == "locked\n"
        said: list[str] = []
        with lease(Needs(MIB), holder={}, on_wait=lambda text: (said.append(text), other.kill())[0]):
            assert f"process {other.pid} of nobody has locked it" in said[0]


def test_leases_are_kept_where_all_users_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BLUT_LEASES", raising=False)
    monkeypatch.setenv("TMPDIR", "/somewhere/of/my/own")
    assert str(lease_place.named_place()) in {"/run/lock/blut", "/tmp/blut-leases"}


def test_the_estimate_is_the_limit_else_the_peaks_and_a_tenth_else_what_is_declared() -> None:
    assert estimate(8 * GIB, [2 * GIB, 3 * GIB], 12 * GIB) == 12 * GIB
    assert estimate(8 * GIB, [2000, 3000, 1000], None) == 3300
    assert estimate(8 * GIB, [], None) == 8 * GIB
    assert estimate(None, [], None) == 0


@pytest.mark.slow
def test_waiting_is_cheap(start: Callable[..., Holder]) -> None:
    start("holder", 100).expect("has")
    line = [start(f"waiter {number}", random.randint(1, 100)) for number in range(5)]
    for one in line:
        one.expect("waits")
    before = [_cpu_s(one.process.pid) for one in line]
    time.sleep(5)
    spent = [_cpu_s(one.process.pid) - was for one, was in zip(line, before, strict=True)]
    assert max(spent) < 0.1 * 5, "a waiter takes less than a tenth of a core"


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize(
    "text",
    [
        '{"needs": {"memory": 1e400}, "holder": {}, "since": 0, "gpus": []}',
        '{"needs": {"memory": 1}, "holder": {}, "since": NaN, "gpus": []}',
        '{"needs": {"memory": 1}, "holder": {}, "since": 1e400, "gpus": []}',
        '{"needs": {"memory": 1}, "holder": {}, "since": -5, "gpus": []}',
        '{"needs": {"memory": %s}, "holder": {}, "since": 0, "gpus": []}' % ("9" * 300),
        "[" * 50_000,
        "1" * 5000,
        "[]",
        "null",
    ],
)
def test_a_claim_of_what_no_machine_has_is_a_problem_and_no_crash(place: Path, text: str) -> None:
    place.mkdir(mode=0o777)
    with (place / "000001-odd.holder").open("w") as file:
        file.write(text)
        file.flush()
        fcntl.flock(file, fcntl.LOCK_SH)
        (claim,) = holders()
        assert "is held by a living process and cannot be read" in claim.problem
        assert len(claim.problem) < 1000 and claim.needs == Needs()


def test_who_holds_cpus_or_permits_and_dies_gives_them_back(start: Callable[..., Holder]) -> None:
    env = {"BLUT_LEASE_CPUS": "2", "BLUT_LEASE_NETWORK": "1"}
    first = start("first", cpus=2, network=1, env=env)
    first.expect("has")
    second = start("second", cpus=1, network=1, env=env)
    said = second.expect("waits")
    assert "for 1 CPU: 2 of 2 CPUs are held: first 2 CPUs and 1 network permit" in said
    assert "for 1 network permit: 1 of 1 network permit is held: first" in said
    beside = start("beside", 1, env=env)
    beside.expect("has")
    os.kill(first.process.pid, signal.SIGSTOP)
    time.sleep(0.5)
    assert not second.said("has"), "who is stopped only holds on"
    first.kill()
    second.expect("has")


def test_a_process_that_may_run_on_one_cpu_waits_for_that_one_only(start: Callable[..., Holder]) -> None:
    if len(there := sorted(os.sched_getaffinity(0))) < 2:
        pytest.skip("there is only one CPU")
    one, other = ({"cpus": 1, "affinity": [cpu]} for cpu in there[:2])
    start("first", **one).expect("has")
    assert "1 of 1 CPU is held: first" in start("second", **one).expect("waits")
    start("elsewhere", **other).expect("has")
    assert "run on 1 of them" in start("large", **{**one, "cpus": 2}).refused()


def test_inside_a_lease_its_cpus_and_permits_count_as_had(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLUT_LEASE_NETWORK", "1")
    monkeypatch.setenv("BLUT_LEASE_DISK", "1")
    with hold(0, network=1) as outer, hold(0, network=1) as inner:
        assert inner.path == outer.path
        with hold(0, network=1, disk=1):
            assert [claim.needs for claim in holders()] == [Needs(network=1), Needs(disk=1)]
        assert len(holders()) == 1
    assert holders() == []


def test_two_that_hold_what_the_other_wants_do_not_wait_for_ever(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLUT_LEASE_NETWORK", "1")
    monkeypatch.setenv("BLUT_LEASE_DISK", "1")
    both, told = threading.Barrier(2, timeout=SOON_S), []

    def wants(first: str, second: str) -> None:
        with hold(0, **{first: 1}):
            both.wait()
            try:
                with hold(0, **{second: 1}):
                    told.append("has both")
            except LeaseError as error:
                told.append(str(error))

    threads = [threading.Thread(target=wants, args=two) for two in (("disk", "network"), ("network", "disk"))]
    for one in threads:
        one.start()
    for one in threads:
        one.join(SOON_S)
    assert sorted(told)[0] == "has both"
    assert "would wait for ever" in sorted(told)[1] and "take both at once" in sorted(told)[1]


def test_who_holds_a_permit_comes_before_an_earlier_one_that_waits_for_it(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLUT_LEASE_NETWORK", "1")
    monkeypatch.setenv("BLUT_LEASE_CPUS", "1")

    def earlier() -> None:
        with hold(0, network=1, cpus=1):
            pass

    with hold(0, network=1):
        thread = threading.Thread(target=earlier)
        thread.start()
        until(lambda: len(waiters()) == 1, SOON_S)
        with hold(0, cpus=1):  # kept for the other one, which can have it only after this
            pass
    thread.join(SOON_S)
    assert not thread.is_alive()


def test_a_claim_of_a_version_that_knew_no_cpus_counts_for_what_it_says(place: Path) -> None:
    with hold(30):
        (path,) = place.glob("*.holder")
        said = json.loads(path.read_text())
        said["needs"] = {name: said["needs"][name] for name in ("memory", "gpus", "vram")}
        old = {name: said[name] for name in ("needs", "holder", "since", "gpus", "process")}
        path.write_text(json.dumps(old))  # in place: it stays locked
        (claim,) = holders()
        assert (claim.needs, claim.problem) == (Needs(30 * MIB), "")
        path.write_text(json.dumps({**said, "needs": {**said["needs"], "tape": 3}}))
        assert holders()[0].needs == Needs(30 * MIB), "nor does a newer one stop anybody"


def test_who_makes_room_waits_a_while_for_a_permit_and_no_longer(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(permits, "PATIENCE_S", 0.3)
    monkeypatch.setenv("BLUT_LEASE_DISK", "1")
    said: list[str] = []
    with permits.disk_permit("prune", said.append):
        assert [claim.needs for claim in holders()] == [Needs(disk=1)]

    def beside() -> None:
        with permits.disk_permit("prune", said.append):
            pass

    with hold(0, disk=1):
        other = threading.Thread(target=beside)
        other.start()
        other.join(SOON_S)
    assert "1 of 1 disk permit is held" in said[0] and "goes on without a permit" in said[1]
    assert left_over(place) == []

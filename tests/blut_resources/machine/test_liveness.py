"""Who lives, seen from here, from inside, from beside, from another boot and from another machine."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from blut_resources.leases.files import HOLDER, claims
from blut_resources.machine import liveness
from blut_resources.machine.liveness import Holder, Mark
from blut_resources.payloads import orphans
from blut_resources.store.artifacts import ArtifactStore
from blut_resources.store.gc import collect
from tests import elsewhere

TELL = (
    "from blut_resources.machine import liveness; import sys, time\n"
    "mark = liveness.Mark(liveness.Path(sys.argv[1]))\n"
    "print(liveness.this_process().line(), flush=True); time.sleep(300)"
)
ASK = (
    "from blut_resources.machine import liveness; import sys\n"
    "print(liveness.alive(liveness.Holder.of(sys.argv[2])), liveness.marked(liveness.Path(sys.argv[1])))"
)


@contextmanager
def holder(mark: Path, *around: str) -> Iterator[tuple[subprocess.Popen[str], Holder]]:
    """A process that has marked a file."""
    command = [*around, sys.executable, "-c", TELL, str(mark)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        found = Holder.of(process.stdout.readline())
        assert found
        yield process, found
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def asked(mark: Path, about: Holder, scratch: Path, **where: str) -> list[str]:
    """What a process elsewhere says of the holder, and of the file it has marked."""
    done = elsewhere.run([sys.executable, "-c", ASK, str(mark), about.line()], scratch, **where)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_holder_here_lives_until_it_dies(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    with holder(mark) as (process, known):
        assert (liveness.alive(known), liveness.marked(mark)) == ("yes", "yes")
        assert liveness.pid_here(known) == process.pid
        other_start = known._replace(start=(known.start or 0) + 1)
        assert liveness.alive(other_start) == "no", "the pid is another process's by now"
        process.kill()
        process.wait()
        assert (liveness.alive(known), liveness.marked(mark)) == ("no", "no")


def test_from_inside_and_from_beside_nobody_is_dead_who_cannot_be_seen(tmp_path: Path) -> None:
    elsewhere.demand()
    mark = tmp_path / "mark"
    with holder(mark) as (process, known):
        assert asked(mark, known, tmp_path / "b") == ["unknown", "yes"]
        assert asked(mark, known, tmp_path / "b", boot="other") == ["unknown", "yes"]
        process.kill()
        process.wait()
        assert asked(mark, known, tmp_path / "b") == ["unknown", "no"], "one kernel knows of its locks"
        assert asked(mark, known, tmp_path / "b", boot="other") == ["unknown", "unknown"]
        name = os.uname().nodename
        assert asked(mark, known, tmp_path / "b", boot="other", host=name) == ["no", "no"], "it was rebooted"


def test_the_machines_own_process_space_sees_into_all_others(tmp_path: Path) -> None:
    elsewhere.demand()
    if liveness.pid_namespace() != liveness.INITIAL:
        pytest.skip("this is a container: it does not see all processes of its machine")
    mark = tmp_path / "mark"
    space = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    with holder(mark, *space) as (process, known):
        assert known.pid == 1 and liveness.alive(known) == "yes"
        inner = liveness.pid_here(known)
        assert inner and inner != process.pid
        assert "in another container" in str(known)
        os.kill(inner, signal.SIGKILL)
        process.wait()
    assert liveness.alive(known) == "no" and liveness.marked(mark) == "no"


def test_a_record_of_an_older_version_is_taken_for_the_living(tmp_path: Path) -> None:
    here = liveness.this_process()
    assert liveness.alive(Holder(here.pid, here.start)) == "yes"
    assert liveness.alive(Holder(here.pid, (here.start or 0) + 1)) == "unknown", "it may be another machine's"
    assert Holder.of([12, 34]) == Holder.of("12 34\n") == Holder(12, 34)
    assert Holder.of("") is None and Holder.of(["x", 1]) is None and Holder.of(None) is None


def test_a_mark_goes_with_the_last_that_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "mark"
    mine = Mark(path)
    with holder(path) as (process, known):
        assert [mine_or_not.pid for mine_or_not in liveness.holders(path)] == [os.getpid(), known.pid]
        mine.remove()
        assert path.exists() and liveness.marked(path) == "yes"
        process.kill()
        process.wait()
        liveness.remove_mark(path)
        assert not path.exists() and liveness.marked(path) == "no"


def elsewhere_holder() -> Holder:
    """As another machine would have written it down."""
    return Holder(1, 1, "another-boot", "pid:[1]", "boxb/0123")


def rebooted_holder() -> Holder:
    """As this machine would have before it was started anew."""
    return elsewhere_holder()._replace(machine=liveness.machine())


@pytest.mark.parametrize(("who", "stays"), [(elsewhere_holder, True), (rebooted_holder, False)])
def test_leases_staging_and_work_of_others_stay(
    tmp_path: Path, who: Callable[[], Holder], stays: bool
) -> None:
    claim = {"needs": {"memory": 1}, "holder": {}, "since": 0, "gpus": [], "process": list(who())}
    lease = tmp_path / "000001-1-a.holder"
    lease.write_text(json.dumps(claim))
    assert claims(tmp_path, HOLDER, sweep=True) == [], "it is no claim on the memory of this machine"
    assert lease.exists() is stays
    store = ArtifactStore(tmp_path / "store")
    staging, mark = store.root / "staging" / "1-0123-abc", store.holder_path("1-0123")
    staging.mkdir(parents=True)
    mark.parent.mkdir()
    mark.write_text(who().line())
    collect(store, [])
    assert (staging.exists(), mark.exists()) == (stays, stays)
    work = store.work_dir("some-fingerprint")
    (work / orphans.NAME).mkdir(mode=0o700)
    (work / orphans.HOLDER).write_text(who().line())
    orphans.end_abandoned(store.root / "work")
    assert (work / orphans.NAME).exists() is stays
    if stays:
        with pytest.raises(orphans.InUse, match=r"process 1 on boxb, which cannot be seen from here"):
            orphans.left_in(work)


def test_a_mark_on_behalf_of_another_outlives_its_lock_also_without_a_machine_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Containers often have none: their runs are alive between two steps all the same."""
    monkeypatch.setattr(liveness, "machine", lambda: "")
    with subprocess.Popen(["sleep", "300"]) as worker:
        Mark(tmp_path / "run", [liveness.process(worker.pid)]).close()
        known, lives = liveness.holders(tmp_path / "run"), liveness.marked(tmp_path / "run")
        worker.kill()
    assert (known[0].lock, lives) == (liveness.UNLOCKED, "yes")
    assert liveness.marked(tmp_path / "run") == "no"
    Mark(tmp_path / "inner", unseen=True).close()
    assert liveness.marked(tmp_path / "inner") == "unknown"


def test_a_mark_that_a_disk_has_spoiled_names_nobody(tmp_path: Path) -> None:
    (tmp_path / "mark").write_bytes(b"\x80\xff 1 2\n\x00")
    assert liveness.holders(tmp_path / "mark") == []

"""Which machines were seen, and which of them is this one."""

import os
import time
from pathlib import Path

import pytest

from blut_resources.boxes import owner, seen
from blut_resources.boxes.beats import LIMIT, age_s, silent
from blut_resources.boxes.owner import HOST, AnothersHistory
from blut_resources.boxes.seen import BOXES, boxes, others_lately, show_box
from blut_resources.machine import liveness
from blut_resources.machine.liveness import Holder
from blut_resources.machine.mounts import MountPoint
from blut_resources.machine.processes import machine_id

ELSEWHERE = Holder(1, 1, "another-boot", "pid:[1]", "boxb/0123456789")


def written(path: Path, who: Holder, ago_s: float = 0.0) -> Path:
    """A file that somebody has touched so long ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{who.line()}\n")
    os.utime(path, (time.time() - ago_s,) * 2)
    return path


def test_each_machine_is_listed_with_when_it_was_seen(tmp_path: Path) -> None:
    assert boxes(tmp_path) == [] and others_lately(tmp_path) == []
    show_box(tmp_path)
    written(tmp_path / BOXES / "boxb-01234567", ELSEWHERE, 40)
    written(tmp_path / BOXES / "boxc-01234567", ELSEWHERE._replace(machine="boxc/77"), 4000)
    (tmp_path / BOXES / "torn").write_text("\x00")
    mine, there, long_ago = boxes(tmp_path)
    assert (mine.here, there.here, long_ago.here) == (True, False, False)
    assert there.name == "boxb" and there.age_s is not None and 39 < there.age_s < 60
    assert [box.name for box in others_lately(tmp_path)] == ["boxb"]


def test_a_limit_that_means_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LIMIT, "soon")
    with pytest.raises(ValueError, match=r"\$BLUT_UNSEEN_LIMIT='soon'"):
        others_lately(Path("/nowhere")) or seen.limit_s()


def test_what_is_touched_again_is_not_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blut_resources.boxes.beats.BEAT_S", 0.1)
    old = written(tmp_path / "old", ELSEWHERE, 1000)
    young = written(tmp_path / "young", ELSEWHERE, 10)
    assert silent([old, young, tmp_path / "none"]) == {old}
    real = time.sleep

    def wakes(seconds: float) -> None:
        real(seconds)
        os.utime(old)

    monkeypatch.setattr("blut_resources.boxes.beats.time.sleep", wakes)
    assert silent([old]) == set(), "the server's clock was set, and it goes on"
    assert (age_s(old) or 0) < 60 and age_s(tmp_path / "none") is None


def test_a_history_has_one_machine_that_writes_it(tmp_path: Path) -> None:
    assert owner.owner(tmp_path) == ""
    owner.claim(tmp_path)
    owner.claim(tmp_path)
    assert Holder.of((tmp_path / HOST).read_text()) == liveness.this_process()
    before = written(tmp_path / HOST, ELSEWHERE, 10**9).read_text()
    assert owner.owner(tmp_path) == "boxb"
    with pytest.raises(AnothersHistory, match=rf"boxb.*\$BLUT_DATABASE.*remove {tmp_path / HOST}"):
        owner.claim(tmp_path)
    assert (tmp_path / HOST).read_text() == before
    (tmp_path / HOST).unlink()
    owner.claim(tmp_path)
    assert owner.owner(tmp_path) == ""


def test_a_machine_is_itself_under_another_name_and_after_a_reboot_and_no_copy_of_it(tmp_path: Path) -> None:
    if not machine_id():
        pytest.skip("this machine has no id")
    before = ELSEWHERE._replace(machine=f"an-older-name/{machine_id()}")
    long = time.clock_gettime(time.CLOCK_BOOTTIME) + 60
    written(tmp_path / HOST, before, long)
    assert owner.owner(tmp_path) == "", "that was before it was started"
    written(tmp_path / HOST, before, 1)
    assert owner.owner(tmp_path) == "an-older-name", "two kernels at once are two machines"
    owned = liveness.this_process()._replace(machine="a-container/", pid=77)
    written(tmp_path / HOST, owned, 1)
    assert owner.owner(tmp_path) == "", "a container of this kernel"


@pytest.mark.parametrize(("local", "whose"), [(True, ""), (False, "another machine")])
def test_a_container_without_an_id_writes_on_after_a_reboot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, local: bool, whose: str
) -> None:
    """On a disk of its own: on a share it may have been any other container's."""
    monkeypatch.setattr(seen, "machine_id", lambda: "")
    monkeypatch.setattr(seen, "mount_of", lambda _: MountPoint("/", "ext4" if local else "nfs4", frozenset()))
    before = ELSEWHERE._replace(machine="")
    written(tmp_path / HOST, before, time.clock_gettime(time.CLOCK_BOOTTIME) + 60)
    assert owner.owner(tmp_path) == whose
    written(tmp_path / HOST, before, 1)
    assert owner.owner(tmp_path) == "another machine", "since this kernel began, another one did"

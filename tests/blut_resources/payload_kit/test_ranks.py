"""Ranks of one payload: together they are one process to everybody else."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from blut_assets.stages import reuse
from blut_resources.instance.instance import open_instance, store_of
from blut_resources.payload_kit.ranks import Ranks, Unshared, is_of_another, share_of
from tests.conftest import REPOSITORY
from tests.ranked import Sum, make, why


def test_shares_are_equal_or_refused_with_both_numbers() -> None:
    assert share_of("batch_size", 8, 2) == 4 and share_of("batch_size", 1, 2, each=2048) == 1024
    with pytest.raises(Unshared, match=r"batch_size=5: 2 ranks .* a multiple of 2, such as 4"):
        share_of("batch_size", 5, 2)
    parts = [list(range(7))[Ranks(number, 3).mine] for number in range(3)]
    assert sorted(one for part in parts for one in part) == list(range(7))


def test_an_error_that_only_says_that_another_one_is_gone_is_known() -> None:
    gone = RuntimeError("[gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:3741")
    wrapped = ValueError("bad")
    wrapped.__cause__ = gone
    assert is_of_another(gone) and is_of_another(wrapped)
    assert not is_of_another(RuntimeError("a shape is wrong")) and not is_of_another(OSError("broken pipe"))


@pytest.mark.heavy
@pytest.mark.usefixtures("home")
def test_ranks_are_one_payload_that_speaks_once() -> None:
    result = make(ranks=3)
    told = [e for e in result.all_events if e.event_type_value == "ASSET_OBSERVATION"]
    made: Any = result.output_for_node("test__ranked")
    assert isinstance(made, Sum) and made.loss == 6.0 and len(told) == 3


@pytest.mark.heavy
@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("raises", "ValueError: the third example is bad"),
        ("leaves", "exit status 3"),
        ("killed", "rank {rank} of 2 (from 0) was ended by SIGKILL"),
    ],
)
def test_one_that_fails_ends_all_with_its_words(how: str, words: str, rank: int) -> None:
    started = time.monotonic()
    result = make(ranks=2, how=how, rank=rank, epochs=1000)
    said = why(result)
    assert not result.success and time.monotonic() - started < 60
    assert words.format(rank=rank) in said
    assert "Connection closed" not in said.rpartition("\n")[2] and "ChildFailedError" not in said
    with open_instance() as instance:
        pids = [int(path.read_text()) for path in store_of(instance).root.glob("work/*/pid-*")]
    assert len(pids) == 2 and not any(Path(f"/proc/{pid}/stat").exists() for pid in pids)


@pytest.mark.heavy
@pytest.mark.usefixtures("home")
def test_a_file_that_any_rank_reads_and_nobody_counted_makes_the_result_unusable() -> None:
    for _ in range(2):
        result = make(ranks=2, how="reads aftermath.py", rank=1)
        metadata: Any = result.asset_materializations_for_node("test__ranked")[0].metadata
        assert metadata[reuse.REUSED].value is False


@pytest.mark.heavy
@pytest.mark.usefixtures("home")
def test_one_that_takes_too_much_memory_ends_all_and_it_is_called_that() -> None:
    result = make(ranks=2, how="grows", rank=1, epochs=1000, limits={"memory_max": "1G"})
    if "containment" in why(result).lower() and "required" in why(result).lower():
        pytest.skip("nothing holds a memory limit here")
    assert "memory" in why(result) and not result.success


@pytest.mark.heavy
def test_nothing_is_left_when_the_run_that_started_them_is_killed(home: Path) -> None:
    code = "from tests.ranked import make; make(ranks=2, how='sleeps', rank=1, epochs=1000)"
    with subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY, stderr=subprocess.DEVNULL) as run:
        assert until(lambda: len([*home.rglob("pid-*")]) == 2)
        ranks = [int(path.read_text()) for path in home.rglob("pid-*")]
        agent = int(Path(f"/proc/{ranks[0]}/stat").read_text().rpartition(")")[2].split()[1])
        run.kill()
    assert until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in (*ranks, agent)))


def until(true: Callable[[], bool], seconds: float = 120) -> bool:
    ends = time.monotonic() + seconds
    while not true() and time.monotonic() < ends:
        time.sleep(0.1)
    return true()


def test_nothing_of_a_rank_is_known_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    from blut_resources.payload_kit.session import rank

    monkeypatch.setenv("RANK", "1")  # of somebody's own, such as a shell in a cluster's job
    assert rank() == 0 and os.environ["RANK"] == "1"

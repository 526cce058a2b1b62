"""Whose turn it is, decided from claims alone: no file, no process, no clock."""

import os

import pytest

from blut_resources.leases.files import Claim, Needs
from blut_resources.leases.queue import NeverFits, QueueTurn, look, refuse_impossible
from blut_resources.machine.gpus import Gpu, Gpus
from blut_resources.machine.memory import Memory

MIB, GIB = 1 << 20, 1 << 30
MEMORY = Memory(100 * MIB, 100 * MIB, "", 0)
SMALL, LARGE = Gpu(1, "GPU-a", "A", 24 * GIB, 24 * GIB), Gpu(0, "GPU-b", "B", 80 * GIB, 80 * GIB)
STRANGER = os.geteuid() + 1000


def claim(memory: int = 0, *gpus: str, owner: int | None = None, wants: int = 0) -> Claim:
    """Somebody who holds or waits for this, in MiB; ``gpus`` are those held, or seen by a waiter."""
    needs = Needs(memory * MIB, wants or len(gpus))
    return Claim(needs, {}, 0.0, gpus, owner=os.geteuid() if owner is None else owner)


def turn(memory: int, held: list[Claim], before: list[Claim]) -> QueueTurn:
    return look(Needs(memory * MIB), held, before, MEMORY, Gpus(()))


def test_what_is_free_is_given_to_the_last_byte() -> None:
    assert not turn(40, [claim(60)], []).waits
    assert turn(41, [claim(60)], []).says.startswith("waiting for 41 MiB: 60 MiB of 100 MiB are held")


def test_what_fits_an_earlier_waiter_is_set_aside_and_the_rest_is_given() -> None:
    assert not turn(10, [claim(60)], [claim(30)]).waits
    assert turn(11, [claim(60)], [claim(30)]).waits
    assert turn(1, [claim(60)], [claim(50)]).waits, "all that is free will be the earlier one's"


def test_another_user_counts_up_to_a_share_whatever_is_claimed() -> None:
    for held, before in (([claim(5000, owner=STRANGER)], []), ([], [claim(5000, owner=STRANGER)])):
        assert not turn(10, held, before).waits
        assert turn(11, held, before).waits
    assert turn(1, [claim(5000)], []).waits, "one's own word counts in full"


def test_a_gpu_that_is_held_is_given_to_nobody() -> None:
    both = Gpus((SMALL, LARGE))
    assert look(Needs(gpus=1), [claim(0, "GPU-a")], [], MEMORY, both).gpus == (LARGE,)
    assert look(Needs(gpus=2), [claim(0, "GPU-a")], [], MEMORY, both).waits


def test_an_earlier_waiter_gets_the_smallest_gpu_that_does_and_the_next_one_another() -> None:
    both, seen = Gpus((LARGE, SMALL)), ("GPU-a", "GPU-b")
    assert look(Needs(gpus=1), [], [], MEMORY, both).gpus == (SMALL,)
    assert look(Needs(gpus=1), [], [claim(0, *seen, wants=1)], MEMORY, both).gpus == (LARGE,)
    assert look(Needs(gpus=1), [], [claim(0, *seen, wants=2)], MEMORY, both).waits
    greedy = claim(0, *seen, wants=500, owner=STRANGER)
    assert look(Needs(gpus=1), [], [greedy], MEMORY, both).gpus == (SMALL,), "nobody waits for the impossible"


def test_who_waits_for_memory_alone_is_not_in_the_line_for_gpus() -> None:
    found = look(Needs(gpus=1), [claim(100)], [claim(50)], MEMORY, Gpus((SMALL,)))
    assert found.gpus == (SMALL,) and not found.waits
    waits = look(Needs(5 * MIB, 1), [claim(100)], [claim(50)], MEMORY, Gpus((SMALL,)))
    assert waits.waits and waits.says.endswith("; 1 before this one") and "GPU" not in waits.says


def test_what_this_machine_can_never_give_is_refused() -> None:
    refuse_impossible(Needs(100 * MIB, 1, 80 * GIB), MEMORY, Gpus((SMALL, LARGE)))
    with pytest.raises(NeverFits, match=r"needs 101 MiB.*at most 100 MiB can ever be given"):
        refuse_impossible(Needs(101 * MIB), MEMORY, Gpus(()))
    with pytest.raises(NeverFits, match=r"needs 2 GPUs with 40 GiB; .*GPU 1 A with 24 GiB, GPU 0 B"):
        refuse_impossible(Needs(gpus=2, vram=40 * GIB), MEMORY, Gpus((SMALL, LARGE)))


def test_a_claim_that_cannot_be_believed_is_waited_for() -> None:
    odd = Claim(Needs(), {}, 0.0, problem="x.holder cannot be read")
    assert turn(1, [odd], []) == QueueTurn(waits=True, says=odd.problem, cause=(odd.problem,))

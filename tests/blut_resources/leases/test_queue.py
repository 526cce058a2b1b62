"""Whose turn it is, decided from claims alone: no file, no process, no clock."""

import os
from dataclasses import replace
from typing import Any

import pytest

from blut_resources.leases.capacity import Capacity
from blut_resources.leases.files import Claim, Needs
from blut_resources.leases.queue import NeverFits, QueueTurn, look, refuse_impossible
from blut_resources.machine.cpus import Cpus
from blut_resources.machine.gpus import Gpu, Gpus
from blut_resources.machine.memory import Memory

MIB, GIB = 1 << 20, 1 << 30
NONE = Gpus(())
FOUR = tuple(range(4))
HERE = Capacity(Memory(100 * MIB, 100 * MIB, "", 0), Cpus(FOUR, installed=4))
SMALL, LARGE = Gpu(1, "GPU-a", "A", 24 * GIB, 24 * GIB), Gpu(0, "GPU-b", "B", 80 * GIB, 80 * GIB)
STRANGER = os.geteuid() + 1000


def claim(memory: int = 0, *gpus: str, owner: int | None = None, wants: int = 0) -> Claim:
    """Somebody who holds or waits for this, in MiB; ``gpus`` are those held, or seen by a waiter."""
    needs = Needs(memory * MIB, wants or len(gpus))
    return Claim(needs, {}, 0.0, gpus, owner=os.geteuid() if owner is None else owner)


def turn(memory: int, held: list[Claim], before: list[Claim]) -> QueueTurn:
    return look(Needs(memory * MIB), held, before, HERE, Gpus(()))


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
    assert look(Needs(gpus=1), [claim(0, "GPU-a")], [], HERE, both).gpus == (LARGE,)
    assert look(Needs(gpus=2), [claim(0, "GPU-a")], [], HERE, both).waits


def test_an_earlier_waiter_gets_the_smallest_gpu_that_does_and_the_next_one_another() -> None:
    both, seen = Gpus((LARGE, SMALL)), ("GPU-a", "GPU-b")
    assert look(Needs(gpus=1), [], [], HERE, both).gpus == (SMALL,)
    assert look(Needs(gpus=1), [], [claim(0, *seen, wants=1)], HERE, both).gpus == (LARGE,)
    assert look(Needs(gpus=1), [], [claim(0, *seen, wants=2)], HERE, both).waits
    greedy = claim(0, *seen, wants=500, owner=STRANGER)
    assert look(Needs(gpus=1), [], [greedy], HERE, both).gpus == (SMALL,), "nobody waits for the impossible"


def test_who_waits_for_memory_alone_is_not_in_the_line_for_gpus() -> None:
    found = look(Needs(gpus=1), [claim(100)], [claim(50)], HERE, Gpus((SMALL,)))
    assert found.gpus == (SMALL,) and not found.waits
    waits = look(Needs(5 * MIB, 1), [claim(100)], [claim(50)], HERE, Gpus((SMALL,)))
    assert waits.waits and waits.says.endswith("; 1 before this one") and "GPU" not in waits.says


def test_what_this_machine_can_never_give_is_refused() -> None:
    refuse_impossible(Needs(100 * MIB, 1, 80 * GIB), HERE, Gpus((SMALL, LARGE)))
    with pytest.raises(NeverFits, match=r"needs 101 MiB.*at most 100 MiB can ever be given"):
        refuse_impossible(Needs(101 * MIB), HERE, Gpus(()))
    with pytest.raises(NeverFits, match=r"needs 2 GPUs with 40 GiB; .*GPU 1 A with 24 GiB, GPU 0 B"):
        refuse_impossible(Needs(gpus=2, vram=40 * GIB), HERE, Gpus((SMALL, LARGE)))


def test_a_claim_that_cannot_be_believed_is_waited_for() -> None:
    odd = Claim(Needs(), {}, 0.0, problem="x.holder cannot be read")
    assert turn(1, [odd], []) == QueueTurn(waits=True, says=odd.problem, cause=(odd.problem,))


def computes(number: int, cpus: tuple[int, ...] = FOUR, **more: Any) -> Claim:
    return Claim(Needs(cpus=number), {}, 0.0, cpus=cpus, **more)


def test_threads_and_permits_are_counted_as_memory_is_and_none_waits_for_what_it_does_not_need() -> None:
    held = [computes(3), Claim(Needs(network=4, disk=1), {"asset": "fetch"}, 0.0)]
    assert not look(Needs(cpus=1, disk=1), held, [], HERE, NONE).waits
    asked = look(Needs(cpus=2, network=1, disk=1), held, [], HERE, NONE)
    assert asked.says.startswith("waiting for 2 CPUs: 3 of 4 CPUs are held: something 3 CPUs (")
    assert (
        "and for 1 network permit: 4 of 4 network permits are held: fetch 4 network permits and 1"
        in asked.says
    )
    assert not look(Needs(40 * MIB), held, [], HERE, NONE).waits


def test_a_small_one_goes_before_a_large_one_only_where_that_does_not_delay_it() -> None:
    waits_for_memory = Claim(Needs(90 * MIB, cpus=2), {}, 0.0, cpus=FOUR)
    held = [claim(50), computes(1)]
    assert not look(Needs(cpus=1), held, [waits_for_memory], HERE, NONE).waits, (
        "three are free, two set aside"
    )
    assert look(Needs(cpus=2), held, [waits_for_memory], HERE, NONE).waits
    assert look(Needs(cpus=1), [computes(1)], [computes(4)], HERE, NONE).waits, "what it waits for is kept"


def test_cpus_are_counted_within_the_set_that_a_process_may_run_on() -> None:
    first = replace(HERE, cpus=Cpus((0,), installed=4))
    assert look(Needs(cpus=1), [computes(1, (0,))], [], first, NONE).waits
    assert not look(Needs(cpus=1), [computes(1, (1,)), computes(2)], [], first, NONE).waits
    assert look(Needs(cpus=1), [computes(4)], [], first, NONE).waits, "there are no more in the machine"
    waits = [computes(1, (0,))]
    other = replace(HERE, cpus=Cpus((1,), installed=4))
    assert not look(Needs(cpus=1), [*waits, computes(2)], waits, other, NONE).waits, "it could not have that"
    pair = computes(1, (0, 1))
    assert look(Needs(cpus=1), [pair, computes(1, (1,))], [], first, NONE).waits, "all of 0 and 1 is held"


def test_a_quota_of_a_cgroup_counts_only_who_is_in_it() -> None:
    within = replace(HERE, cpus=Cpus(FOUR, {77: 2}, 4))
    assert look(Needs(cpus=2), [computes(1, quotas={77: 2})], [], within, NONE).waits
    assert not look(Needs(cpus=2), [computes(2, quotas={5: 2})], [], within, NONE).waits
    with pytest.raises(
        NeverFits, match=r"needs 3 CPUs; this machine has 4 CPUs, of whose time a cgroup gives .* 2"
    ):
        refuse_impossible(Needs(cpus=3), within, NONE)


def test_permits_that_there_never_are_are_refused_with_the_variable() -> None:
    with pytest.raises(
        NeverFits, match=r"needs 5 network permits; .* has 4 network permits \(\$BLUT_LEASE_NETWORK\)"
    ):
        refuse_impossible(Needs(network=5), HERE, NONE)

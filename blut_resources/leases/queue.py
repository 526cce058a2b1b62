"""Decides whose turn it is: first come first served, from what is held, who waits, and what there is.

Nothing here touches a file. A later waiter goes first only where that delays no earlier one: what fits an
earlier waiter is set aside for it, and of what it still waits for nothing is given to anybody behind it.
Memory and GPUs are two queues in this sense.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

from blut_resources.files.private import user_name
from blut_resources.leases.files import Claim, Needs
from blut_resources.machine.gpus import Gpu, Gpus
from blut_resources.machine.memory import Memory, size_text

SHARE = 0.9
"""Of the memory, what the claims of any one other user count for at most: the rest is everybody else's."""


class NeverFits(Exception):
    """Says that more is needed than this machine can ever give; the message shows arithmetic and remedy."""


@dataclass(frozen=True)
class Turn:
    """Says what a look at the queue tells one waiter."""

    gpus: tuple[Gpu, ...] = ()
    """Those to take, if nothing is waited for."""
    waits: bool = False
    says: str = ""
    """What is waited for, for a person."""
    cause: tuple[str, ...] = ()
    """Changes when what is waited for does, and not with each byte that is free."""


def refuse_impossible(needs: Needs, memory: Memory, there: Gpus) -> None:
    """Refuse what this machine can never give. Raises NeverFits."""
    if needs.memory > memory.budget:
        raise NeverFits(
            f"needs {size_text(needs.memory)}; {memory.describe()}, so at most {size_text(memory.budget)} can"
            " ever be given: declare or limit less memory (smaller batches, fewer workers), or run it on a"
            " larger machine"
        )
    if needs.gpus > len([gpu for gpu in there.found if gpu.total >= needs.vram]):
        has = ", ".join(f"GPU {gpu.index} {gpu.name} with {size_text(gpu.total)}" for gpu in there.found)
        reason = f" ({there.reason})" if there.reason else ""
        raise NeverFits(
            f"needs {_gpus_text(needs)}; this process sees {has or 'no GPU'}{reason}: declare less, or run it"
            " on a machine that has them"
        )


def look(needs: Needs, held: Sequence[Claim], before: Sequence[Claim], memory: Memory, there: Gpus) -> Turn:
    """Says whether it is the turn of `needs`, behind the waiters `before`."""
    problems = tuple(claim.problem for claim in (*held, *before) if claim.problem)
    if problems:
        return Turn(waits=True, says=problems[0], cause=problems)
    chosen = _choose(_gpus_left(held, before, there.found), needs)
    short = needs.memory > _memory_left(held, before, memory)
    if chosen is not None and not short:
        return Turn(chosen)
    rivals = [claim for claim in held if (claim.needs.memory and short) or (claim.gpus and chosen is None)]
    ahead = [claim for claim in before if (claim.needs.memory and short) or (claim.gpus and chosen is None)]
    foreign = [gpu for gpu in there.found if chosen is None and gpu.free < needs.vram]
    parts = [_memory_text(needs, held, memory)] if short else []
    parts += [_gpu_text(needs, held, there.found)] if chosen is None else []
    text = f"waiting for {' and for '.join(parts)}" + (f"; {len(ahead)} before this one" if ahead else "")
    cause = [*(claim.path.name for claim in (*rivals, *ahead)), *(gpu.uuid for gpu in foreign)]
    return Turn(waits=True, says=text, cause=tuple(cause))


def _memory_left(held: Sequence[Claim], before: Sequence[Claim], memory: Memory) -> int:
    left = memory.budget - sum(_counted(held, memory.budget).values())
    for claim in before:
        needed = sum(_counted([claim], memory.budget).values())
        left = left - needed if needed <= left or claim.foreign else 0
    return max(0, left)


def _counted(held: Sequence[Claim], budget: int) -> dict[int, int]:
    """Returns the bytes that count as held, by user:
    of another one no more than a share, whatever the files say.
    """
    total: dict[int, int] = {}
    for claim in held:
        total[claim.owner] = total.get(claim.owner, 0) + claim.needs.memory
    foreign = {claim.owner for claim in held if claim.foreign}
    return {user: min(had, round(SHARE * budget)) if user in foreign else had for user, had in total.items()}


def _gpus_left(held: Sequence[Claim], before: Sequence[Claim], there: Sequence[Gpu]) -> list[Gpu]:
    taken = {uuid for claim in held for uuid in claim.gpus}
    left = [gpu for gpu in there if gpu.uuid not in taken]
    for claim in before:
        if claim.foreign and claim.needs.gpus > len(there):
            continue
        would_do = [gpu for gpu in left if gpu.uuid in claim.gpus and gpu.total >= claim.needs.vram]
        chosen = _choose(would_do, claim.needs)
        aside = would_do if chosen is None else chosen
        left = [gpu for gpu in left if gpu not in aside]
    return left


def _choose(left: Sequence[Gpu], needs: Needs) -> tuple[Gpu, ...] | None:
    """Choose the smallest that do, so that large ones stay for those that need them."""
    enough = sorted((gpu for gpu in left if gpu.free >= needs.vram), key=lambda gpu: (gpu.total, gpu.index))
    return tuple(enough[: needs.gpus]) if len(enough) >= needs.gpus else None


def _memory_text(needs: Needs, held: Sequence[Claim], memory: Memory) -> str:
    total = sum(_counted(held, memory.budget).values())
    names = ", ".join(describe(claim) for claim in held if claim.needs.memory)
    text = f"{size_text(needs.memory)}: {size_text(total)} of {size_text(memory.budget)} are held"
    return f"{text}: {names}" if names else text


def _gpus_text(needs: Needs) -> str:
    text = "1 GPU" if needs.gpus == 1 else f"{needs.gpus} GPUs"
    return f"{text} with {size_text(needs.vram)}" if needs.vram else text


def _gpu_text(needs: Needs, held: Sequence[Claim], there: Sequence[Gpu]) -> str:
    """Says of each GPU why it is not given now."""
    texts = []
    for gpu in there:
        holder = next((claim for claim in held if gpu.uuid in claim.gpus), None)
        if holder:
            why = f"is held by {describe(holder)}"
        elif gpu.total < needs.vram:
            why = f"has only {size_text(gpu.total)}"
        elif gpu.free < needs.vram:
            free = f"{size_text(gpu.free)} of {size_text(gpu.total)} free"
            why = f"has {free}, a program without a lease uses the rest"
        else:
            why = "is free"
        texts.append(f"GPU {gpu.index} {why}")
    return f"{_gpus_text(needs)}: {', '.join(texts)}"


def describe(claim: Claim) -> str:
    """Returns text such as ``lamquant/joint_checkpoint 12 GiB (run 3fa2c1d0, since 14:02)``."""
    today = time.strftime("%F") == time.strftime("%F", time.localtime(claim.since))
    since = time.strftime("%H:%M" if today else "%F %H:%M", time.localtime(claim.since))
    what = [size_text(claim.needs.memory)] if claim.needs.memory else []
    what += [_gpus_text(claim.needs)] if claim.needs.gpus else []
    asset, run = claim.holder.get("asset", "something"), claim.holder.get("run", "")[:8]
    who = f"run {run}" if run else f"process {claim.holder.get('pid', '?')}"
    who += "" if claim.owner == os.geteuid() else f" of {user_name(claim.owner)}"
    return f"{asset} {' and '.join(what)} ({who}, since {since})"

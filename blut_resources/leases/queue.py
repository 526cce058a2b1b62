"""Decides whose turn it is: first come first served, from what is held, who waits, and what there is.

Nothing here touches a file. A later waiter goes first only where that delays no earlier one: what fits an
earlier waiter is set aside for it, and of what it still waits for nothing is given to anybody behind it.
Memory, CPUs, GPUs and the permits for network and disk are queues of their own in this sense.
"""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from blut_resources.files.private import user_name
from blut_resources.leases.capacity import Capacity, Stock, amount_text
from blut_resources.leases.files import Claim, Needs
from blut_resources.machine.gpus import Gpu, Gpus
from blut_resources.machine.memory import size_text

SHARE = 0.9
"""Of what is counted, what the claims of one other user count for at most: the rest is everybody else's."""
REMEDIES = {
    "memory": "declare or limit less memory (smaller batches, fewer workers), or run it on a larger machine",
    "cpus": "compute with fewer threads, or on a machine that has more",
    "network": "declare fewer, or set the variable to what the line can carry",
    "disk": "declare fewer, or set the variable to what the disk can serve",
}
KINDS = tuple(REMEDIES)


class NeverFits(Exception):
    """Says that more is needed than this machine can ever give; the message shows arithmetic and remedy."""


@dataclass(frozen=True)
class QueueTurn:
    """Says what a look at the queue tells one waiter."""

    gpus: tuple[Gpu, ...] = ()
    """Those to take, if nothing is waited for."""
    waits: bool = False
    says: str = ""
    """What is waited for, for a person."""
    cause: tuple[str, ...] = ()
    """Changes when what is waited for does, and not with each byte that is free."""


def refuse_impossible(needs: Needs, capacity: Capacity, there: Gpus) -> None:
    """Refuse what this machine can never give. Raises NeverFits."""
    least = {kind: total(kind, capacity) for kind in KINDS}
    for kind, most in least.items():
        if (needed := getattr(needs, kind)) > most:
            raise NeverFits(
                f"needs {amount_text(kind, needed)}; {capacity.describe(kind)}, so at most"
                f" {amount_text(kind, most)} can ever be given: {REMEDIES[kind]}"
            )
    if needs.gpus > len([gpu for gpu in there.found if gpu.total >= needs.vram]):
        has = ", ".join(f"GPU {gpu.index} {gpu.name} with {size_text(gpu.total)}" for gpu in there.found)
        reason = f" ({there.reason})" if there.reason else ""
        raise NeverFits(
            f"needs {_gpus_text(needs)}; this process sees {has or 'no GPU'}{reason}: ask for fewer, or"
            " run it on a machine that has them; a training may take `ranks`, processes on the CPU, instead"
        )


def line_before(
    waiting: Sequence[Claim], own: Path | None, held: Sequence[Claim], *, inside: bool
) -> list[Claim]:
    """Returns who comes before a waiter, the first one first.

    Who holds a lease meanwhile keeps others waiting with it, and comes before those who hold nothing.

    Args:
        waiting: all who wait, oldest first.
        own: the file of the waiter; None while it is not among them, and then it comes last.
        inside: whether it holds a lease itself.
    """
    owned = {(claim.path.name, claim.owner) for claim in held}

    def holds(claim: Claim) -> bool:
        return bool(claim.inside) and all((name, claim.owner) in owned for name in claim.inside)

    line = [*filter(holds, waiting), *(claim for claim in waiting if not holds(claim) and not inside)]
    return [*takewhile(lambda claim: claim.path != own, line)]


def total(kind: str, capacity: Capacity) -> int:
    """Returns how much of a kind one claim can be given at most."""
    return min(stock.total for stock in capacity.stocks(()) if stock.kind == kind)


def look(
    needs: Needs, held: Sequence[Claim], before: Sequence[Claim], capacity: Capacity, there: Gpus
) -> QueueTurn:
    """Says whether it is the turn of `needs`, behind the waiters `before`."""
    problems = tuple(claim.problem for claim in (*held, *before) if claim.problem)
    if problems:
        return QueueTurn(waits=True, says=problems[0], cause=problems)
    chosen = _choose(_gpus_left(held, before, there.found), needs)
    short = short_of(needs, held, before, capacity)
    if chosen is not None and not short:
        return QueueTurn(chosen)
    no_gpu = chosen is None
    rivals = [claim for claim in held if _takes(claim, short) or (claim.gpus and no_gpu)]
    ahead = [claim for claim in before if _takes(claim, short) or (claim.gpus and no_gpu)]
    foreign = [gpu for gpu in there.found if no_gpu and gpu.free < needs.vram]
    parts = [_short_text(needs, held, stock) for stock in short.values()]
    parts += [_gpu_text(needs, held, there.found)] if no_gpu else []
    text = f"waiting for {' and for '.join(parts)}" + (f"; {len(ahead)} before this one" if ahead else "")
    cause = [*(claim.path.name for claim in (*rivals, *ahead)), *(gpu.uuid for gpu in foreign)]
    return QueueTurn(waits=True, says=text, cause=tuple(cause))


def short_of(
    needs: Needs, held: Sequence[Claim], before: Sequence[Claim], capacity: Capacity
) -> dict[str, Stock]:
    """Returns by kind the first stock that has too little left."""
    short: dict[str, Stock] = {}
    for stock in capacity.stocks([*held, *before]):
        if (needed := stock.of(needs)) and needed > _left(held, before, stock):
            short.setdefault(stock.kind, stock)
    return short


def _takes(claim: Claim, short: Mapping[str, Stock]) -> bool:
    return any(stock.of(claim.needs) and stock.counts(claim) for stock in short.values())


def _left(held: Sequence[Claim], before: Sequence[Claim], stock: Stock) -> int:
    left = stock.total - sum(_counted(held, stock).values())
    for claim in filter(stock.counts, before):
        needed = min(stock.kept_for(claim, held), _most(stock) if claim.foreign else stock.of(claim.needs))
        left = left - needed if needed <= left or claim.foreign else 0
    return max(0, left)


def _counted(held: Sequence[Claim], stock: Stock) -> dict[int, int]:
    """Returns what counts as held, by user:
    of another one no more than a share, whatever the files say.
    """
    had: dict[int, int] = {}
    for claim in held:
        if stock.counts(claim):
            had[claim.owner] = had.get(claim.owner, 0) + stock.of(claim.needs)
    foreign = {claim.owner for claim in held if claim.foreign}
    most = _most(stock)
    return {user: min(amount, most) if user in foreign else amount for user, amount in had.items()}


def _most(stock: Stock) -> int:
    return round(SHARE * stock.total)


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


def _short_text(needs: Needs, held: Sequence[Claim], stock: Stock) -> str:
    total = sum(_counted(held, stock).values())
    names = ", ".join(describe(claim) for claim in held if _takes(claim, {stock.kind: stock}))
    of = amount_text(stock.kind, stock.total)
    had = size_text(total) if stock.kind == "memory" else str(total)
    verb = "is" if of.startswith("1 ") and stock.kind != "memory" else "are"
    text = f"{amount_text(stock.kind, stock.of(needs))}: {had} of {of} {verb} held"
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
    asset, run = claim.holder.get("asset", "something"), claim.holder.get("run", "")[:8]
    who = f"run {run}" if run else f"process {claim.holder.get('pid', '?')}"
    who += "" if claim.owner == os.geteuid() else f" of {user_name(claim.owner)}"
    return f"{asset} {needs_text(claim.needs)} ({who}, since {since})"


def needs_text(needs: Needs) -> str:
    """Returns text such as ``12 GiB and 2 CPUs and 1 GPU``."""
    counted = [amount_text(kind, amount) for kind in KINDS if (amount := getattr(needs, kind))]
    return " and ".join([*counted, *([_gpus_text(needs)] if needs.gpus else [])])

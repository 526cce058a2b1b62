"""Lets the processes of one payload train together: who is who, and what they agree on.

They are its ranks, numbered from 0. Rank 0 speaks and writes for all; the others only compute. A payload that
runs alone is rank 0 of 1, and whatever is asked of the others is answered at once.
"""

import contextlib
import math
import os
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from blut_resources.payload_kit.refuse import Refused
from blut_resources.payload_kit.session import rank

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
PATIENCE = timedelta(days=7)
"""How long a rank waits for another: one that writes or measures may take hours, and a dead one is noticed
by whoever started it."""


def count() -> int:
    """Returns how many ranks there are."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "TORCHELASTIC_RUN_ID" in os.environ else 1


class Unshared(Refused, ValueError):
    """Says that ranks cannot take equal shares of something; the message has the numbers."""


def share_of(name: str, value: int, ranks: int, each: int = 1) -> int:
    """Returns what each rank takes of what a setting stands for, such as the rows of a batch.

    Args:
        each: how many things one of the setting stands for.

    Raises:
        Unshared: they cannot take equally much; the message names both numbers and the nearest that would do.
    """
    if value * each % ranks:
        fits = max(ranks, round(value / ranks) * ranks)
        raise Unshared(
            f"{name}={value}: {ranks} ranks cannot take equal shares of it; give a multiple of {ranks}, such"
            f" as {fits}, or another number of ranks"
        )
    return value * each // ranks


def shares_of_update(batch_size: int, grad_accum: int, ranks: int) -> tuple[int, int]:
    """Returns the batch size and the batches of an update of each rank: together they see as many examples.

    What a rank holds at once stays as large as it may: batches are dealt out first, and cut only if need be.

    Raises:
        Unshared: the examples of an update are not a multiple of the ranks.
    """
    dealt = math.gcd(grad_accum, ranks)
    if batch_size % (ranks // dealt):
        raise Unshared(
            f"batch_size={batch_size} and grad_accum={grad_accum}: {ranks} ranks cannot take equal shares of"
            f" the {batch_size * grad_accum} examples of an update; make one of them a multiple of {ranks},"
            " or give another number of ranks"
        )
    return batch_size // (ranks // dealt), grad_accum // dealt


class Ranks:
    """Stands for one rank among those that train together.

    Attributes:
        number: of this one, from 0.
        count: how many there are.
    """

    def __init__(self, number: int = 0, count: int = 1) -> None:
        self.number, self.count = number, count

    @property
    def first(self) -> bool:
        """Says whether this one speaks and writes for all."""
        return self.number == 0

    @property
    def mine(self) -> slice:
        """Returns which of some things are this one's, every so-many-th: together they have each once."""
        return slice(self.number, None, self.count)

    def gathered(self, shares: list[T]) -> list[T]:
        """Returns what all ranks made of those of a list that are `mine`, in its order."""
        if self.count == 1:
            return shares
        found = self._everyone(shares)
        return [found[n % self.count][n // self.count] for n in range(sum(map(len, found)))]

    def agreed(self, value: T) -> T:
        """Returns what rank 0 has."""
        if self.count == 1:
            return value
        from torch.distributed import broadcast_object_list

        told = [value]
        broadcast_object_list(told, src=0)
        return told[0]

    def total(self, *values: float) -> list[float]:
        """Returns the sums over all ranks."""
        if self.count == 1:
            return list(values)
        import torch
        from torch.distributed import all_reduce

        summed = torch.tensor(values, dtype=torch.float64)
        all_reduce(summed)
        return summed.tolist()

    def any(self, flag: bool) -> bool:
        """Says whether it is so on any of them: all get the same answer."""
        return self.total(float(flag))[0] > 0

    def alike(self, module: "torch.nn.Module") -> None:
        """Give all ranks the parameters and buffers that rank 0 has."""
        if self.count > 1:
            from torch.distributed import broadcast

            for tensor in (*module.parameters(), *module.buffers()):
                broadcast(tensor.detach(), src=0)

    def sum_gradients(self, module: "torch.nn.Module") -> None:
        """Give all ranks the sum of their gradients, which is the same to the last bit on each.

        For networks of a few thousand weights, whose batch has a weight of its own for each row: the loss of
        a rank is its part of that of the whole batch. `DistributedDataParallel` would take the mean.
        """
        if self.count == 1:
            return
        import torch
        from torch.distributed import all_reduce

        found = [p.grad for p in module.parameters() if p.grad is not None]
        flat = torch.cat([gradient.reshape(-1) for gradient in found])
        all_reduce(flat)
        for gradient, part in zip(found, flat.split([g.numel() for g in found]), strict=True):
            gradient.copy_(part.view_as(gradient))

    def _everyone(self, value: T) -> list[T]:
        from torch.distributed import all_gather_object

        found: list[Any] = [None] * self.count
        all_gather_object(found, value)
        return found


ALONE = Ranks()


def ours() -> Ranks:
    """Returns this process as one of the ranks that it was started as."""
    return Ranks(rank(), count())


@contextlib.contextmanager
def joined(device: str) -> Iterator[Ranks]:
    """Join the other ranks of this payload, for as long as the block lasts.

    Args:
        device: ``cpu`` or ``cuda``; each rank then computes on a GPU of its own, which PyTorch takes for
            its ``cuda`` from here on.
    """
    if count() == 1:
        yield ALONE
        return
    import torch
    from torch.distributed import destroy_process_group, init_process_group

    if device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    init_process_group("gloo" if device == "cpu" else "cpu:gloo,cuda:nccl", timeout=PATIENCE)
    yield ours()
    destroy_process_group()  # not after a failure: it would wait for who is gone


_LOST = ("gloo", "nccl", "connection closed by peer", "connection reset", "broken pipe")


def is_of_another(error: BaseException) -> bool:
    """Says whether an error is only that another rank is gone."""
    seen: BaseException | None = error
    while seen is not None:
        words = str(seen).lower()
        if isinstance(seen, RuntimeError) and any(word in words for word in _LOST):
            return True
        seen = seen.__cause__ or seen.__context__
    return False

"""Takes the state of an optimiser apart into tensors with names, and puts it together again."""

import torch


def parts(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """Returns the tensors whose names begin with a prefix, without it."""
    return {name[len(prefix) :]: t for name, t in tensors.items() if name.startswith(prefix)}


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Returns what an optimiser remembers, as ``adam.<parameter>.<name>``."""
    state = optimizer.state_dict()["state"]
    return {f"adam.{index}.{name}": t for index, slots in state.items() for name, t in slots.items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    """Let an optimiser go on from what it remembered, names without ``adam.``."""
    slots: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in tensors.items():
        index, _, slot = name.partition(".")
        slots.setdefault(int(index), {})[slot] = value
    optimizer.load_state_dict(optimizer.state_dict() | {"state": slots})

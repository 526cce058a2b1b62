"""Measures an importance matrix: how strongly each column of each weight is used on calibration text.

Measured in the Hugging Face model by hooks, and named as llama.cpp names its tensors. A column is weighed by
the mean square of the activation that it multiplies.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cookbooks.llm.llama.kit import Kit
from cookbooks.llm.llama.library import put_converter_first

if TYPE_CHECKING:
    import torch

Importance = dict[str, np.ndarray[Any, np.dtype[np.float32]]]


def measure_importance(model: Any, windows: Iterable[Sequence[int]], names: dict[str, str]) -> Importance:
    """Measure mean squares of every linear layer's inputs in ``names`` (module -> tensor in the GGUF)."""
    import torch

    sums: dict[str, torch.Tensor] = {}
    counts: dict[str, int] = {}

    def watch(tensor: str) -> Any:
        def before(_module: Any, given: tuple["torch.Tensor", ...]) -> None:
            rows = given[0].detach().reshape(-1, given[0].shape[-1]).double()
            sums[tensor] = sums.get(tensor, 0) + (rows * rows).sum(0)
            counts[tensor] = counts.get(tensor, 0) + len(rows)

        return before

    hooks = [
        module.register_forward_pre_hook(watch(names[name]))
        for name, module in model.named_modules()
        if name in names and isinstance(module, torch.nn.Linear)
    ]
    try:
        with torch.inference_mode():
            for window in windows:
                model(torch.tensor([list(window)], device=model.device))
    finally:
        for hook in hooks:
            hook.remove()
    return {
        tensor: np.ascontiguousarray((total / counts[tensor]).cpu().numpy(), dtype=np.float32)
        for tensor, total in sums.items()
    }


def gguf_names(model: Any, kit: Kit, gguf_architecture: str) -> dict[str, str]:
    """Returns module name -> the tensor that llama.cpp's converter makes of its weight."""
    put_converter_first(kit)
    import gguf
    import torch

    arch = next(arch for arch, name in gguf.MODEL_ARCH_NAMES.items() if name == gguf_architecture)
    config = model.config.get_text_config()
    table = gguf.get_tensor_name_map(arch, config.num_hidden_layers)
    found = {}
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and (to := table.get_name(name)):
            found[name] = f"{to}.weight"
    return found


def calibration_windows(
    texts: Iterable[Sequence[int]], *, tokens: int, window: int
) -> tuple[list[list[int]], int]:
    """Returns examples, cut at ``window`` tokens, until ``tokens`` are reached;
    and how many tokens they are.
    """
    found: list[list[int]] = []
    count = 0
    for ids in texts:
        if count >= tokens:
            break
        found.append(list(ids[:window]))
        count += len(found[-1])
    return found, count


def save_importance(path: Path, importance: Importance) -> None:
    """Keep it beside the model, so that the file can be made again."""
    from safetensors.numpy import save_file

    save_file(dict(sorted(importance.items())), path)

"""Picks where and in what a training computes from what is there, and reports it before it starts."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cookbooks.llm.training_loop.process import Refused

if TYPE_CHECKING:
    import torch

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True)
class Placement:
    """Says where to compute.

    ``dtype`` is what matrices are multiplied in; sums and optimizer stay in float32.
    """

    device: str
    name: str
    dtype: str
    attention: str
    why: str

    def describe(self) -> str:
        """Returns one line for the log."""
        what = f"device={self.device} ({self.name}) dtype={self.dtype} attention={self.attention}"
        return f"training on {what}: {self.why}"

    def facts(self) -> dict[str, str]:
        """Returns what an artifact says about it; the name of the device says nothing about the bytes."""
        return {name: value for name, value in asdict(self).items() if name not in ("name", "why")}

    @property
    def torch_dtype(self) -> "torch.dtype":
        """Returns the dtype as torch calls it."""
        import torch

        return getattr(torch, self.dtype)


def place(config: Mapping[str, Any], supports_sdpa: bool) -> Placement:
    """Choose the device, the dtype and the attention for this machine;
    ``auto`` picks, all else is a demand.

    Raises:
        Refused: what is demanded is not to be had here.
    """
    import torch

    # the environment asked for it as well, but something may have imported torch before
    torch.set_num_threads(config.get("threads", 1))
    device, name = _device(config.get("device", "auto"))
    dtype, why = _dtype(config.get("dtype", "auto"), device)
    return Placement(device, name, dtype, _attention(config.get("attention", "auto"), supports_sdpa), why)


def _device(wanted: str) -> tuple[str, str]:
    import torch

    there = torch.cuda.is_available()
    if wanted == "cuda" and not there:
        raise Refused("device='cuda': no CUDA device is available; use cpu or auto")
    if there and wanted != "cpu":
        return "cuda", torch.cuda.get_device_name(0)
    return "cpu", f"threads: {torch.get_num_threads()}"


def _dtype(wanted: str, device: str) -> tuple[str, str]:
    import torch

    if device == "cpu":
        if wanted == "float16":
            raise Refused("dtype='float16': a CPU cannot train in it; use float32 or bfloat16")
        return ("float32", "exact on a CPU") if wanted == "auto" else (wanted, "as asked for")
    bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    if wanted == "bfloat16" and not bf16:
        raise Refused(f"dtype='bfloat16': {torch.cuda.get_device_name(0)} has none; use float16 or float32")
    if wanted != "auto":
        return wanted, "as asked for"
    return ("bfloat16", "the GPU has it") if bf16 else ("float16", "the GPU has no bfloat16")


def _attention(wanted: str, supports_sdpa: bool) -> str:
    if wanted == "sdpa" and not supports_sdpa:
        raise Refused("attention='sdpa': this architecture does not support it; use eager or auto")
    if wanted == "auto":
        return "sdpa" if supports_sdpa else "eager"
    return wanted

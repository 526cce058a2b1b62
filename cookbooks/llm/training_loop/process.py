"""Sets up a training's process before any model library is imported."""

import contextlib
import os
import sys
import time
import warnings
from collections.abc import Iterator

from blut_resources.payload_kit.device import Device, choose_device, use_threads
from blut_resources.payload_kit.ranks import count, joined

OFFLINE = (
    "HF_HUB_OFFLINE",
    "TRANSFORMERS_OFFLINE",
    "HF_DATASETS_OFFLINE",
    "HF_HUB_DISABLE_TELEMETRY",
    "HF_HUB_DISABLE_PROGRESS_BARS",
)


def prepare_process(threads: int) -> None:
    """Set: no network, a fixed number of threads, one GPU (or one each, where ranks train), no wandb.

    The libraries read all of this at import.

    Threads that spin while they wait would cost other programs of the machine more than they gain here.
    """
    for name in OFFLINE:
        os.environ[name] = "1"
    use_threads(threads)
    os.environ |= {"TOKENIZERS_PARALLELISM": "false", "OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}
    if count() == 1:
        # with several in sight, transformers would wrap the model in DataParallel, which TRL refuses
        os.environ["CUDA_VISIBLE_DEVICES"] = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    # where it is installed TRL imports it, for seconds, to report by itself; here the run does that
    sys.modules.setdefault("wandb", None)  # type: ignore[arg-type]


@contextlib.contextmanager
def prepared(threads: int, device: Device) -> Iterator[None]:
    """Prepare the process, and let it train with others where there are any, for as long as the block lasts.

    Raises:
        Refused: CUDA is demanded, and is not to be had.
    """
    prepare_process(threads)
    with joined(choose_device(device) if count() > 1 else "cpu"):
        yield


def load_libraries() -> None:
    """Import what a training uses, so that what the libraries take is known before a model comes on top."""
    import peft  # noqa: F401
    import torch.distributed.tensor  # noqa: F401
    import trl.trainer.dpo_trainer
    import trl.trainer.sft_trainer  # noqa: F401

    # the versions are pinned: what will be called otherwise in the next one does not help a user now
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"(transformers|trl|peft)\.")


class Clock:
    """Measures wall and CPU seconds since it was made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.monotonic(), time.process_time()

    @property
    def seconds(self) -> float:
        """Returns the wall seconds."""
        return time.monotonic() - self._wall

    @property
    def cpu_seconds(self) -> float:
        """Returns the CPU seconds of this process, all threads."""
        return time.process_time() - self._cpu

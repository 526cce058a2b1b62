"""Sets up a training's process before any model library is imported, and says how it gives up."""

import contextlib
import os
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

OFFLINE = (
    "HF_HUB_OFFLINE",
    "TRANSFORMERS_OFFLINE",
    "HF_DATASETS_OFFLINE",
    "HF_HUB_DISABLE_TELEMETRY",
    "HF_HUB_DISABLE_PROGRESS_BARS",
)
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Refused(ValueError):
    """Says that a training cannot or must not go on; the message is for a person."""


def prepare_process(config: Mapping[str, Any]) -> None:
    """Set: no network, a fixed number of threads, one GPU, no wandb.

    The libraries read all of this at import.

    Threads that spin while they wait would cost other programs of the machine more than they gain here.
    """
    for name in OFFLINE:
        os.environ[name] = "1"
    for name in THREADS:
        os.environ[name] = str(config.get("threads", 1))
    os.environ |= {"TOKENIZERS_PARALLELISM": "false", "OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}
    # with several in sight, transformers would wrap the model in DataParallel, which TRL refuses
    os.environ["CUDA_VISIBLE_DEVICES"] = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    # where it is installed TRL imports it, for seconds, to report by itself; here the run does that
    sys.modules.setdefault("wandb", None)  # type: ignore[arg-type]


def load_libraries() -> None:
    """Import what a training uses, so that what the libraries take is known before a model comes on top."""
    import peft  # noqa: F401
    import torch.distributed.tensor  # noqa: F401
    import trl.trainer.dpo_trainer
    import trl.trainer.sft_trainer  # noqa: F401

    # the versions are pinned: what will be called otherwise in the next one does not help a user now
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"(transformers|trl|peft)\.")


def say(text: str) -> None:
    """Write a line for the log of the run."""
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def explained(*errors: type[Exception]) -> Iterator[None]:
    """Ends the process with the message of these errors, and of `Refused`, instead of a stack trace."""
    try:
        yield
    except (Refused, *errors) as error:
        raise SystemExit(str(error)) from error


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

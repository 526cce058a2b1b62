"""Tells every trainer its settings, and says which of transformers' own ones a user may change."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cookbooks.llm.training_loop.device import Placement
from cookbooks.llm.training_loop.process import Refused

EXTRA = (
    *("adam_beta1", "adam_beta2", "adam_epsilon", "optim", "optim_args"),
    *("lr_scheduler_type", "lr_scheduler_kwargs", "warmup_steps", "weight_decay", "max_grad_norm"),
    *("neftune_noise_alpha", "dataloader_drop_last", "tf32"),
)
"""Settings of transformers that change neither what is learned from nor how it is resumed."""


def training_arguments(config: Mapping[str, Any], placement: Placement, work: Path) -> dict[str, Any]:
    """Returns keyword arguments for any of TRL's config classes.

    Raises:
        Refused: ``hf_extra`` names a setting that is not to be changed.
    """
    save_steps = config.get("save_steps")
    return {
        "output_dir": str(work),
        "num_train_epochs": config["epochs"],
        "max_steps": config.get("max_steps") or -1,
        "per_device_train_batch_size": config["batch_size"],
        "per_device_eval_batch_size": config["batch_size"],
        "gradient_accumulation_steps": config["grad_accum"],
        "learning_rate": config["lr"],
        "lr_scheduler_type": config.get("schedule", "linear"),
        "warmup_steps": config.get("warmup_ratio", 0.0),
        "weight_decay": config.get("weight_decay", 0.0),
        "max_grad_norm": config.get("max_grad_norm", 1.0),
        "optim": "adamw_torch",
        "seed": config["seed"],
        "data_seed": config["seed"],
        "bf16": placement.dtype == "bfloat16",
        "fp16": placement.dtype == "float16",
        "use_cpu": placement.device == "cpu",
        "dataloader_pin_memory": placement.device == "cuda",
        "gradient_checkpointing": bool(config.get("gradient_checkpointing")),
        # a mean over several steps would lose what was summed up when the process is killed between them
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "eval_strategy": "no",
        "save_strategy": "steps" if save_steps else "epoch",
        "save_steps": save_steps or 500,
        "save_total_limit": None,
        "report_to": [],
        "disable_tqdm": True,
        "log_level": "error",
        **_extra(config.get("hf_extra") or {}),
    }


def _extra(values: Mapping[str, Any]) -> dict[str, Any]:
    for name, value in values.items():
        if name not in EXTRA:
            near = difflib.get_close_matches(name, EXTRA, 1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise Refused(f"hf_extra: {name}={value!r}: {hint}known settings: {', '.join(sorted(EXTRA))}")
    return dict(values)
